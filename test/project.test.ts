/**
 * Checks of the project as a whole. Needs the build, which `npm test` makes first.
 */
import { execFile } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Esbuild from "esbuild"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { nativeVersion, version } from "../src/internal/util/version.js"

const root = fileURLToPath(new URL("..", import.meta.url))

/** The tools of this project, or of the one that it is generated from. */
const tools = [`${root}node_modules/.bin/`, `${root}../../node_modules/.bin/`]

/** Runs a tool from `node_modules/.bin`, and returns its exit code and output. */
const tool = (name: string, ...args: ReadonlyArray<string>) =>
  Effect.async<{ readonly code: number; readonly output: string }>((resume) => {
    const child = execFile(
      `${tools.find((folder) => existsSync(`${folder}${name}`))}${name}`,
      args,
      // packing must not rebuild `dist`, because other tests use it
      { cwd: root, env: { ...process.env, FORCE_COLOR: "0", npm_config_ignore_scripts: "true" } },
      (error, stdout, stderr) =>
        resume(Effect.succeed({ code: error === null ? 0 : 1, output: `${stdout}${stderr}`.trim() }))
    )
    return Effect.sync(() => child.kill())
  })

const succeeds = (name: string, ...args: ReadonlyArray<string>) =>
  Effect.map(tool(name, ...args), ({ code, output }) => expect(code, output).toBe(0))

