/**
 * The published package: its tarball and its documentation. Needs the build, which `npm test` makes first.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Folder from "../../../test/support/Folder.js"
import * as Packed from "../../../test/support/packed.js"

const directory = fileURLToPath(new URL("..", import.meta.url))
const readme = Fs.readFileSync(Path.join(directory, "README.md"), "utf8")

describe("the package", () => {
  it.scopedLive(
    "passes publint and attw, and runs the README's first example, installed from its tarball into a new project",
    () =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        const tarball = yield* Packed.pack(directory, folder)
        yield* Packed.check(tarball)

        const project = Path.join(folder, "project")
        Fs.mkdirSync(project)
        Fs.writeFileSync(Path.join(project, "package.json"), '{ "private": true }')
        // it has no dependencies, so no registry is needed
        yield* Packed.run("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], project)
        Fs.writeFileSync(Path.join(project, "features.yml"), Packed.fences(readme, "yaml")[0] as string)
        const [program, ...args] = (Packed.fences(readme, "sh")[1] as string).trim().split(" ")
        expect(program).toBe("npx")
        expect(yield* Packed.run("npx", ["--offline", ...args], project)).toBe(Packed.fences(readme, "text")[0])
      }),
    300_000
  )

  it("has the same exit codes in the README and the help", () => {
    const failure = Fs.readFileSync(Path.join(directory, "src/internal/failure.ts"), "utf8")
    const codes = Array.from(failure.matchAll(/^ {2}\w+: (\d+),?$/gm), ([, code]) => code)
    expect(codes.length).toBe(7)
    expect(Array.from(readme.matchAll(/^\| (\d+) \|/gm), ([, code]) => code)).toEqual(["0", ...codes])
  })
})
