/**
 * How long `flipt-client evaluate` takes on a file: `npm run bench:cli -- [--json] [--rounds 15]`.
 *
 * Compares it with a minimal `@effect/cli` program, both unbundled and bundled like the command. Each run is a separate
 * process. The ratio is the median of the ratios within a round.
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

/** The maximum processor time, as a multiple of the minimal program's. */
const GOAL = 1.5
const ROUNDS = argument("rounds", 15)

// this module runs from bench/build
const root = fileURLToPath(new URL("../../", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "flipt-bench-"))
const document = join(folder, "flags.json")
const flags = flagsOf(10)
writeFileSync(document, JSON.stringify(documentOf(flags)))

/** Writes the process's processor time to stderr when it exits. */
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

const EMPTY = "minimal program"
const EMPTY_BUNDLED = "minimal program, bundled"
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
        reject(new Error(`${args.join(" ")} exited with code ${code}: ${errors}`))
      }
    })
  })

const runs: Record<string, Array<Run>> = {}
for (let round = -1; round < ROUNDS; round++) {
  for (const name of shuffle(Object.keys(programs))) {
    const result = await run(programs[name]!)
    // the first round fills the file system cache
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
  console.log(`\nflipt-client evaluate on a file, compared with a minimal @effect/cli program: ${ROUNDS} rounds\n`)
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
