// @ts-check
/**
 * Runs the test suite: `npm test`, with names of files to run only those.
 *
 * Most test files share a few processes, which saves loading the same modules for each file. Those that vitest.config.ts
 * lists as isolated get a process each. Vitest decides this per run, so there are two runs. `build/tests.json` has the sums.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import process from "node:process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const vitest = fileURLToPath(new URL("vitest.mjs", import.meta.resolve("vitest/package.json")))
const report = (/** @type {string} */ name) => `${root}build/${name}.json`

/** @param {string} project @param {ReadonlyArray<string>} options */
const runProject = (project, options) => {
  const file = report(`tests-${project}`)
  rmSync(file, { force: true })
  const { status } = spawnSync(
    process.execPath,
    [
      vitest,
      "run",
      `--project=${project}`,
      "--reporter=default",
      "--reporter=json",
      `--outputFile=${file}`,
      "--passWithNoTests",
      ...options,
      ...process.argv.slice(2)
    ],
    { cwd: root, stdio: "inherit" }
  )
  try {
    const { numFailedTests, numPassedTests, success } = JSON.parse(readFileSync(file, "utf8"))
    return { failed: numFailedTests, passed: numPassedTests, success: success && status === 0 }
  } catch {
    // Vitest writes no report if it crashes
    return { failed: 1, passed: 0, success: false }
  }
}

mkdirSync(`${root}build`, { recursive: true })
rmSync(report("tests"), { force: true })
const results = [runProject("isolated", []), runProject("shared", ["--no-isolate"])]
const passed = results.reduce((sum, it) => sum + it.passed, 0)
const failed = results.reduce((sum, it) => sum + it.failed, 0)
const success = results.every((it) => it.success) && passed > 0
writeFileSync(report("tests"), JSON.stringify({ numFailedTests: failed, numPassedTests: passed, success }))
console.log(`${passed} passed, ${failed} failed, in all`)
process.exitCode = success ? 0 : 1
