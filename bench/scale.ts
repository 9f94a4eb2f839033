/**
 * Measures how the cost of an evaluation grows with the state, on both engines:
 * `npm run bench:scale -- [--json] [--rounds 15]`.
 *
 * - a boolean flag among 100,000 and among 10, either the same flag or a different one each time,
 * - a boolean flag whose n-th segment matches, and one whose first segment matches, with n more after it,
 * - `isoneof` with 10,000 values and with 10.
 */
import process from "node:process"
import type { Snapshot } from "flipt-client-effect/Snapshot"
import type * as Loops from "./lib/loops-scale.js"
import {
  argument,
  environment,
  json,
  medians,
  printEnvironment,
  ratio,
  rounds,
  type Task,
  table
} from "./lib/measure.js"
import { copyOf } from "./lib/modules.js"
import type * as OursModule from "./lib/ours.js"
import { documentOf, flagsOf, makeEntity } from "./lib/workloads.js"

const ENTITIES = 4_096
const ENGINES = ["portable", "native"] as const

const rolloutsOf = (
  key: string,
  conditions: ReadonlyArray<readonly [property: string, operator: string, value: string]>
) => ({
  key,
  name: key,
  description: "",
  enabled: false,
  type: "BOOLEAN_FLAG_TYPE",
  rules: [],
  rollouts: conditions.map(([property, operator, value], place) => ({
    type: "SEGMENT_ROLLOUT_TYPE",
    rank: place + 1,
    segment: {
      value: true,
      segmentOperator: "OR_SEGMENT_OPERATOR",
      segments: [
        {
          key: `segment-${place}`,
          matchType: "ALL_SEGMENT_MATCH_TYPE",
          constraints: [{ type: "STRING_CONSTRAINT_COMPARISON_TYPE", property, operator, value }]
        }
      ]
    }
  }))
})

const list = (length: number, more: string): string =>
  JSON.stringify([...Array.from({ length: length - 1 }, (_, i) => `value-${i}`), more])

const PASSED = [1, 5, 25, 100, 400]
const LISTS = [10, 10_000]
const special = [
  ...PASSED.flatMap((count) => [
    rolloutsOf(
      `passed-${count}`,
      Array.from({ length: count }, (_, i) => ["plan", "eq", i === count - 1 ? "pro" : `other-${i}`] as const)
    ),
    rolloutsOf(
      `behind-${count}`,
      Array.from({ length: count }, (_, i) => ["plan", "eq", i === 0 ? "pro" : `other-${i}`] as const)
    )
  ]),
  ...LISTS.map((length) => rolloutsOf(`list-${length}`, [["plan", "isoneof", list(length, "pro")]]))
]

const entities = Array.from({ length: ENTITIES }, (_, index) => {
  const { attributes, id } = makeEntity(index)
  return { entityId: id, context: attributes }
})

const tasks: Array<Task> = []
const keysOf = (count: number): ReadonlyArray<string> =>
  flagsOf(count)
    .filter(({ kind }) => kind === "boolean")
    .map(({ key }) => key)

for (const engine of ENGINES) {
  const { compile } = await copyOf<typeof OursModule>("ours", engine)
  const add = async (name: string, snapshot: Snapshot, keys: ReadonlyArray<string>): Promise<void> => {
    const { otherFlags, sameFlag } = await copyOf<typeof Loops>("loops-scale", `${engine}-${name}`)
    tasks.push({
      name: `${engine} ${name}`,
      loop:
        keys.length === 1
          ? (from, count) => sameFlag(snapshot, keys[0]!, entities, from, count)
          : (from, count) => otherFlags(snapshot, keys, entities, from, count)
    })
  }
  for (const count of [10, 100_000]) {
    const snapshot = await compile(documentOf(flagsOf(count)))
    const keys = keysOf(count)
    await add(`among ${count}`, snapshot, keys.slice(0, 1))
    // the same number of keys for both sizes
    await add(`some of ${count}`, snapshot, keys.slice(-4))
    await add(`any of ${count}`, snapshot, keys)
  }
  const snapshot = await compile({ namespace: { key: "default" }, flags: special })
  for (const { key } of special) {
    const answer = snapshot.boolean({ flagKey: key, ...entities[0]! })
    if (answer._tag !== "Right" || !answer.right.enabled) {
      throw new Error(`${engine}, ${key}: no segment matches`)
    }
    await add(key, snapshot, [key])
  }
}

const times = await rounds(tasks, { count: argument("rounds", 15), sliceMillis: argument("slice", 15) })
const nanos = medians(times)
const ratios = Object.fromEntries(
  ENGINES.map((engine) => [
    engine,
    {
      among: ratio(times[`${engine} among 100000`], times[`${engine} among 10`]),
      some: ratio(times[`${engine} some of 100000`], times[`${engine} some of 10`]),
      any: ratio(times[`${engine} any of 100000`], times[`${engine} any of 10`]),
      list: ratio(times[`${engine} list-10000`], times[`${engine} list-10`]),
      behind: ratio(times[`${engine} behind-400`], times[`${engine} behind-1`])
    }
  ])
)

if (json) {
  console.log(JSON.stringify({ ...environment(["effect"]), nanos, ratios }, undefined, 2))
} else {
  printEnvironment(environment(["effect"]))
  type Ratio = "among" | "some" | "any" | "list" | "behind"
  const row = (what: string, large: string, small: string, name: Ratio, most?: number) => [
    what,
    ...ENGINES.flatMap((engine) => {
      const value = ratios[engine]![name]
      const mark = most === undefined ? "" : value <= most ? " ok" : " SHORT"
      return [
        `${Math.round(nanos[`${engine} ${large}`]!)} / ${Math.round(nanos[`${engine} ${small}`]!)}`,
        `${value.toFixed(2)}${mark}`
      ]
    }),
    most ?? ""
  ]
  console.log("\nNanoseconds per evaluation, large / small, and the ratio\n")
  table(
    ["", "portable ns", "ratio", "native ns", "ratio", "at most"],
    [
      row("one flag among 100,000 / among 10", "among 100000", "among 10", "among", 1.3),
      row("4 flags of 100,000 / of 10", "some of 100000", "some of 10", "some", 1.3),
      row("any of 33,334 flags / of 4", "any of 100000", "any of 10", "any"),
      row("isoneof of 10,000 / of 10", "list-10000", "list-10", "list", 1.3),
      row("400 rules not reached / none", "behind-400", "behind-1", "behind", 1.1)
    ]
  )
  console.log(
    "\nNanoseconds by position of the matching rule; in parentheses per additional rule, from one column to the next\n"
  )
  const passed = (engine: string) =>
    PASSED.map((count, place) => {
      const value = nanos[`${engine} passed-${count}`]!
      const before = PASSED[place - 1]
      const each =
        before === undefined
          ? ""
          : ` (${((value - nanos[`${engine} passed-${before}`]!) / (count - before)).toFixed(1)})`
      return `${Math.round(value)}${each}`
    })
  table(
    ["rule", ...PASSED],
    ENGINES.map((engine) => [engine, ...passed(engine)])
  )
}
process.exit(0)