interface Manifest {
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const readJson = (path: string) => JSON.parse(readFileSync(`${root}${path}`, "utf8")) as Manifest

const manifest = readJson("package.json")

describe("the sources", () => {
  it.live("type-check, tests and examples included", () => succeeds("tsgo", "-p", "tsconfig.json"), 300_000)

  it.live("are formatted and pass the linter, import cycles included", () =>
    succeeds("biome", "check", "--error-on-warnings")
  )
})

describe("the modules", () => {
  const publicModules = readdirSync(`${root}src`).filter((name) => name.endsWith(".ts") && name !== "index.ts")

  it("are all exported by the index, except the test kit", () => {
    const index = readFileSync(`${root}src/index.ts`, "utf8")
    expect(index).not.toContain("FliptTest")
    for (const name of publicModules.filter((module) => module !== "FliptTest.ts")) {
      const module = name.replace(".ts", "")
      // those with types only are files that a program need not open
      const kind = module === "Model" || module === "Snapshot" ? "export type *" : "export *"
      expect(index).toContain(`${kind} as ${module} from "./${module}.js"`)
    }
  })
})

describe("the package", () => {
  it("has the version that it sends to the server", () => {
    expect(version).toBe(manifest.version)
  })

  it("looks for platform packages of its own version", () => {
    expect(nativeVersion).toBe(manifest.version)
  })

  // docs/releasing.md has the rule for both
  it("has the version of its companions, which depend on it", () => {
    const expected = { version: manifest.version, range: `^${manifest.version}` }
    for (const name of readdirSync(`${root}packages`)) {
      const { dependencies, peerDependencies, version } = readJson(`packages/${name}/package.json`)
      // the command contains the client
      const range = name === "cli" ? expected.range : { ...dependencies, ...peerDependencies }["flipt-client-effect"]
      expect({ version, range }, name).toEqual(expected)
    }
  })

  it("has an edition for Effect 4 with the corresponding version", () => {
    const [major, minor, patch] = manifest.version.split(".")
    expect(readJson("editions/effect4/package.json").version).toBe(`2.${minor}.${patch}${major === "0" ? "-pre" : ""}`)
  })

  it.live("passes publint", () =>
    Effect.gen(function* () {
      const { messages, pkg } = yield* Effect.promise(() => publint({ pkgDir: root, strict: true }))
      expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
    })
  )

  it.live("passes attw", () => succeeds("attw", "--pack", ".", "--profile", "esm-only", "--no-color"), 300_000)

  it.live("exports only its public modules", () =>
    Effect.gen(function* () {
      const modules = readdirSync(`${root}src`).filter((name) => name.endsWith(".ts") && name !== "index.ts")
      for (const module of modules) {
        const name = module.replace(".ts", "")
        const exported = yield* Effect.promise(() => import(`${root}dist/${name}.js`))
        expect(Object.keys(exported).sort(), name).toEqual(
          Object.keys(yield* Effect.promise(() => import(`${root}src/${module}`))).sort()
        )
      }
      const internal = readdirSync(`${root}dist/internal`, { recursive: true, encoding: "utf8" })
        .map((name) => name.replaceAll("\\", "/"))
        .filter((name) => name.endsWith(".js"))
      expect(internal.filter((name) => !name.startsWith("flipt-client-effect-")).sort()).toEqual([
        "engine/native/default.js",
        "engine/native/node.js",
        "platform/default.js",
        "platform/node.js"
      ])
      const names = JSON.stringify(internal.map((name) => `flipt-client-effect/internal/${name.replace(".js", "")}`))
      const codes = yield* Effect.async<string>((resume) => {
        execFile(
          process.execPath,
          [
            "--input-type=module",
            "-e",
            `const codes = ${names}.map((name) => import(name).then(() => name, ({ code }) => code))
             console.log([...new Set(await Promise.all(codes))].join())`
          ],
          { cwd: root },
          (_, stdout, stderr) => resume(Effect.succeed((stdout + stderr).trim()))
        )
      })
      expect(codes).toBe("ERR_PACKAGE_PATH_NOT_EXPORTED")
    })
  )

  it.live("bundles its client for a browser without Node's modules", () =>
    Effect.gen(function* () {
      const { metafile, outputFiles } = yield* Effect.promise(() =>
        Esbuild.build({
          stdin: { contents: 'export * from "flipt-client-effect/FliptClient"', resolveDir: root },
          bundle: true,
          // ignores the paths in our tsconfig, which map to the sources
          tsconfigRaw: "{}",
          format: "esm",
          platform: "browser",
          metafile: true,
          write: false,
          logLevel: "silent"
        })
      )
      const inputs = Object.keys(metafile.inputs)
      expect(inputs.some((name) => name.includes("dist/internal/platform/default.js"))).toBe(true)
      expect(
        inputs.filter((name) => /koffi|dist\/internal\/(?:platform|engine\/native)\/(?!default)/.test(name))
      ).toEqual([])
      expect(Object.values(metafile.outputs).flatMap((output) => output.imports)).toEqual([])
      // a query for a module, if the runtime has it, is not an import
      expect(outputFiles[0]?.text).not.toMatch(/(?<!getBuiltinModule\?\.\()["'](?:node:|koffi)/)
    })
  )

  it.live("reports in a browser that the browser controls TLS", () =>
    Effect.gen(function* () {
      const { outputFiles } = yield* Effect.promise(() =>
        Esbuild.build({
          stdin: {
            contents: `
              import * as Effect from "effect/Effect"
              import * as FliptClient from "flipt-client-effect/FliptClient"
              export const failureOf = (tlsConfig) =>
                Effect.runPromise(Effect.flip(Effect.scoped(FliptClient.make({ url: "http://127.0.0.1:1", tlsConfig }))))
            `,
            resolveDir: root
          },
          bundle: true,
          tsconfigRaw: "{}",
          format: "esm",
          platform: "browser",
          write: false
        })
      )
      const bundle: { readonly failureOf: (tlsConfig: object) => Promise<unknown> } = yield* Effect.promise(
        () => import(`data:text/javascript;base64,${Buffer.from(outputFiles[0]!.contents).toString("base64")}`)
      )
      expect(yield* Effect.promise(() => bundle.failureOf({ caCertFile: "/ca.crt" }))).toMatchObject({
        _tag: "ValidationError",
        reason: "Option",
        path: "tlsConfig.caCertFile",
        message: expect.stringContaining("the browser controls TLS and proxies")
      })
      expect(yield* Effect.promise(() => bundle.failureOf({ caCertFile: "" }))).toMatchObject({
        path: "tlsConfig.caCertFile",
        message: expect.stringContaining("must be the path of a file")
      })
    })
  )

  it.live("does nothing when it is imported", () =>
    Effect.gen(function* () {
      const { code, output } = yield* Effect.async<{ readonly code: number; readonly output: string }>((resume) => {
        execFile(
          process.execPath,
          [
            "--input-type=module",
            "-e",
            `await import("flipt-client-effect")
             const opened = () => process.getActiveResourcesInfo().filter((name) => name !== "PipeWrap")
             setImmediate(() => console.log(JSON.stringify(opened())))`
          ],
          { cwd: root },
          (error, stdout, stderr) => resume(Effect.succeed({ code: error === null ? 0 : 1, output: stdout + stderr }))
        )
      })
      expect(code, output).toBe(0)
      expect(JSON.parse(output)).toEqual([])
    })
  )
})
