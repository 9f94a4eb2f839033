/**
 * Runs a script of `compat/` over a fresh build: `node scripts/compat.mjs bundlers [<word>…]`. Bundles it to
 * `build/compat`.
 */
import { spawnSync } from "node:child_process"
import { resolve } from "node:path"
import process from "node:process"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Esbuild from "esbuild"

const [name, ...words] = process.argv.slice(2)
const root = fileURLToPath(new URL("../", import.meta.url))

const run = (args) => {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] })
  if (status !== 0) {
    process.exit(status ?? 1)
  }
}

/** Keeps the scripts out of the bundle, where a script would take itself for the main program. */
const scripts = {
  name: "scripts",
  setup: (build) => {
    build.onResolve({ filter: /\/scripts\/native\// }, ({ path, resolveDir }) => ({
      path: pathToFileURL(resolve(resolveDir, path)).href,
      external: true
    }))
  }
}

run([`${root}scripts/build.mjs`])
await Esbuild.build({
  absWorkingDir: root,
  entryPoints: [`compat/${name}.ts`],
  outdir: "build/compat",
  bundle: true,
  packages: "external",
  plugins: [scripts],
  format: "esm",
  platform: "node",
  target: "node20.19",
  // ignores the paths in tsconfig.json, which map to the sources
  tsconfigRaw: "{}",
  logLevel: "warning"
})
run([`${root}build/compat/${name}.js`, ...words])
