// @ts-check
/**
 * `npm run fuzz -- <minutes>` fuzzes the native library with the targets of `native/fuzz`, under AddressSanitizer, and then
 * compares the engines with each other and with the official one on random documents. Each part gets an equal share of
 * the time, five minutes in all if none is given. Prints a table, and fails if a part finds something.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const crate = join(root, "native", "fuzz")
const minutes = Number(process.argv[2] ?? 5)
if (!(minutes > 0)) {
  console.error(`fuzz: expected a number of minutes, found ${process.argv[2]}; run npm run fuzz -- 5`)
  process.exit(1)
}

/** @typedef {{ part: string, result: string, failed: boolean }} Row */

/** The compiler flags of cargo-fuzz: libFuzzer's instrumentation, and the sanitizer. */
const rustflags = [
  "--cfg=fuzzing",
  "-Cpasses=sancov-module",
  "-Cllvm-args=-sanitizer-coverage-level=4",
  "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
  "-Cllvm-args=-sanitizer-coverage-pc-table",
  "-Cllvm-args=-sanitizer-coverage-trace-compares",
  "-Zsanitizer=address",
  "-Cdebug-assertions",
  "-Ccodegen-units=1"
].join(" ")

const targets = readdirSync(join(crate, "fuzz_targets")).map((file) => file.replace(/\.rs$/, ""))
const share = Math.max(1, Math.round((minutes * 60) / (targets.length + 1)))

/** The Rust target of this machine. With an explicit target, cargo does not instrument build scripts. */
const host = () => /^host: (.*)$/m.exec(spawnSync("rustc", ["-vV"], { encoding: "utf8" }).stdout ?? "")?.[1]

/** Builds the targets and returns the folder with them, or `undefined` if they do not build here. */
const buildTargets = () => {
  const target = host()
  if (target === undefined) {
    return undefined
  }
  const { status } = spawnSync("cargo", ["build", "--release", "--locked", "--target", target], {
    cwd: crate,
    stdio: ["ignore", 2, 2],
    // lets a stable compiler accept -Z, which enables the sanitizer
    env: { ...process.env, RUSTC_BOOTSTRAP: "1", RUSTFLAGS: rustflags }
  })
  return status === 0 ? join(crate, "target", target, "release") : undefined
}

/**
 * Runs one target. New inputs are written to `corpus/`, and an input that fails to `artifacts/`.
 *
 * @param {string} folder
 * @param {string} name
 * @returns {Row}
 */
const fuzz = (folder, name) => {
  const [corpus, seeds, artifacts] = ["corpus", "seeds", "artifacts"].map((kind) => join(crate, kind, name))
  for (const path of [corpus, seeds, artifacts]) {
    mkdirSync(/** @type {string} */ (path), { recursive: true })
  }
  const args = [
    `-max_total_time=${share}`,
    "-len_control=0",
    "-timeout=60",
    `-artifact_prefix=${artifacts}/`,
    "-print_final_stats=1"
  ]
  const { status, stderr } = spawnSync(join(folder, name), [...args, `${corpus}`, `${seeds}`], {
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024
  })
  const runs = /^stat::number_of_executed_units: (\d+)$/m.exec(stderr ?? "")?.[1]
  if (status !== 0) {
    console.error(stderr)
  }
  const found = status === 0 ? "no failure" : `failed; the input is in native/fuzz/artifacts/${name}`
  return { part: `native ${name}`, result: `${runs ?? "?"} inputs, ${found}`, failed: status !== 0 }
}

/** @returns {ReadonlyArray<Row>} */
const compareEngines = () => {
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs")
  const { status, stderr, stdout } = spawnSync(process.execPath, [vitest, "run", "test/parity.test.ts"], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, FLIPT_PARITY_SECONDS: String(share) }
  })
  if (status !== 0) {
    console.error(stdout, stderr)
    return [{ part: "engines", result: "they differ, see above", failed: true }]
  }
  const lines = [...stdout.matchAll(/^compared .*$/gm)].map(([line]) => line)
  return lines.map((line) => ({ part: "engines", result: `${line}, no difference`, failed: false }))
}

const folder = buildTargets()
/** @type {ReadonlyArray<Row>} */
const rows = [
  ...(folder === undefined
    ? [{ part: "native", result: "the targets do not build here (native/README.md)", failed: true }]
    : targets.map((name) => fuzz(folder, name))),
  ...compareEngines()
]
for (const { part, result } of rows) {
  console.log(`${part.padEnd(16)}${result}`)
}
process.exitCode = rows.some(({ failed }) => failed) ? 1 : 0
