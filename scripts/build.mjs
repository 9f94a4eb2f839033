/**
 * Builds `dist`. The TypeScript compiler emits the declarations of each module. Rollup bundles the code into chunks, so
 * that a program opens a few files at startup instead of two hundred. esbuild would make every `const` of a module a
 * `var`, which V8 cannot treat as constant: evaluations would take a tenth longer.
 *
 * Each public module stays a separate file, and so does each module in the `imports` of package.json, because the program
 * or its bundler chooses among those.
 */
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync, rmSync } from "node:fs"
import { dirname, resolve } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as Esbuild from "esbuild"
import { rollup } from "rollup"

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

const index = `${root}src/index.ts`

/** Finds the TypeScript module of a relative import, and strips its types. The index keeps its imports. */
const typescript = {
  name: "typescript",
  resolveId: (id, importer) =>
    importer === undefined || !id.startsWith(".")
      ? null
      : importer === index
        ? { id, external: true }
        : resolve(dirname(importer), id.replace(/\.js$/, ".ts")),
  transform: (code, id) =>
    Esbuild.transform(code, {
      loader: "ts",
      target,
      sourcemap: true,
      sourcefile: id,
      tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } }
    })
}

/** Emits each platform module as a single file that other chunks may import from. As an entry, it would be split in two. */
const platforms = {
  name: "platforms",
  buildStart() {
    for (const module of platformModules) {
      this.emitFile({
        type: "chunk",
        id: `${root}src/${module}`,
        fileName: module.replace(/\.ts$/, ".js"),
        preserveSignature: "allow-extension"
      })
    }
  }
}

const bundle = await rollup({
  input: Object.fromEntries(publicModules.map((module) => [module.replace(/\.ts$/, ""), `${root}src/${module}`])),
  plugins: [platforms, typescript],
  external: (id) => !id.startsWith(".") && !id.startsWith(root),
  preserveEntrySignatures: "strict",
  treeshake: { moduleSideEffects: false },
  onLog: (level, log, handler) => {
    // a module with types only
    if (log.code !== "EMPTY_BUNDLE") {
      handler(level, log)
    }
  }
})
await bundle.write({
  dir: `${root}dist`,
  format: "es",
  // locate.ts recognizes by this name that it is not in an application's bundle
  chunkFileNames: "internal/flipt-client-effect-[hash].js",
  generatedCode: "es2015",
  hoistTransitiveImports: false,
  // What a program imports, in one file. Opening a file and finding what it imports takes longer than parsing a large one.
  manualChunks: {
    core: publicModules
      .filter((module) => module !== "index.ts" && module !== "FliptTest.ts")
      .map((module) => `${root}src/${module}`)
  },
  minifyInternalExports: false,
  sourcemap: true,
  sourcemapExcludeSources: true
})
await bundle.close()

// Internals for child processes of the tests, which import everything else from the package.
await Esbuild.build({
  absWorkingDir: root,
  entryPoints: ["test/support/internals.ts"],
  outdir: "build/test",
  bundle: true,
  format: "esm",
  platform: "node",
  packages: "external",
  target,
  logLevel: "warning",
  // ignores the paths in tsconfig.json, which map to the sources
  tsconfigRaw: "{}"
})
