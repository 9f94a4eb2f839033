/**
 * Runs the test suite of the edition for Effect 4: `npm run test:effect4`, which first runs `npm run effect4`.
 *
 * Installs Effect 4 and Vitest into `build/effect4`, and a newer Node if the current one is too old for them. Arguments,
 * such as names of test files, are passed to Vitest.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync, rmSync } from "node:fs"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { excluded } from "./excluded.mjs"

const out = fileURLToPath(new URL("../../build/effect4/", import.meta.url))
if (!existsSync(`${out}package.json`)) {
  console.error("build/effect4 does not exist. Run: npm run effect4")
  process.exit(1)
}

const run = (command, ...args) =>
  spawnSync(command, args, { cwd: out, stdio: "inherit", shell: process.platform === "win32" && command === "npm" })
    .status

const must = (...command) => {
  const status = run(...command)
  if (status !== 0) {
    process.exit(status ?? 1)
  }
}

must("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts=false")

const [major, minor] = process.versions.node.split(".").map(Number)
const isNewEnough = major > 22 || (major === 22 && minor >= 19)
const node = isNewEnough ? process.execPath : `${out}node_modules/node/bin/node`

must(node, "scripts/build.mjs")
must(
  node,
  fileURLToPath(new URL("bin/tsgo", import.meta.resolve("@typescript/native-preview/package.json"))),
  "-p",
  "tsconfig.examples.json"
)

const tests = excluded.flatMap(({ test }) =>
  test === undefined ? [] : [test.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")]
)
const report = `${out}build/tests.json`
rmSync(report, { force: true })
run(
  node,
  "node_modules/vitest/vitest.mjs",
  "run",
  `--testNamePattern=^(?!.*(?:${tests.join("|")}))`,
  ...process.argv.slice(2)
)

if (!existsSync(report)) {
  process.exit(1)
}
const { numFailedTests, numPassedTests, numPendingTests, success, testResults } = JSON.parse(
  readFileSync(report, "utf8")
)
/** Files that failed outside of their tests: a module does not load, or a setup fails. */
const unstarted = testResults.filter(
  ({ assertionResults, status }) =>
    status === "failed" && !assertionResults.some((assertion) => assertion.status === "failed")
)
for (const { assertionResults, name } of testResults) {
  for (const { fullName, status } of assertionResults) {
    if (status === "failed") {
      console.log(`failed: ${name.slice(out.length)}: ${fullName}`)
    }
  }
}
for (const { message, name } of unstarted) {
  console.log(`failed: ${name.slice(out.length)}: ${message.split("\n")[0] || "what its tests need, see above"}`)
}
console.log(
  `Effect 4, Node ${spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim()}: ${numPassedTests} passed, ` +
    `${numFailedTests + unstarted.length} failed, ${numPendingTests} skipped; ${excluded.length} entries do not apply ` +
    "(editions/effect4/excluded.mjs)"
)
process.exit(success && numFailedTests + unstarted.length === 0 ? 0 : 1)
