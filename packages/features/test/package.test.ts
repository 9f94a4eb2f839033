/**
 * The published package: its tarball and its documentation. Needs the build, which `npm test` makes first.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import ts from "typescript"
import * as Folder from "../../../test/support/Folder.js"
import * as Packed from "../../../test/support/packed.js"

const directory = fileURLToPath(new URL("..", import.meta.url))

/** A project with the tarballs of the client and of this package, and their dependencies. */
const project = Effect.gen(function* () {
  const folder = yield* Folder.make
  for (const [name, source] of [
    ["flipt-client-effect", Packed.root],
    ["@flipt-client-effect/features", directory]
  ] as const) {
    yield* Packed.unpack(yield* Packed.pack(source, folder), folder, name)
  }
  for (const name of ["effect", "@effect/platform", "@effect/platform-node", "koffi", "yaml"]) {
    Packed.link(name, folder, directory)
  }
  Fs.writeFileSync(Path.join(folder, "package.json"), '{ "type": "module" }')
  return folder
})

const readme = Fs.readFileSync(Path.join(directory, "README.md"), "utf8")

const fence = (language: string): string => Packed.fences(readme, language)[0]!

describe("the package", () => {
  it.scopedLive(
    "passes publint and attw",
    () =>
      Effect.gen(function* () {
        yield* Packed.check(yield* Packed.pack(directory, yield* Folder.make))
      }),
    120_000
  )

  it.scopedLive(
    "runs the README's first example, installed from its tarball",
    () =>
      Effect.gen(function* () {
        const folder = yield* project
        Fs.writeFileSync(Path.join(folder, "features.yml"), fence("yaml"))
        const { outputText } = ts.transpileModule(fence("ts"), {
          compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }
        })
        Fs.writeFileSync(Path.join(folder, "main.js"), outputText)
        expect(yield* Packed.run(process.execPath, ["main.js"], folder)).toBe(fence("text"))
      }),
    120_000
  )
})
