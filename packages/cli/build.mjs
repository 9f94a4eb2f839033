/**
 * Bundles the command and its dependencies into `dist`, so that it starts in a fraction of the time that opening all
 * modules would take. Each subcommand is a separate chunk, loaded when it runs. The licences of the bundled packages are
 * written to `dist/LICENSES.txt`.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Esbuild from "esbuild"

const here = fileURLToPath(new URL(".", import.meta.url))
const { version } = JSON.parse(readFileSync(`${here}package.json`, "utf8"))

rmSync(`${here}dist`, { recursive: true, force: true })

const { metafile } = await Esbuild.build({
  absWorkingDir: here,
  entryPoints: ["src/main.ts"],
  outdir: "dist",
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  minify: true,
  // keeps names in stack traces, and the names of tags that Effect prints
  keepNames: false,
  legalComments: "none",
  metafile: true,
  define: { __VERSION__: JSON.stringify(version) },
  // Workspaces are built in alphabetical order, and this one is first.
  alias: { "@flipt-client-effect/features": `${here}../features/src/index.ts` },
  // CommonJS packages in the bundle
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);'
  },
  // ignores the paths in tsconfig.json, which map to the sources
  tsconfigRaw: "{}",
  // some imports between the client's chunks only determine their order
  logOverride: { "ignored-bare-import": "silent" },
  logLevel: "warning"
})

const folders = new Set(
  Object.keys(metafile.inputs).flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [])
)
const licences = [...folders].sort().map((folder) => {
  const path = `${here}${folder}`
  const { license, name, version } = JSON.parse(readFileSync(`${path}/package.json`, "utf8"))
  const file = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry))
  const text = file === undefined || !existsSync(`${path}/${file}`) ? "" : readFileSync(`${path}/${file}`, "utf8")
  return `${name} ${version} (${license})\n\n${text.trim()}\n`
})
writeFileSync(
  `${here}dist/LICENSES.txt`,
  `This command includes the following packages.\n\n${licences.join(`\n${"-".repeat(80)}\n\n`)}`
)
if (process.argv.includes("--report")) {
  console.log(await Esbuild.analyzeMetafile(metafile))
}
