/**
 * How long a program takes to start: `npm run bench:start -- [--json] [--rounds 15]`.
 *
 * Imports the package and evaluates a first flag from a file, with each engine, and compares that with importing only
 * `effect/Effect`, `effect/Layer` and `@effect/platform/HttpClient`. Each run is a separate process. The ratio is the
 * median of the ratios within a round.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { argument, environment, json, median, printEnvironment, ratio, shuffle, table } from "./lib/measure.js"
import { start } from "./lib/modules.js"
import { documentOf, flagsOf } from "./lib/workloads.js"

/** The maximum processor time, as a multiple of the imports alone. */
const GOAL = 1.2
const ROUNDS = argument("rounds", 15)

interface Started {
  readonly own: number
  readonly wall: number
}

const folder = mkdtempSync(join(tmpdir(), "flipt-bench-"))
const path = join(folder, "flags.json")
writeFileSync(path, JSON.stringify(documentOf(flagsOf(10))))

const ENGINES = ["default", "portable", "native"] as const
const starters: Readonly<Record<string, () => Promise<{ readonly message: Started }>>> = {
  effect: () => start<Started>("start-effect", []),
  ...Object.fromEntries(ENGINES.map((engine) => [engine, () => start<Started>("start-ours", [engine, path])]))
}
const starts: Record<string, Array<Started>> = {}
for (let round = -1; round < ROUNDS; round++) {
  for (const name of shuffle(Object.keys(starters))) {
    const { message } = await starters[name]!()
    // the first round fills the file system cache
    if (round >= 0) {
      starts[name] = [...(starts[name] ?? []), message]
    }
  }
}
rmSync(folder, { recursive: true })

const of = (name: string, clock: keyof Started): ReadonlyArray<number> => starts[name]!.map((it) => it[clock])
const ratios = Object.fromEntries(
  ENGINES.map((engine) => [
    engine,
    { own: ratio(of(engine, "own"), of("effect", "own")), wall: ratio(of(engine, "wall"), of("effect", "wall")) }
  ])
)

const at = environment(["effect", "@effect/platform"])
if (json) {
  console.log(JSON.stringify({ ...at, ratios, starts }, undefined, 2))
} else {
  printEnvironment(at)
  console.log(`\nImports and a first evaluation from a file, compared with Effect's imports alone: ${ROUNDS} rounds\n`)
  table(
    ["", "processor time, ms", "ratio", "at most", "wall time, ms", "ratio"],
    ["effect", ...ENGINES].map((name) => {
      const { own, wall } = ratios[name] ?? { own: 1, wall: 1 }
      return [
        name === "effect" ? "effect alone" : `${name} engine`,
        median(of(name, "own")).toFixed(0),
        `${own.toFixed(2)}${name === "effect" ? "" : own <= GOAL ? " ok" : " SHORT"}`,
        name === "effect" ? "" : GOAL,
        median(of(name, "wall")).toFixed(0),
        wall.toFixed(2)
      ]
    })
  )
}
