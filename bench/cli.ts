/**
 * How long `flipt-client evaluate` takes on a file: `npm run bench:cli -- [--json] [--rounds 15]`.
 *
 * Compares it with an empty program of `@effect/cli`, as it is written and bundled like the command. Each run is a
 * process of its own. The ratio is the median of the ratios within a round.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as Esbuild from "esbuild"
import { argument, environment, json, median, printEnvironment, ratio, shuffle, table } from "./lib/measure.js"
import { documentOf, flagsOf } from "./lib/workloads.js"

/** At most so many times the empty program, in processor time. */
const GOAL = 1.5
const ROUNDS = argument("rounds", 15)

// this module runs from bench/build
const root = fileURLToPath(new URL("../../", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "flipt-bench-"))
const document = join(folder, "flags.json")
const flags = flagsOf(10)
writeFileSync(document, JSON.stringify(documentOf(flags)))

/** Writes the processor time of the process to standard error at its end. */
const preload = join(folder, "preload.cjs")
writeFileSync(
  preload,
  `process.on("exit", () => {
  const { system, user } = process.cpuUsage()
  require("node:fs").writeSync(2, "\\nmicroseconds:" + (system + user))
})
`
)

const bundled = join(folder, "empty.mjs")
await Esbuild.build({
  entryPoints: [join(root, "bench/build/lib/start-cli.js")],
  outfile: bundled,
  bundle: true,
  minify: true,
  format: "esm",
  platform: "node",
  target: "node20",
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);'
  },
  logLevel: "warning"
})

const EMPTY = "empty program"
const EMPTY_BUNDLED = "empty program, bundled"
const EVALUATE = "flipt-client evaluate"

const programs: Readonly<Record<string, ReadonlyArray<string>>> = {
  [EMPTY]: [join(root, "bench/build/lib/start-cli.js")],
  [EMPTY_BUNDLED]: [bundled],
  [EVALUATE]: [
    join(root, "packages/cli/dist/main.js"),
    "evaluate",
    flags[0]!.key,
    "--entity",
    "user-42",
    "--file",
    document
  ]
}

interface Run {
  readonly own: number
  readonly wall: number
}

const run = (args: ReadonlyArray<string>): Promise<Run> =>
  new Promise((resolve, reject) => {
    const start = performance.now()
    const child = spawn(process.execPath, ["--require", preload, ...args], { stdio: ["ignore", "ignore", "pipe"] })
    let errors = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text
    })
    child.once("close", (code) => {
      const own = Number(/microseconds:(\d+)$/.exec(errors)?.[1]) / 1000
      if (code === 0 && Number.isFinite(own)) {
        resolve({ own, wall: performance.now() - start })
      } else {
        reject(new Error(`${args.join(" ")} ended with ${code}: ${errors}`))
      }
    })
  })

const runs: Record<string, Array<Run>> = {}
for (let round = -1; round < ROUNDS; round++) {
  for (const name of shuffle(Object.keys(programs))) {
    const result = await run(programs[name]!)
    // the first round fills the cache of the file system
    if (round >= 0) {
      runs[name] = [...(runs[name] ?? []), result]
    }
  }
}
rmSync(folder, { recursive: true })

const of = (name: string, clock: keyof Run): ReadonlyArray<number> => runs[name]!.map((it) => it[clock])
const ratios = Object.fromEntries(
  [EMPTY, EMPTY_BUNDLED].map((name) => [
    name,
    { own: ratio(of(EVALUATE, "own"), of(name, "own")), wall: ratio(of(EVALUATE, "wall"), of(name, "wall")) }
  ])
)

const at = environment(["effect", "@effect/cli", "@effect/platform-node"])
if (json) {
  console.log(JSON.stringify({ ...at, ratios, runs }, undefined, 2))
} else {
  printEnvironment(at)
  console.log(`\nflipt-client evaluate on a file, against an empty program of @effect/cli: ${ROUNDS} rounds\n`)
  table(
    ["", "processor time, ms", "wall time, ms", "evaluate takes, times", "at most", "in wall time"],
    Object.keys(programs).map((name) => {
      const found = ratios[name]
      return [
        name,
        median(of(name, "own")).toFixed(0),
        median(of(name, "wall")).toFixed(0),
        found === undefined ? "" : `${found.own.toFixed(2)}${found.own <= GOAL ? " ok" : " SHORT"}`,
        found === undefined ? "" : GOAL,
        found === undefined ? "" : found.wall.toFixed(2)
      ]
    })
  )
}
