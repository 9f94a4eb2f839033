/**
 * Installs the packed edition for Effect 4 into a new project, together with `effect` only, and runs the quickstart
 * there: on Node 22 and 24, with both engines, polling and streaming. Run `npm run test:effect4` first, which builds
 * the edition.
 */
import { execFile, spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Esbuild from "esbuild"

const root = fileURLToPath(new URL("../../", import.meta.url))
const tarballs = `${root}build/release-effect4/tarballs`
const library = readdirSync(`${root}native/target/release`).find((name) => /\.(?:so|dylib|dll)$/.test(name))

const npm = (folder, ...args) => {
  const { status } = spawnSync("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: folder,
    stdio: "inherit",
    shell: process.platform === "win32"
  })
  if (status !== 0) {
    throw new Error(`npm ${args.join(" ")} failed`)
  }
}

const makeProject = (folder) => {
  mkdirSync(folder)
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
}

const folder = mkdtempSync(join(tmpdir(), "flipt-effect4-"))
try {
  spawnSync(process.execPath, [`${root}editions/effect4/pack.mjs`], { stdio: "inherit" })
  const [tarball] = readdirSync(tarballs)
  const project = join(folder, "project")
  makeProject(project)
  npm(project, "install", join(tarballs, tarball), "effect", "--omit=optional")
  // the native engine needs koffi, which is optional, and the library of this checkout
  npm(project, "install", "koffi")
  cpSync(`${root}build/effect4/build/examples/quickstart.js`, join(project, "quickstart.js"))

  // the stand-in server of the tests
  const server = join(root, "build/effect4-server.mjs")
  await Esbuild.build({
    stdin: {
      contents: 'export * from "./FliptServer.ts"; export * from "./documents.ts"',
      resolveDir: `${root}test/support`
    },
    outfile: server,
    bundle: true,
    format: "esm",
    platform: "node",
    packages: "external",
    logLevel: "warning"
  })
  const { booleanFlag, make, makeDocument, variantFlag } = await import(server)
  rmSync(server)
  const document = makeDocument([booleanFlag("new-checkout", true), variantFlag("theme", "dark")])
  const scope = await Effect.runPromise(Scope.make())
  const { url } = await Effect.runPromise(Scope.extend(make({ documents: { default: document } }), scope))

  let failures = 0
  for (const version of ["22", "24"]) {
    const place = join(folder, `node${version}`)
    makeProject(place)
    npm(place, "install", `node@${version}`, "--ignore-scripts=false")
    const node = join(place, "node_modules/node/bin/node")
    if (!existsSync(node)) {
      throw new Error(`the npm package node@${version} does not contain ${node}`)
    }
    for (const engine of ["portable", "native"]) {
      for (const mode of ["polling", "streaming"]) {
        const { stdout, stderr } = await promisify(execFile)(node, ["quickstart.js"], {
          cwd: project,
          timeout: 120_000,
          env: {
            ...process.env,
            FLIPT_URL: url,
            FLIPT_ENGINE: engine,
            FLIPT_FETCH_MODE: mode,
            FLIPT_ENGINE_PATH: `${root}native/target/release/${library}`
          }
        }).catch((error) => error)
        const isRight =
          stdout.includes(`engine: ${engine}; flags from the server`) &&
          stdout.includes("new-checkout enabled: true") &&
          stdout.includes("variant of theme: dark")
        failures += isRight ? 0 : 1
        console.log(`Node ${version}, ${engine}, ${mode}: ${isRight ? "as expected" : `wrong\n${stdout}${stderr}`}`)
      }
    }
  }
  await Effect.runPromise(Scope.close(scope, Exit.void))
  process.exitCode = failures === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
