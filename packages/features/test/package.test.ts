/**
 * The package as it is published: its tarball, and its documents. Needs the build, which `npm test` makes first.
 */
import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import ts from "typescript"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const directory = fileURLToPath(new URL("..", import.meta.url))

/** Runs a program; gives what it prints, or dies of what it prints when it fails. */
const run = (program: string, args: ReadonlyArray<string>, cwd: string) =>
  Effect.async<string>((resume) => {
    const child = execFile(
      program,
      args,
      // packing must not build: other tests run on what is built
      { cwd, env: { ...process.env, FORCE_COLOR: "0", npm_config_ignore_scripts: "true" } },
      (error, stdout, stderr) =>
        resume(error === null ? Effect.succeed(stdout) : Effect.dieMessage(`${program}: ${stdout}${stderr}`))
    )
    return Effect.sync(() => child.kill())
  })

const temporary = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "features-package-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

/** Packs a package; gives the tarball's path. */
const pack = (packageDirectory: string, destination: string) =>
  Effect.map(run("npm", ["pack", "--json", "--pack-destination", destination], packageDirectory), (output) =>
    Path.join(destination, (JSON.parse(output) as [{ readonly filename: string }])[0].filename)
  )

/** A project with the tarballs of the client and of this package, and what they depend on. */
const project = Effect.gen(function* () {
  const folder = yield* temporary
  const modules = Path.join(folder, "node_modules")
  for (const [name, source] of [
    ["flipt-client-effect", root],
    ["@flipt-client-effect/features", directory]
  ] as const) {
    const target = Path.join(modules, name)
    Fs.mkdirSync(target, { recursive: true })
    yield* run("tar", ["-xzf", yield* pack(source, folder), "-C", target, "--strip-components", "1"], folder)
  }
  Fs.mkdirSync(Path.join(modules, "@effect"), { recursive: true })
  for (const name of ["effect", "@effect/platform", "@effect/platform-node", "koffi", "yaml"]) {
    Fs.symlinkSync(Path.join(root, "node_modules", name), Path.join(modules, name))
  }
  Fs.writeFileSync(Path.join(folder, "package.json"), '{ "type": "module" }')
  return folder
})

const readme = Fs.readFileSync(Path.join(directory, "README.md"), "utf8")

/** The first fenced block of the README in a language. */
const fence = (language: string): string => new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(readme)![1]!

describe("the package", () => {
  it.scopedLive(
    "passes publint and attw, packed",
    () =>
      Effect.gen(function* () {
        const tarball = yield* pack(directory, yield* temporary)
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
      }),
    120_000
  )

  it.scopedLive(
    "runs the README's first example, installed by its tarball",
    () =>
      Effect.gen(function* () {
        const folder = yield* project
        Fs.writeFileSync(Path.join(folder, "features.yml"), fence("yaml"))
        const { outputText } = ts.transpileModule(fence("ts"), {
          compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }
        })
        Fs.writeFileSync(Path.join(folder, "main.js"), outputText)
        expect(yield* run(process.execPath, ["main.js"], folder)).toBe(fence("text"))
      }),
    120_000
  )

  it("keeps its modules short", () => {
    const names = Fs.readdirSync(Path.join(directory, "src"), { recursive: true, encoding: "utf8" })
    const modules = names.filter((name) => name.endsWith(".ts"))
    expect(modules.length).toBeGreaterThan(10)
    for (const name of modules) {
      expect(Fs.readFileSync(Path.join(directory, "src", name), "utf8").split("\n").length, name).toBeLessThan(400)
    }
  })
})
