/**
 * `npm run runtimes [<word>…]` runs the client in JavaScript runtimes and test runners, from npm and from the operating
 * system, and prints a table. In each of them a program evaluates a flag, waits until it changes, in polling and in
 * streaming mode, and closes the client.
 *
 * `--folder=<path>` keeps the project there and uses it again.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Esbuild from "esbuild"
import * as Fault from "../test/support/Fault.js"
import type * as FliptServer from "../test/support/FliptServer.js"
import * as Browser from "./lib/browser.js"
import * as Page from "./lib/page.js"
import * as Project from "./lib/project.js"
import * as Release from "./lib/release.js"
import { type Check, expectEqual, Failed, main, report } from "./lib/report.js"
import * as Scenario from "./lib/scenario.js"

const nodes = { node20: "~20.19", node22: "22", node24: "24", node26: "26" }

/** The runtimes and test runners, by major version. */
const tools = {
  "@babel/preset-env": "7",
  "babel-plugin-transform-import-meta": "2",
  ...Object.fromEntries(Object.entries(nodes).map(([name, range]) => [name, `npm:${Release.nodePackage}@${range}`])),
  bun: "1",
  deno: "2",
  jest: "30",
  miniflare: "4",
  typescript: "5.9",
  vitest: "3"
}

const modes = ["polling", "streaming"] as const
const both = ["portable", "native"] as const
const portable = ["portable"] as const

