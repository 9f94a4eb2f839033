/** What a peer's time, divided by ours, must reach at least, and what is aimed for: workloads (a) to (d). */
export const goals = {
  portable: {
    official: ["75/90", "75/100", "85/110", "90/150"],
    unleash: ["12/15", "25/30", "22/28", "25/45"],
    growthbook: ["9/12", "13/17", "22/30", "20/35"],
    launchdarkly: ["18/25", "17/24", "14/20", "25/40"],
    "flagd-core": ["6/7.5", "4/6", "2.5/4", "6/11"],
    configcat: ["18/25", "20/25", "4/5", "15/28"]
  },
  native: {
    official: ["45/60", "50/65", "38/55", "80/100"],
    unleash: ["7/10", "16/20", "10/12", "22/30"],
    growthbook: ["5/7", "8/11", "10/14", "17/22"],
    launchdarkly: ["10/15", "11/15", "6/9", "22/28"],
    "flagd-core": ["3.5/4.5", "2.5/4", "1.2/1.8", "5/7"],
    configcat: ["10/14", "12/17", "1.8/2.2", "13/17"]
  }
}

/** Many flags of one entity: bound, divided by unbound, at most. */
export const boundGoal = 0.9

/** Below this share of what must be reached, the check fails: machines are noisy. */
export const FLOOR = 0.6
