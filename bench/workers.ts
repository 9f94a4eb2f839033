/**
 * Compares workers that share a state with workers that each have a client:
 * `npm run bench:workers -- [--json] [--rounds 1]`.
 *
 * Each value comes from a separate process with 1, 4 or 16 workers and 10,000 or 100,000 flags: the memory of the whole
 * process, and the time until every worker has evaluated a flag. `empty` is the memory of Node and Effect alone. If the
 * machine has too little memory for 16 workers, the value is extrapolated from 1 and 4.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import os from "node:os"
import { join } from "node:path"
import { argument, environment, json, median, printEnvironment, table } from "./lib/measure.js"
import { start } from "./lib/modules.js"
import type { Measured, Way } from "./lib/workers-one.js"
import { documentOf, flagsOf } from "./lib/workloads.js"

const ROUNDS = argument("rounds", 1)
const FLAGS = [10_000, 100_000]
const WORKERS = [1, 4, 16] as const
const WAYS: ReadonlyArray<Way> = ["empty", "shared", "bytes", "each"]
/** The maximum memory of 16 workers that share a state, as a multiple of one. */
const GOAL = 1.3

interface Row {
  readonly flags: number
  readonly way: Way
  /** One value per number of workers, `undefined` if it is extrapolated. */
  readonly measured: ReadonlyArray<Measured | undefined>
  readonly rss: ReadonlyArray<number>
}

const folder = mkdtempSync(join(os.tmpdir(), "flipt-workers-"))

/** Whether twice the expected memory is free. */
const fits = (rss: ReadonlyArray<number>, workers: number): boolean =>
  rss.length < 2 || os.freemem() > 2 * extrapolate(rss, workers)

const extrapolate = ([one = 0, four = 0]: ReadonlyArray<number>, workers: number): number =>
  one + ((four - one) / 3) * (workers - 1)

const rows: Array<Row> = []
try {
  for (const flags of FLAGS) {
    const file = join(folder, `${flags}.json`)
    writeFileSync(file, JSON.stringify(documentOf(flagsOf(flags))))
    for (const way of WAYS) {
      const measured: Array<Measured | undefined> = []
      const rss: Array<number> = []
      for (const workers of WORKERS) {
        if (!fits(rss, workers)) {
          measured.push(undefined)
          rss.push(extrapolate(rss, workers))
          continue
        }
        const rounds: Array<Measured> = []
        for (let round = 0; round < ROUNDS; round++) {
          const { message } = await start<Measured>("workers-one", [way, String(workers), file], {
            execArgv: ["--expose-gc"]
          })
          rounds.push(message)
        }
        const middle = { millis: median(rounds.map((it) => it.millis)), rss: median(rounds.map((it) => it.rss)) }
        measured.push(middle)
        rss.push(middle.rss)
      }
      rows.push({ flags, way, measured, rss })
    }
  }
} finally {
  rmSync(folder, { recursive: true })
}

const at = environment(["effect", "koffi"])
if (json) {
  console.log(JSON.stringify({ ...at, rows }, undefined, 2))
} else {
  printEnvironment(at)
  console.log(`\nMB of the process, and ms until all workers have evaluated a flag; medians of ${ROUNDS}\n`)
  table(
    ["flags", "workers", ...WORKERS.map((workers) => `${workers}: MB`), "16 to 1", ...WORKERS.map((it) => `${it}: ms`)],
    rows.map(({ flags, measured, rss, way }) => [
      String(flags),
      way,
      ...rss.map(
        (bytes, index) => `${(bytes / 1e6).toFixed(0)}${measured[index] === undefined ? " (extrapolated)" : ""}`
      ),
      (rss[2]! / rss[0]!).toFixed(2),
      ...measured.map((it) => (it === undefined ? "" : it.millis.toFixed(0)))
    ])
  )
  console.log("\nWithout the memory of Node and Effect in the workers\n")
  table(
    ["flags", "workers", ...WORKERS.map((workers) => `${workers}: MB`), "16 to 1"],
    rows
      .filter(({ way }) => way !== "empty")
      .map(({ flags, rss, way }) => {
        const empty = rows.find((it) => it.flags === flags && it.way === "empty")!.rss
        // the main thread and the first worker's share of Node stay included
        const net = rss.map((bytes, index) => bytes - (empty[index]! - empty[0]!))
        const ratio = net[2]! / net[0]!
        const mark = way === "shared" ? (ratio <= GOAL ? " ok" : " SHORT") : ""
        return [String(flags), way, ...net.map((bytes) => (bytes / 1e6).toFixed(0)), `${ratio.toFixed(2)}${mark}`]
      })
  )
}