const program = Effect.gen(function* () {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { folder: { type: "string" } } })
  const release = yield* Release.pack
  const project = yield* Project.install({ ...release.dependencies, ...tools }, values.folder)
  const inProject = (...parts: ReadonlyArray<string>) => Path.join(project.folder, ...parts)
  Fs.cpSync(Path.join(Release.root, "compat", "programs"), inProject("src"), { recursive: true })

  /** Runs a program of the project with a scenario, as its argument or in `SCENARIO`. */
  const runScenario = (
    command: string,
    args: ReadonlyArray<string>,
    engines: ReadonlyArray<Scenario.Engine>,
    env: Readonly<Record<string, string>> = {}
  ) =>
    Effect.gen(function* () {
      const scenario = yield* Scenario.make({}, { modes, engines })
      const json = JSON.stringify(scenario)
      const output = yield* project.run(
        command,
        args.map((arg) => (arg === "SCENARIO" ? json : arg)),
        { env: { SCENARIO: json, ...env } }
      )
      return yield* Scenario.check(yield* Scenario.resultOf(output), modes, engines)
    })

  const node = (name: string): Check => ({
    name: `Node ${/\d+/.exec(name)}`,
    version: () => project.versions(name),
    run: runScenario(inProject("node_modules", name, "bin", "node"), ["src/cli.js", "SCENARIO"], both)
  })

  const under = (name: string, file: string): Check => ({
    name,
    version: () => `node ${process.versions.node}`,
    run: runScenario(process.execPath, [`src/${file}`, "SCENARIO"], both)
  })

  const vitest = (pool: string): Check => ({
    name: `Vitest, ${pool}`,
    version: () => project.versions("vitest"),
    run: Effect.suspend(() => {
      Fs.copyFileSync(inProject("src", "testRunner.js"), inProject("src", "runner.test.js"))
      return runScenario("vitest", ["run", `--pool=${pool}`, "--globals", "src/runner.test.js"], both)
    })
  })

  const testing = Page.sections(Fs.readFileSync(Path.join(Release.root, "docs", "testing.md"), "utf8"))

  const jest = (name: string, title: string): Check => ({
    name,
    version: () => project.versions("jest"),
    run: Effect.gen(function* () {
      const section = testing.get(title)
      const command = section?.commands[0]
      if (section === undefined || command === undefined) {
        return yield* new Failed({ message: `docs/testing.md has no command for ${title}` })
      }
      Fs.rmSync(inProject("jest.config.js"), { force: true })
      project.write(section.files)
      Fs.copyFileSync(inProject("src", "testRunner.js"), inProject("src", "runner.test.js"))
      return yield* runScenario("sh", ["-ec", command], both)
    })
  })

  /** Bundles a program for runtimes other than Node. */
  const bundle = (entry: string, outfile: string, conditions: ReadonlyArray<string>) =>
    Effect.tryPromise({
      try: () =>
        Esbuild.build({
          absWorkingDir: project.folder,
          entryPoints: [`src/${entry}`],
          outfile,
          bundle: true,
          format: "esm",
          platform: "browser",
          conditions: [...conditions],
          tsconfigRaw: "{}",
          logLevel: "silent"
        }),
      catch: (error) => new Failed({ message: `${entry} does not bundle: ${error}` })
    })

  const workerd = (date: string): Check => ({
    name: `workerd, compatibility date ${date}`,
    version: () => project.versions("workerd"),
    run: Effect.gen(function* () {
      yield* bundle("worker.js", "dist/worker.mjs", ["workerd", "worker"])
      // a redirect within the origin, which the client follows where the runtime shows its target
      const redirect = Fault.redirect("/internal/v1/evaluation/snapshot/namespace/default")
      const scenario = yield* Scenario.make({}, { modes }, [redirect])
      const output = yield* project.run(process.execPath, ["src/miniflare.js", JSON.stringify(scenario), date])
      return yield* Scenario.check(yield* Scenario.resultOf(output), modes, portable)
    })
  })

  /** The list of headers that docs/browsers.md has for Flipt v1. */
  const headersOfV1 = Array.from(
    Fs.readFileSync(Path.join(Release.root, "docs", "browsers.md"), "utf8").matchAll(/^ {4}- (\S+)$/gm),
    ([, name]) => name!
  )

  const browser = (name: string, find: typeof Browser.chromium): Check => {
    let version = "not installed"
    const servers: ReadonlyArray<readonly [FliptServer.Options, ReadonlyArray<Scenario.Mode>]> = [
      [{ version: "v2", cors: {} }, modes],
      [{ version: "v1", cors: { headers: headersOfV1 } }, ["polling"]]
    ]
    return {
      name,
      version: () => version,
      run: Effect.gen(function* () {
        const found = yield* find
        version = found.version
        yield* bundle("runtimePage.js", "dist/page/page.js", [])
        project.write({ "dist/page/index.html": `<!doctype html><script type="module" src="page.js"></script>` })
        const openPage = (options: FliptServer.Options, asked: ReadonlyArray<Scenario.Mode>) =>
          Effect.flatMap(Scenario.make(options, { modes: asked }), (scenario) =>
            found.open(inProject("dist", "page"), { scenario: JSON.stringify(scenario) })
          )
        for (const [options, asked] of servers) {
          yield* Scenario.check(yield* openPage(options, asked), asked, portable)
        }
        // v1 does not allow the client's headers by default, and the error says so
        const [refused] = (yield* openPage({ version: "v1", cors: {} }, ["polling"])) as ReadonlyArray<string>
        yield* expectEqual(
          "whether the error of a page that v1 refuses mentions CORS",
          /^polling failed: .*CORS.*x-flipt-environment/.test(refused ?? ""),
          true
        )
        return "polling on v1 and v2, streaming, portable"
      })
    }
  }

  const node10: Check = {
    name: "moduleResolution node10",
    version: () => project.versions("typescript"),
    run: Effect.gen(function* () {
      project.write({
        "node10/main.ts": `
          import { FliptClient } from "flipt-client-effect"
          import * as Engine from "flipt-client-effect/Engine"
          export const layers = [FliptClient.layer(), Engine.layer] as const
          // @ts-expect-error the types must be found
          export const wrong: string = Engine.layer
        `
      })
      yield* project.run("tsc", [
        ...["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext"],
        ...["--moduleResolution", "node10", "--ignoreDeprecations", "5.0", "node10/main.ts"]
      ])
      return "modules and types resolve"
    })
  }

  yield* report(
    [
      ...Object.keys(nodes).map(node),
      {
        name: "Bun",
        version: () => project.versions("bun"),
        run: runScenario("bun", ["src/cli.js", "SCENARIO"], both)
      },
      {
        name: "Deno",
        version: () => project.versions("deno"),
        run: runScenario("deno", ["run", "--allow-all", "src/cli.js", "SCENARIO"], both)
      },
      workerd("2026-01-01"),
      // older than the `cache` option of fetch
      workerd("2024-01-01"),
      browser("Chromium", Browser.chromium),
      browser("Firefox", Browser.firefox),
      under("worker thread", "threads.js"),
      under("cluster", "cluster.js"),
      ...["threads", "forks", "vmThreads", "vmForks"].map(vitest),
      jest("Jest, ES modules", "Jest, with ES modules"),
      jest("Jest, CommonJS", "Jest, with CommonJS"),
      node10
    ],
    positionals
  )
})

main(program)
