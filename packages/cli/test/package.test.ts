/**
 * The package as it is published: its tarball, and its documents. Needs the build, which `npm test` makes first.
 */
import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import * as Folder from "../../../test/support/Folder.js"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const directory = fileURLToPath(new URL("..", import.meta.url))
const readme = Fs.readFileSync(Path.join(directory, "README.md"), "utf8")

/** Runs a program; gives what it prints, or dies of what it prints when it fails. */
const run = (program: string, args: ReadonlyArray<string>, cwd: string) =>
  Effect.async<string>((resume) => {
    const child = execFile(
      program,
      args,
      // packing must not build: other tests run what is built
      { cwd, env: { ...process.env, FORCE_COLOR: "0", npm_config_ignore_scripts: "true" } },
      (error, stdout, stderr) =>
        resume(error === null ? Effect.succeed(stdout) : Effect.dieMessage(`${program}: ${stdout}${stderr}`))
    )
    return Effect.sync(() => child.kill())
  })

/** Packs the package; gives the tarball's path. */
const pack = (destination: string) =>
  Effect.map(run("npm", ["pack", "--json", "--pack-destination", destination], directory), (output) =>
    Path.join(destination, (JSON.parse(output) as [{ readonly filename: string }])[0].filename)
  )

/** The fenced blocks of the README in a language. */
const fences = (language: string): ReadonlyArray<string> =>
  Array.from(readme.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, "gm")), ([, text]) => text as string)

describe("the package", () => {
  it.scopedLive(
    "passes publint and attw, and runs the README's first example, installed by its tarball into a fresh project",
    () =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        const tarball = yield* pack(folder)
        const { messages, pkg } = yield* Effect.promise(() => {
          const { buffer, byteLength, byteOffset } = Fs.readFileSync(tarball)
          const content = (buffer as ArrayBuffer).slice(byteOffset, byteOffset + byteLength)
          return publint({ pack: { tarball: content }, strict: true })
        })
        expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
        yield* run(
          Path.join(root, "node_modules/.bin/attw"),
          [tarball, "--profile", "esm-only", "--no-color"],
          directory
        )

        const project = Path.join(folder, "project")
        Fs.mkdirSync(project)
        Fs.writeFileSync(Path.join(project, "package.json"), '{ "private": true }')
        // it depends on nothing, so no registry is needed
        yield* run("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], project)
        Fs.writeFileSync(Path.join(project, "features.yml"), fences("yaml")[0] as string)
        const [program, ...args] = (fences("sh")[1] as string).trim().split(" ")
        expect(program).toBe("npx")
        expect(yield* run("npx", ["--offline", ...args], project)).toBe(fences("text")[0])
      }),
    300_000
  )

  it("lists every exit code in the README as the command has them", () => {
    const failure = Fs.readFileSync(Path.join(directory, "src/internal/failure.ts"), "utf8")
    const codes = Array.from(failure.matchAll(/^ {2}\w+: (\d+),?$/gm), ([, code]) => code)
    expect(codes.length).toBe(7)
    expect(Array.from(readme.matchAll(/^\| (\d+) \|/gm), ([, code]) => code)).toEqual(["0", ...codes])
  })

  it("keeps its modules short", () => {
    const names = Fs.readdirSync(Path.join(directory, "src"), { recursive: true, encoding: "utf8" })
    const modules = names.filter((name) => name.endsWith(".ts"))
    expect(modules.length).toBeGreaterThan(20)
    for (const name of modules) {
      expect(Fs.readFileSync(Path.join(directory, "src", name), "utf8").split("\n").length, name).toBeLessThan(400)
    }
  })
})
