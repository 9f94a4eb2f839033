/**
 * What must be true of the project as a whole. Needs the build, which `npm test` makes first.
 */
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Esbuild from "esbuild"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import ts from "typescript"
import { version } from "../src/internal/util/version.js"

const root = fileURLToPath(new URL("..", import.meta.url))

/** Runs a tool of `node_modules/.bin`; gives its exit code and all that it printed. */
const tool = (name: string, ...args: ReadonlyArray<string>) =>
  Effect.async<{ readonly code: number; readonly output: string }>((resume) => {
    const child = execFile(
      `${root}node_modules/.bin/${name}`,
      args,
      // packing must not build: other tests run on what is built
      { cwd: root, env: { ...process.env, FORCE_COLOR: "0", npm_config_ignore_scripts: "true" } },
      (error, stdout, stderr) =>
        resume(Effect.succeed({ code: error === null ? 0 : 1, output: `${stdout}${stderr}`.trim() }))
    )
    return Effect.sync(() => child.kill())
  })

const succeeds = (name: string, ...args: ReadonlyArray<string>) =>
  Effect.map(tool(name, ...args), ({ code, output }) => expect(code, output).toBe(0))

const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { readonly version: string }

describe("the sources", () => {
  it.live("type-check, tests and examples included", () => succeeds("tsc", "-p", "tsconfig.json"), 300_000)

  it.live("are formatted and pass the linter, import cycles included", () =>
    succeeds("biome", "check", "--error-on-warnings")
  )
})

/** The modules below `src` that a module imports, straight or not, and the packages; types alone count too. */
const reachable = (entry: string): ReadonlySet<string> => {
  const seen = new Set<string>()
  const visit = (module: string): void => {
    if (seen.has(module)) {
      return
    }
    seen.add(module)
    if (!module.endsWith(".ts")) {
      return
    }
    for (const { fileName } of ts.preProcessFile(readFileSync(`${root}src/${module}`, "utf8")).importedFiles) {
      visit(
        fileName.startsWith(".")
          ? new URL(fileName.replace(/\.js$/, ".ts"), `file:///${module}`).pathname.slice(1)
          : fileName
      )
    }
  }
  visit(entry)
  return seen
}

describe("the modules", () => {
  const publicModules = readdirSync(`${root}src`).filter((name) => name.endsWith(".ts") && name !== "index.ts")

  it("of the engine know no HTTP, no fetcher, no credentials and no platform", () => {
    const modules = [...reachable("Engine.ts")]
    expect(modules.length).toBeGreaterThan(10)
    expect(
      modules.filter((name) => /platform|undici|^node:|Fetcher|Auth|Tls|FliptClient|http|polling/.test(name))
    ).toEqual([])
  })

  it("of the fetcher know no evaluation", () => {
    const modules = [...reachable("Fetcher.ts")]
    expect(modules.length).toBeGreaterThan(10)
    expect(
      modules.filter((name) => /Engine|Snapshot|FliptClient|compile|constraint|definition|document|portable/.test(name))
    ).toEqual([])
  })

  it("that everyone needs need nobody", () => {
    expect([...reachable("Model.ts")]).toEqual(["Model.ts"])
    expect([...reachable("FliptError.ts")].filter((name) => name.endsWith(".ts"))).toEqual(["FliptError.ts"])
  })

  it("meet Node, undici and koffi in the modules for Node alone", () => {
    const all = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))
    const users = (pattern: RegExp) =>
      all
        .filter((name) =>
          ts
            .preProcessFile(readFileSync(`${root}src/${name}`, "utf8"))
            .importedFiles.some(({ fileName }) => pattern.test(fileName))
        )
        .sort()
    expect(users(/^koffi$/)).toEqual(["internal/engine/native/library.ts"])
    expect(users(/^undici$/)).toEqual(["internal/platform/dispatcher.ts"])
    expect(users(/^node:/)).toEqual([
      "internal/engine/native/library.ts",
      "internal/engine/native/locate.ts",
      "internal/platform/certificates.ts",
      "internal/platform/dispatcher.ts",
      "internal/platform/directory.ts",
      "internal/platform/node.ts"
    ])
    expect(users(/(?:platform|\.)\/(?:certificates|dispatcher)\.js$/)).toEqual(["internal/platform/node.ts"])
    expect(users(/native\/(?:library|locate|engine)|\.\/(?:library|locate|engine)\.js$|platform\/node/)).toEqual([
      "internal/engine/native/arena.ts",
      "internal/engine/native/engine.ts",
      "internal/engine/native/evaluator.ts",
      "internal/engine/native/library.ts",
      "internal/engine/native/node.ts"
    ])
  })

  it("are named by the index, all but the one that is for tests alone", () => {
    const index = readFileSync(`${root}src/index.ts`, "utf8")
    expect(index).not.toContain("FliptTest")
    for (const name of publicModules.filter((module) => module !== "FliptTest.ts")) {
      expect(index).toContain(`export * as ${name.replace(".ts", "")} from "./${name.replace(".ts", ".js")}"`)
    }
  })

  it("stay short enough to be one concept", () => {
    for (const name of [...reachable("index.ts"), ...reachable("FliptTest.ts")].filter((name) =>
      name.endsWith(".ts")
    )) {
      expect(readFileSync(`${root}src/${name}`, "utf8").split("\n").length, name).toBeLessThan(400)
    }
  })
})

describe("the package", () => {
  it("is of the version that it tells the server", () => {
    expect(version).toBe(manifest.version)
  })

  it.live("passes publint", () =>
    Effect.gen(function* () {
      const { messages, pkg } = yield* Effect.promise(() => publint({ pkgDir: root, strict: true }))
      expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
    })
  )

  it.live("passes attw", () => succeeds("attw", "--pack", ".", "--profile", "esm-only", "--no-color"), 300_000)

  it.live("exports its public modules alone", () =>
    Effect.gen(function* () {
      const modules = readdirSync(`${root}src`).filter((name) => name.endsWith(".ts") && name !== "index.ts")
      for (const module of modules) {
        const name = module.replace(".ts", "")
        const exported = yield* Effect.promise(() => import(`${root}dist/${name}.js`))
        expect(Object.keys(exported), name).toEqual(
          Object.keys(yield* Effect.promise(() => import(`${root}src/${module}`)))
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

  it.live("bundles its client for a browser without anything of Node", () =>
    Effect.gen(function* () {
      const { metafile, outputFiles } = yield* Effect.promise(() =>
        Esbuild.build({
          stdin: { contents: 'export * from "flipt-client-effect/FliptClient"', resolveDir: root },
          bundle: true,
          // the paths of our tsconfig lead to the sources, for the tests
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
        inputs.filter((name) => /undici|koffi|dist\/internal\/(?:platform|engine\/native)\/(?!default)/.test(name))
      ).toEqual([])
      expect(Object.values(metafile.outputs).flatMap((output) => output.imports)).toEqual([])
      expect(outputFiles[0]?.text).not.toMatch(/["'](?:node:|undici|koffi)/)
    })
  )

  it.live("says in a browser that TLS is the browser's", () =>
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
