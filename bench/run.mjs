/**
 * Runs one of the benchmarks over a fresh build: `node bench/run.mjs evaluate --json`. What the build says goes to
 * stderr, so that stdout is the benchmark's alone.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import process from "node:process"
import { fileURLToPath } from "node:url"

const [name, ...rest] = process.argv.slice(2)
const here = fileURLToPath(new URL(".", import.meta.url))
const root = fileURLToPath(new URL("..", import.meta.url))
const npm = process.platform === "win32" ? "npm.cmd" : "npm"

const run = (command, args, cwd, stdio) => {
  const { error, status } = spawnSync(command, args, { cwd, stdio, shell: command === "npm.cmd" })
  if (error !== undefined || status !== 0) {
    console.error(error?.message ?? `${command} ${args.join(" ")} failed`)
    process.exit(status || 1)
  }
}

const quiet = ["ignore", 2, 2]
run(npm, ["run", "build"], root, quiet)
if (!existsSync(new URL("node_modules", import.meta.url))) {
  console.error("The SDKs to compare with are not installed yet: npm ci in bench/")
  run(npm, ["ci", "--no-audit", "--no-fund"], here, quiet)
}
run(process.execPath, ["--expose-gc", `${here}${name}.mjs`, ...rest], root, "inherit")
