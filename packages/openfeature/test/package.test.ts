/**
 * The package as npm would publish it, installed beside the client's tarball into a project that knows nothing of Effect.
 * Needs the build, which `npm test` makes first, and no registry: other packages are links to those of this repository.
 */
import { execFile } from "node:child_process"
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { booleanFlag, makeDocument, variantFlag } from "../../../test/support/documents.js"
import * as FliptServer from "../../../test/support/FliptServer.js"
import * as Folder from "../../../test/support/Folder.js"

const root = fileURLToPath(new URL("../../../", import.meta.url))
const here = fileURLToPath(new URL("../", import.meta.url))

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** Runs a program; gives what it printed to stdout. */
const run = (
  file: string,
  args: ReadonlyArray<string>,
  cwd: string,
  variables: Readonly<Record<string, string>> = {}
) =>
  Effect.async<string, Error>((resume) => {
    const child = execFile(
      file,
      args,
      { cwd, env: { ...process.env, FORCE_COLOR: "0", ...variables } },
      (error, stdout, stderr) =>
        resume(error === null ? Effect.succeed(stdout) : Effect.fail(new Error(`${error.message}\n${stdout}${stderr}`)))
    )
    return Effect.sync(() => child.kill())
  })

const bin = (name: string) => `${root}node_modules/.bin/${name}`

/** Packs a folder, and gives the path of the tarball. */
const pack = (folder: string, into: string) =>
  Effect.map(
    run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", into], folder),
    (output) => `${into}/${(JSON.parse(output) as ReadonlyArray<{ readonly filename: string }>)[0]!.filename}`
  )

const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as Manifest

/** Unpacks a tarball into `node_modules`, as npm would. */
const install = (tarball: string, project: string, name: string) =>
  Effect.gen(function* () {
    const unpacked = `${project}/unpacked/${name}`
    mkdirSync(unpacked, { recursive: true })
    yield* run("tar", ["-xzf", tarball, "-C", unpacked], project)
    const folder = `${project}/node_modules/${name}`
    cpSync(`${unpacked}/package`, folder, { recursive: true })
    return folder
  })

const link = (name: string, project: string) => {
  const path = `${project}/node_modules/${name}`
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(`${root}node_modules/${name}`, path, "junction")
}

/** The first TypeScript program of the README. */
const program = /```ts\n([\s\S]*?)```/.exec(readFileSync(`${here}README.md`, "utf8"))![1]!

it.scopedLive(
  "installed by its tarball without Effect: publint and attw pass, and the README's program compiles and runs",
  () =>
    Effect.gen(function* () {
      const project = yield* Folder.make
      const [client, provider] = yield* Effect.all([pack(root, project), pack(here, project)])
      const wanted = {
        "@flipt-client-effect/openfeature": `file:${provider}`,
        "@openfeature/server-sdk": "^1.23.0",
        "flipt-client-effect": `file:${client}`
      }
      writeFileSync(
        `${project}/package.json`,
        JSON.stringify({ name: "shop", private: true, type: "module", dependencies: wanted })
      )
      const clientFolder = yield* install(client!, project, "flipt-client-effect")
      const folder = yield* install(provider!, project, "@flipt-client-effect/openfeature")

      const manifest = readManifest(folder)
      const local = Object.values({ ...manifest.dependencies, ...manifest.peerDependencies }).filter(
        (range) => !/^\^\d+\.\d+\.\d+$/.test(range)
      )
      expect(local).toEqual([])
      const needed = [manifest, readManifest(clientFolder)].flatMap((it) =>
        Object.keys({ ...it.dependencies, ...it.peerDependencies })
      )
      // what the client has for peers, the provider brings along
      for (const peer of Object.keys(readManifest(clientFolder).peerDependencies ?? {})) {
        expect(Object.keys(manifest.dependencies ?? {})).toContain(peer)
      }
      for (const name of new Set([...needed, "@openfeature/core", "@types/node"])) {
        if (!(name in wanted) || name === "@openfeature/server-sdk") {
          link(name, project)
        }
      }

      const { messages, pkg } = yield* Effect.promise(() => publint({ pkgDir: folder, strict: true }))
      expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
      yield* run(bin("attw"), [provider!, "--profile", "esm-only", "--no-color"], project)

      expect(program.trim().split("\n").length).toBeLessThan(20)
      writeFileSync(`${project}/program.ts`, program)
      const options = ["--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck", "--types", "node"]
      yield* run(bin("tsgo"), [...options, "program.ts"], project)

      const server = yield* FliptServer.make({
        documents: { default: makeDocument([booleanFlag("new-checkout", true), variantFlag("theme", "dark")]) }
      })
      const output = yield* run(process.execPath, ["program.js"], project, { FLIPT_URL: server.url })
      expect(output.trim().split("\n")).toEqual(["new checkout: true", "theme: dark"])
      yield* server.awaitConnections(0)
    }),
  180_000
)
