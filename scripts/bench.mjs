/**
 * Runs a benchmark over a fresh build: `node scripts/bench.mjs evaluate --json`. Type-checks `bench/` and bundles it to
 * `bench/build`. Only the benchmark itself writes to stdout; all other output goes to stderr.
 */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as Esbuild from "esbuild"

const [name, ...rest] = process.argv.slice(2)
const root = fileURLToPath(new URL("../", import.meta.url))
const bench = `${root}bench/`
const npm = process.platform === "win32" ? "npm.cmd" : "npm"

const run = (command, args, cwd, options) => {
  const { error, status } = spawnSync(command, args, { cwd, shell: command === "npm.cmd", ...options })
  if (error !== undefined || status !== 0) {
    console.error(error?.message ?? `${command} ${args.join(" ")} failed`)
    process.exit(status || 1)
  }
}

const quiet = { stdio: ["ignore", 2, 2] }
run(npm, ["run", "build"], root, quiet)
if (!existsSync(`${bench}node_modules`)) {
  console.error("Installing the other SDKs: npm ci in bench/")
  run(npm, ["ci", "--no-audit", "--no-fund"], bench, quiet)
}
run(process.execPath, [fileURLToPath(import.meta.resolve("typescript/bin/tsc")), "-p", bench], root, quiet)

const modules = ["", "lib/"].flatMap((folder) =>
  readdirSync(`${bench}${folder}`).flatMap((file) => (file.endsWith(".ts") ? [`${bench}${folder}${file}`] : []))
)
await Esbuild.build({
  entryPoints: modules,
  outbase: bench,
  outdir: `${bench}build`,
  bundle: true,
  packages: "external",
  format: "esm",
  platform: "node",
  target: "node20",
  // ignores the paths in tsconfig.json, which map to the sources
  tsconfigRaw: "{}",
  logLevel: "warning"
})

run(process.execPath, ["--expose-gc", `${bench}build/${name}.js`, ...rest], root, {
  stdio: "inherit",
  // development builds of some SDKs log each evaluation
  env: { ...process.env, NODE_ENV: "production" }
})
