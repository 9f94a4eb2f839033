/**
 * Builds `dist`. The TypeScript compiler emits the declarations of each module. esbuild bundles the code into chunks, so
 * that a program opens a few files at startup instead of a hundred.
 *
 * Each public module stays a separate file, and so does each module in the `imports` of package.json, because the program
 * or its bundler chooses among those.
 */
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync, rmSync } from "node:fs"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as Esbuild from "esbuild"

const root = fileURLToPath(new URL("../", import.meta.url))
const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8"))

const publicModules = readdirSync(`${root}src`).filter((name) => name.endsWith(".ts"))
const platformModules = Object.values(manifest.imports)
  .flatMap((conditions) => Object.values(conditions))
  .map((path) => path.replace(/^\.\/dist\/(.*)\.js$/, "$1.ts"))

rmSync(`${root}dist`, { recursive: true, force: true })

const compiler = fileURLToPath(new URL("bin/tsgo", import.meta.resolve("@typescript/native-preview/package.json")))
const { status } = spawnSync(process.execPath, [compiler, "-p", `${root}tsconfig.build.json`], { stdio: "inherit" })
if (status !== 0) {
  process.exit(1)
}

const { target } = JSON.parse(readFileSync(`${root}tsconfig.base.json`, "utf8")).compilerOptions
const shared = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  target,
  logLevel: "warning",
  // ignores the paths in tsconfig.json, which map to the sources
  tsconfigRaw: "{}"
}

await Esbuild.build({
  ...shared,
  entryPoints: [...publicModules, ...platformModules].map((module) => `src/${module}`),
  outbase: "src",
  outdir: "dist",
  // locate.ts recognizes by this name that it is not in an application's bundle
  chunkNames: "internal/flipt-client-effect-[hash]",
  splitting: true,
  // only modules for Node import `node:`
  platform: "neutral",
  external: [...Object.keys(manifest.imports), "node:*"],
  packages: "external",
  sourcemap: true,
  sourcesContent: false
})

// Internals for child processes of the tests, which import everything else from the package.
await Esbuild.build({
  ...shared,
  entryPoints: ["test/support/internals.ts"],
  outdir: "build/test",
  platform: "node",
  packages: "external"
})
