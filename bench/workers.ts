/**
 * What workers that share a state take, beside workers with a client each: `npm run bench:workers -- [--json] [--rounds 1]`.
 *
 * Each row is a process of its own with 1, 4 and 16 workers, and 10,000 and 100,000 flags: the memory of the whole process,
 * and the time until every worker has evaluated a flag. `empty` is what Node and Effect take in so many workers. Where
 * the machine has too little memory for 16 clients, their memory is extrapolated from 1 and 4.
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
/** What 16 workers that share a state may take, against one. */
const GOAL = 1.3

interface Row {
  readonly flags: number
  readonly way: Way
  /** By the number of workers. `undefined` where it is extrapolated. */
  readonly measured: ReadonlyArray<Measured | undefined>
  readonly rss: ReadonlyArray<number>
}

const folder = mkdtempSync(join(os.tmpdir(), "flipt-workers-"))

/** Twice what the largest process should take has to be free. */
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
  console.log(`\nMB of the process, and ms until all workers have evaluated; medians of ${ROUNDS}\n`)
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
  console.log("\nWithout what Node and Effect take in the workers\n")
  table(
    ["flags", "workers", ...WORKERS.map((workers) => `${workers}: MB`), "16 to 1"],
    rows
      .filter(({ way }) => way !== "empty")
      .map(({ flags, rss, way }) => {
        const empty = rows.find((it) => it.flags === flags && it.way === "empty")!.rss
        // the main thread counts, and so does the first worker's part of Node
        const net = rss.map((bytes, index) => bytes - (empty[index]! - empty[0]!))
        const ratio = net[2]! / net[0]!
        const mark = way === "shared" ? (ratio <= GOAL ? " ok" : " SHORT") : ""
        return [String(flags), way, ...net.map((bytes) => (bytes / 1e6).toFixed(0)), `${ratio.toFixed(2)}${mark}`]
      })
  )
}
