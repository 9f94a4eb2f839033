/**
 * The package as npm would publish it, installed together with the client's tarball into a project without Effect. Needs
 * the build, which `npm test` makes first, but no registry: other packages are links to those of this repository.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { booleanFlag, makeDocument, variantFlag } from "../../../test/support/documents.js"
import * as FliptServer from "../../../test/support/FliptServer.js"
import * as Folder from "../../../test/support/Folder.js"
import * as Packed from "../../../test/support/packed.js"

const here = fileURLToPath(new URL("../", import.meta.url))

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(`${folder}/package.json`, "utf8")) as Manifest

/** The first TypeScript program of the README. */
const program = Packed.fences(readFileSync(`${here}README.md`, "utf8"), "ts")[0]!

it.scopedLive(
  "passes publint and attw, and runs the README's program, installed from its tarball without Effect",
  () =>
    Effect.gen(function* () {
      const project = yield* Folder.make
      const [client, provider] = yield* Effect.all([Packed.pack(Packed.root, project), Packed.pack(here, project)])
      const wanted = {
        "@flipt-client-effect/openfeature": `file:${provider}`,
        "@openfeature/server-sdk": "^1.23.0",
        "flipt-client-effect": `file:${client}`
      }
      writeFileSync(
        `${project}/package.json`,
        JSON.stringify({ name: "shop", private: true, type: "module", dependencies: wanted })
      )
      const clientFolder = yield* Packed.unpack(client!, project, "flipt-client-effect")
      const folder = yield* Packed.unpack(provider!, project, "@flipt-client-effect/openfeature")

      const manifest = readManifest(folder)
      const local = Object.values({ ...manifest.dependencies, ...manifest.peerDependencies }).filter(
        (range) => !/^\^\d+\.\d+\.\d+$/.test(range)
      )
      expect(local).toEqual([])
      const needed = [manifest, readManifest(clientFolder)].flatMap((it) =>
        Object.keys({ ...it.dependencies, ...it.peerDependencies })
      )
      // the provider depends on the client's peer dependencies
      for (const peer of Object.keys(readManifest(clientFolder).peerDependencies ?? {})) {
        expect(Object.keys(manifest.dependencies ?? {})).toContain(peer)
      }
      for (const name of new Set([...needed, "@openfeature/core", "@types/node"])) {
        if (!(name in wanted) || name === "@openfeature/server-sdk") {
          Packed.link(name, project, here)
        }
      }

      yield* Packed.check(provider!)

      expect(program.trim().split("\n").length).toBeLessThan(20)
      writeFileSync(`${project}/program.ts`, program)
      const options = ["--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck", "--types", "node"]
      yield* Packed.run(Packed.bin("tsgo"), [...options, "program.ts"], project)

      const server = yield* FliptServer.make({
        documents: { default: makeDocument([booleanFlag("new-checkout", true), variantFlag("theme", "dark")]) }
      })
      const output = yield* Packed.run(process.execPath, ["program.js"], project, { FLIPT_URL: server.url })
      expect(output.trim().split("\n")).toEqual(["new checkout: true", "theme: dark"])
      yield* server.awaitConnections(0)
    }),
  180_000
)
