/**
 * `npm run bundlers [<word>…]` bundles a program with each bundler of docs/bundlers.md, as that page shows it, and runs the
 * results. Prints a table, and fails if a bundle does not build or run.
 *
 * Each bundle runs twice: in the project, where the native engine is installed, and alone in an empty folder.
 * `--folder=<path>` keeps the project there and uses it again.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Folder from "../test/support/Folder.js"
import * as Listener from "../test/support/Listener.js"
import * as Browser from "./lib/browser.js"
import * as Command from "./lib/command.js"
import * as Page from "./lib/page.js"
import * as Project from "./lib/project.js"
import * as Release from "./lib/release.js"
import { type Check, expectEqual, Failed, main, report } from "./lib/report.js"
import * as Server from "./lib/server.js"

/** The bundlers and what they need, by major version. */
const tools = {
  "@rollup/plugin-node-resolve": "16",
  "@vercel/ncc": "0.45",
  "@vercel/nft": "1",
  esbuild: "0.28",
  next: "16",
  react: "19",
  "react-dom": "19",
  rollup: "4",
  // tsdown needs Node 22
  node22: `npm:${Release.nodePackage}@22`,
  tsdown: "0.23",
  vite: "8",
  webpack: "5",
  "webpack-cli": "7"
}

const program = Effect.gen(function* () {
  const page = Page.sections(Fs.readFileSync(Path.join(Release.root, "docs", "bundlers.md"), "utf8"))
  const programs = Path.join(Release.root, "compat", "programs")
  const release = yield* Release.pack
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { folder: { type: "string" } } })
  const project = yield* Project.install({ ...release.dependencies, ...tools }, values.folder)
  const server = yield* Server.make({ cors: {} })
  const flags = Path.join(project.folder, "flags.json")
  project.write({ "flags.json": JSON.stringify(Server.document(true)) })
  Fs.cpSync(programs, Path.join(project.folder, "src"), { recursive: true })
  Fs.renameSync(Path.join(project.folder, "src", "service.js"), Path.join(project.folder, "src", "main.js"))
  const env = { FLIPT_URL: server.url, FLAGS: flags }

  /** Writes the files of a section, and runs those of its commands that have the given ending. */
  const build = (title: string, ending = "") =>
    Effect.gen(function* () {
      const section = page.get(title)
      const commands = section?.commands.filter((command) => command.endsWith(ending)) ?? []
      if (section === undefined || commands.length === 0) {
        return yield* new Failed({ message: `docs/bundlers.md has no command for ${title} that ends with "${ending}"` })
      }
      project.write(section.files)
      const PATH = [Path.join(project.folder, "node_modules", "node22", "bin"), project.env.PATH].join(Path.delimiter)
      yield* Effect.forEach(commands, (command) => project.shell(command, { env: { PATH }, timeout: "20 minutes" }))
    })

  const resultOf = (output: string) => {
    const found = /^RESULT (.*)$/m.exec(output)?.[1]
    return found === undefined
      ? Effect.fail(new Failed({ message: `it printed no result:\n${output}` }))
      : Effect.succeed(JSON.parse(found) as unknown)
  }

  const expectResult = (where: string, output: string, engine: "native" | "portable") =>
    Effect.flatMap(resultOf(output), (result) =>
      expectEqual(`the result ${where}`, result, {
        server: { enabled: true, engine },
        file: { enabled: true, engine: "portable" }
      })
    )

  /** Runs a bundle in the project, and a copy of its folder on its own. */
  const runBundle = (folder: string, file: string) =>
    Effect.gen(function* () {
      const inPlace = yield* project.run(process.execPath, [Path.join(folder, file)], { env })
      yield* expectResult("in the project", inPlace, "native")
      const alone = yield* Folder.make
      Fs.cpSync(Path.join(project.folder, folder), alone, { recursive: true })
      yield* expectResult("alone", yield* Command.run(process.execPath, [file], { cwd: alone, env }), "portable")
      return "native in the project, portable alone"
    })

  const bundle = (
    name: string,
    packages: ReadonlyArray<string>,
    title: string,
    ending: string,
    folder: string,
    file: string
  ): Check => ({
    name,
    version: () => project.versions(...packages),
    run: Effect.zipRight(build(title, ending), runBundle(folder, file))
  })

  /** A port that was free a moment ago. */
  const freePort = Effect.scoped(
    Effect.flatMap(
      Effect.promise(() => import("node:net")),
      (net) => Listener.listen(net.createServer())
    )
  )

  const next = (name: string, ending: string): Check => ({
    name,
    version: () => project.versions("next"),
    run: Effect.gen(function* () {
      project.write({
        "app/layout.js": `export default ({ children }) => <html lang="en"><body>{children}</body></html>`,
        "app/page.js": `
          import { evaluate } from "../src/next.js"
          export const dynamic = "force-dynamic"
          export default async () => <p>{JSON.stringify(await evaluate())}</p>
        `
      })
      Fs.rmSync(Path.join(project.folder, ".next"), { recursive: true, force: true })
      yield* build("Next.js", ending)
      /** The page of a server that runs in a folder. */
      const fetchPage = (folder: string) =>
        Effect.scoped(
          Effect.gen(function* () {
            const port = yield* freePort
            const child = yield* Command.start(process.execPath, ["server.js"], {
              cwd: folder,
              env: { ...env, PORT: String(port), HOSTNAME: "127.0.0.1" }
            })
            const html = yield* Effect.tryPromise(async () => {
              const response = await fetch(`http://127.0.0.1:${port}/`)
              return response.text()
            }).pipe(
              Effect.retry(Schedule.intersect(Schedule.spaced("200 millis"), Schedule.recurs(300))),
              Effect.mapError(() => new Failed({ message: `the server does not answer:\n${child.output()}` }))
            )
            const result = /<p>(\{.*?\})<\/p>/.exec(html)?.[1]?.replaceAll("&quot;", `"`)
            return (
              result ??
              (yield* new Failed({ message: `the page has no result:\n${html.slice(0, 500)}\n${child.output()}` }))
            )
          })
        )
      const standalone = Path.join(project.folder, ".next", "standalone")
      yield* expectEqual("the result in the project", JSON.parse(yield* fetchPage(standalone)), {
        enabled: true,
        engine: "native"
      })
      const alone = yield* Folder.make
      Fs.cpSync(standalone, alone, { recursive: true, verbatimSymlinks: true })
      yield* expectEqual("the result alone", JSON.parse(yield* fetchPage(alone)), { enabled: true, engine: "portable" })
      return "native in the project, portable alone"
    })
  })

  const inBrowser: Check = {
    name: "Vite, browser",
    version: () => project.versions("vite"),
    run: Effect.gen(function* () {
      yield* build("Vite, in a browser")
      const browser = yield* Browser.chromium
      const result = yield* browser.open(Path.join(project.folder, "dist", "vite-browser"), { url: server.url })
      yield* expectEqual("the result", result, { enabled: true, engine: "portable" })
      return `portable, in ${browser.version}`
    })
  }

  const checks: ReadonlyArray<Check> = [
    bundle("esbuild, ESM", ["esbuild"], "esbuild", "main.mjs", "dist/esbuild", "main.mjs"),
    bundle("esbuild, CommonJS", ["esbuild"], "esbuild", "main.cjs", "dist/esbuild", "main.cjs"),
    bundle("webpack", ["webpack"], "webpack", "", "dist/webpack", "main.cjs"),
    bundle("Rollup", ["rollup"], "Rollup", "", "dist/rollup", "main.mjs"),
    bundle("Vite, server", ["vite"], "Vite, on a server", "", "dist/vite-server", "main.js"),
    inBrowser,
    next("Next.js, Turbopack", "next build"),
    next("Next.js, webpack", "--webpack"),
    bundle("ncc", ["@vercel/ncc"], "ncc", "", "dist/ncc", "index.js"),
    bundle("nft", ["@vercel/nft"], "nft", "", "dist", "src/main.js"),
    bundle("tsdown", ["tsdown"], "tsdown", "", "dist/tsdown", "main.mjs")
  ]
  yield* report(checks, positionals)
})

main(program)
