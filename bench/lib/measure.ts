/**
 * Measures and reports times. The machine may be busy with other work, so all subjects run in short slices, in a new
 * random order each round, and only times from the same round are compared.
 *
 * On Linux with glibc the clock is the processor time of the main thread, which stops while other processes run. It does
 * not include V8's garbage collection threads. Elsewhere it is wall time.
 */
import { readFileSync } from "node:fs"
import os from "node:os"
import { resolve } from "node:path"
import process from "node:process"
import koffi from "koffi"

const CLOCK_THREAD_CPUTIME_ID = 3

const wallClock = (): number => Number(process.hrtime.bigint())

const threadClock = (): (() => number) => {
  const read = koffi.load("libc.so.6").func("int clock_gettime(int clock, uint8_t *time)")
  const time = new BigInt64Array(2)
  const bytes = new Uint8Array(time.buffer)
  return () => {
    read(CLOCK_THREAD_CPUTIME_ID, bytes)
    return Number(time[0]) * 1e9 + Number(time[1])
  }
}

const onGlibc =
  process.platform === "linux" &&
  (process.report.getReport() as { readonly header: { readonly glibcVersionRuntime?: string } }).header
    .glibcVersionRuntime !== undefined

export const clock = onGlibc ? "processor time of the thread" : "wall time"
/** Nanoseconds since an arbitrary point. */
export const now = onGlibc ? threadClock() : wallClock

export const json = process.argv.includes("--json")

/** The value of an argument such as `--rounds 5`. */
export const argument = (name: string, otherwise: number): number => {
  const place = process.argv.indexOf(`--${name}`)
  return place === -1 ? otherwise : Number(process.argv[place + 1])
}

export const quantile = (values: ReadonlyArray<number>, share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

export const shuffle = <A>(values: ReadonlyArray<A>): ReadonlyArray<A> => {
  const list = [...values]
  for (let i = list.length - 1; i > 0; i--) {
    const other = Math.floor(Math.random() * (i + 1))
    ;[list[i], list[other]] = [list[other]!, list[i]!]
  }
  return list
}

/**
 * Makes `count` calls, beginning with the entity at `from`. Returns or resolves with a value that depends on every
 * answer.
 */
export type Loop = (from: number, count: number) => unknown

export interface Task {
  readonly name: string
  readonly loop: Loop
}

/** Nanoseconds per call in each round, keyed by the task's name. */
export type Times = Readonly<Record<string, ReadonlyArray<number>>>

/** Evaluations between two turns of the microtask queue, so that promises that nothing awaits do not pile up. */
const BLOCK = 1_000

/** Runs a loop in blocks until it has made `calls` calls. Returns the nanoseconds per call. */
const slice = async (loop: Loop, from: number, calls: number): Promise<number> => {
  const start = now()
  let done = 0
  for (; done < calls; done += BLOCK) {
    await loop(from + done, Math.min(BLOCK, calls - done))
  }
  return (now() - start) / calls
}

/**
 * Times tasks in rounds. Returns the nanoseconds per call in each round, keyed by the task's name. The warm-up determines
 * how many calls fill a slice.
 */
export const rounds = async (
  tasks: ReadonlyArray<Task>,
  options: { readonly count: number; readonly sliceMillis?: number; readonly warmMillis?: number }
): Promise<Times> => {
  const { count, sliceMillis = 25, warmMillis = 250 } = options
  const plans: Array<Task & { readonly calls: number; place: number; readonly nanos: Array<number> }> = []
  for (const task of tasks) {
    let calls = 100
    let nanos = 0
    for (const end = now() + warmMillis * 1e6; now() < end; ) {
      nanos = await slice(task.loop, 0, calls)
      calls = Math.max(100, Math.min(1e7, Math.round((sliceMillis * 1e6) / nanos / 100) * 100))
    }
    plans.push({ ...task, calls, place: 0, nanos: [] })
  }
  for (let round = 0; round < count; round++) {
    for (const plan of shuffle(plans)) {
      plan.nanos.push(await slice(plan.loop, plan.place, plan.calls))
      plan.place = (plan.place + plan.calls) % 2 ** 30
    }
  }
  return Object.fromEntries(plans.map(({ name, nanos }) => [name, nanos]))
}

/** The median over the rounds of the ratio within a round. */
export const ratio = (above: ReadonlyArray<number> = [], below: ReadonlyArray<number> = []): number =>
  median(above.map((nanos, round) => nanos / below[round]!))

/** The median over the rounds of the difference within a round. */
export const difference = (more: ReadonlyArray<number> = [], less: ReadonlyArray<number> = []): number =>
  median(more.map((nanos, round) => nanos - less[round]!))

/** The median of each task. */
export const medians = (times: Times): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]))

const versionOf = (name: string): string => {
  for (const folder of ["bench", "."]) {
    try {
      return JSON.parse(readFileSync(resolve(folder, "node_modules", name, "package.json"), "utf8")).version
    } catch {
      // try the next folder
    }
  }
  throw new Error(`${name} is not installed`)
}

/** The machine and the versions that the numbers belong to. */
export interface Environment {
  readonly date: string
  readonly machine: string
  readonly clock: string
  readonly load: string
  readonly node: string
  readonly versions: Readonly<Record<string, string>>
}

export const environment = (packages: ReadonlyArray<string>): Environment => ({
  date: new Date().toISOString().slice(0, 10),
  machine: `${os.cpus()[0]?.model.trim()}, ${os.availableParallelism()} cores, ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.platform()} ${os.arch()}`,
  clock,
  load: os.loadavg()[0]!.toFixed(1),
  node: process.version,
  versions: Object.fromEntries(packages.map((name) => [name, versionOf(name)]))
})

export type Row = ReadonlyArray<string | number>

/** Prints rows of cells as a Markdown table. */
export const tableText = (header: Row, rows: ReadonlyArray<Row>): string => {
  const cells = [header, ...rows].map((row) => row.map(String))
  const widths = header.map((_, column) => Math.max(3, ...cells.map((row) => row[column]!.length)))
  const line = (row: ReadonlyArray<string>) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`
  return [line(cells[0]!), line(widths.map((width) => "-".repeat(width))), ...cells.slice(1).map(line)].join("\n")
}

export const table = (header: Row, rows: ReadonlyArray<Row>): void => console.log(tableText(header, rows))

export const printEnvironment = ({ clock, date, load, machine, node, versions }: Environment): void => {
  console.log(`${date}, ${machine}, load ${load}, Node ${node}, ${clock}`)
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  if (list.length > 0) {
    console.log(list.join(", "))
  }
}
