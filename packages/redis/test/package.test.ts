/**
 * The package as it is published: its tarball in a project of its own, the README's first example, and the example of a
 * fleet. Needs the build, which `npm test` makes first.
 */
import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { booleanFlag, makeDocument } from "../../../test/support/documents.js"
import * as FliptServer from "../../../test/support/FliptServer.js"
import * as Folder from "../../../test/support/Folder.js"
import * as RedisServer from "./support/RedisServer.js"

const { missing } = RedisServer
const root = fileURLToPath(new URL("../../..", import.meta.url))
const directory = fileURLToPath(new URL("..", import.meta.url))

/** Runs a program; returns what it prints, or dies of that if it fails. */
const run = (
  program: string,
  args: ReadonlyArray<string>,
  cwd: string,
  variables: Readonly<Record<string, string>> = {}
) =>
  Effect.async<string>((resume) => {
    const child = execFile(
      program,
      args,
      // packing must not build: other tests run on what is built
      { cwd, env: { ...process.env, FORCE_COLOR: "0", npm_config_ignore_scripts: "true", ...variables } },
      (error, stdout, stderr) =>
        resume(error === null ? Effect.succeed(stdout) : Effect.dieMessage(`${program}: ${stdout}${stderr}`))
    )
    return Effect.sync(() => child.kill())
  })

const pack = (packageDirectory: string, destination: string) =>
  Effect.map(run("npm", ["pack", "--json", "--pack-destination", destination], packageDirectory), (output) =>
    Path.join(destination, (JSON.parse(output) as [{ readonly filename: string }])[0].filename)
  )

/** Links an installed package, from wherever npm put it. */
const link = (name: string, modules: string) => {
  const nested = Path.join(directory, "node_modules", name)
  const target = Path.join(modules, name)
  Fs.mkdirSync(Path.dirname(target), { recursive: true })
  Fs.symlinkSync(Fs.existsSync(nested) ? nested : Path.join(root, "node_modules", name), target)
}

/** The first program of the README. */
const program = /```ts\n([\s\S]*?)```/.exec(Fs.readFileSync(Path.join(directory, "README.md"), "utf8"))![1]!

describe("the package", () => {
  it.scopedLive(
    `passes publint and attw, and runs the README's first example${missing === undefined ? "" : ` (not run: ${missing})`}`,
    () =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        const modules = Path.join(folder, "node_modules")
        const tarball = yield* pack(directory, folder)
        for (const [name, packed] of [
          ["flipt-client-effect", yield* pack(root, folder)],
          ["@flipt-client-effect/redis", tarball]
        ] as const) {
          const target = Path.join(modules, name)
          Fs.mkdirSync(target, { recursive: true })
          yield* run("tar", ["-xzf", packed, "-C", target, "--strip-components", "1"], folder)
        }
        for (const name of ["effect", "@effect/platform", "koffi", "ioredis", "@types/node"]) link(name, modules)
        Fs.writeFileSync(Path.join(folder, "package.json"), '{ "type": "module" }')

        const { messages, pkg } = yield* Effect.promise(() =>
          publint({ pkgDir: Path.join(modules, "@flipt-client-effect/redis"), strict: true })
        )
        expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
        yield* run(
          Path.join(root, "node_modules/.bin/attw"),
          [tarball, "--profile", "esm-only", "--no-color"],
          directory
        )

        Fs.writeFileSync(Path.join(folder, "main.ts"), program)
        const options = ["--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck", "--types", "node"]
        yield* run(Path.join(root, "node_modules/.bin/tsgo"), [...options, "main.ts"], folder)
        if (missing === undefined) {
          const redis = yield* RedisServer.make()
          const flipt = yield* FliptServer.make({
            documents: { shop: makeDocument([booleanFlag("new-checkout", true)], "shop") }
          })
          const output = yield* run(process.execPath, ["main.js"], folder, {
            FLIPT_URL: flipt.url,
            REDIS_URL: redis.url
          })
          expect(output).toMatch(/^new-checkout is on$/m)
          expect(yield* Effect.promise(() => redis.client.keys("flipt:{default/shop}:body:*"))).toHaveLength(1)
        }
      }),
    180_000
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

describe.skipIf(missing !== undefined)(
  `examples/fleet.ts${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    it.scopedLive("runs three processes, of which one asks Flipt", () =>
      Effect.gen(function* () {
        const redis = yield* RedisServer.make()
        const output = yield* run(process.execPath, ["build/examples/fleet.js"], root, { REDIS_URL: redis.url })
        expect(output.trim().split("\n")).toEqual([
          "one (polling): false, two (redis): false, three (redis): false",
          "the flag changes",
          "one (polling): true, two (redis): true, three (redis): true",
          "the leader is killed",
          "another process leads",
          "the flag is off everywhere; Flipt was asked by one process at a time"
        ])
      })
    )
  }
)
