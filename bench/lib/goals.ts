/** The peer's time divided by ours, for the workloads (a) to (d). */
export interface Goal {
  readonly must: ReadonlyArray<number>
  readonly aim: ReadonlyArray<number>
}

export const goals: Readonly<Record<"portable" | "native", Readonly<Record<string, Goal>>>> = {
  portable: {
    official: { must: [52, 50, 80, 70], aim: [60, 65, 100, 85] },
    unleash: { must: [9, 15, 20, 19], aim: [12, 20, 26, 25] },
    growthbook: { must: [9.5, 10.5, 22, 16], aim: [12, 14, 28, 20] },
    launchdarkly: { must: [21, 15, 16, 20], aim: [25, 20, 20, 26] },
    "flagd-core": { must: [4.7, 3.1, 2.6, 4.4], aim: [6, 4, 3.2, 6] },
    configcat: { must: [16, 9, 3, 10.5], aim: [20, 12, 3.8, 14] }
  },
  native: {
    official: { must: [27, 28, 32, 39], aim: [35, 35, 40, 50] },
    ...Object.fromEntries(
      ["unleash", "growthbook", "launchdarkly", "flagd-core", "configcat"].map((peer) => [
        peer,
        { must: [1, 1, 1, 1], aim: [1, 1, 1, 1] }
      ])
    )
  }
}

/** Many flags for one entity: the maximum time when bound, divided by the time when unbound. */
export const boundGoal = 0.9

/** The check fails below this share of a `must`, which allows for the noise of a shared machine. */
export const FLOOR = 0.7
