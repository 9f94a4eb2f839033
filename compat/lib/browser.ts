/**
 * Headless browsers that open a page and wait for the result that it reports.
 */
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as Path from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Folder from "../../test/support/Folder.js"
import * as Listener from "../../test/support/Listener.js"
import * as Command from "./command.js"
import { Failed, Skipped } from "./report.js"

export interface Browser {
  readonly version: string
  /**
   * Serves a folder on its own origin, opens its `index.html` with a query, and returns what the page sends to
   * `/report`.
   */
  readonly open: (
    folder: string,
    query: Readonly<Record<string, string>>
  ) => Effect.Effect<unknown, Failed, Scope.Scope>
}

const types: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" }

const serve = (folder: string, report: (body: string) => void) =>
  Listener.listen(
    Http.createServer((request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://page")
      if (pathname === "/report") {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          report(Buffer.concat(chunks).toString("utf8"))
          response.end()
        })
        return
      }
      const file = Path.join(folder, pathname === "/" ? "index.html" : pathname)
      if (Fs.existsSync(file)) {
        response.writeHead(200, { "content-type": types[Path.extname(file)] ?? "application/octet-stream" })
        response.end(Fs.readFileSync(file))
      } else {
        response.writeHead(404).end()
      }
    })
  )

const make = (
  commands: ReadonlyArray<string>,
  argumentsFor: (profile: string, url: string) => ReadonlyArray<string>
): Effect.Effect<Browser, Skipped> =>
  Effect.gen(function* () {
    const found = yield* Effect.forEach(commands, (command) =>
      Command.run(command, ["--version"], { cwd: "/", timeout: "1 minute" }).pipe(
        Effect.map((output) => ({ command, version: /\w+ \d[\w.]*/.exec(output)?.[0] ?? "" })),
        Effect.option
      )
    ).pipe(Effect.map((results) => results.find((result) => result._tag === "Some")))
    if (found === undefined) {
      return yield* new Skipped({ message: `${commands.join(" or ")} is not installed` })
    }
    const { command, version } = found.value
    return {
      version,
      open: (folder, query) =>
        Effect.gen(function* () {
          const reported = yield* Deferred.make<string>()
          const port = yield* serve(folder, (body) => Deferred.unsafeDone(reported, Effect.succeed(body)))
          const url = `http://127.0.0.1:${port}/?${new URLSearchParams(query)}`
          const home = yield* Folder.make
          const browser = yield* Command.start(command, argumentsFor(home, url), { cwd: home, env: { HOME: home } })
          const body = yield* Effect.timeoutFail(Deferred.await(reported), {
            duration: "3 minutes",
            onTimeout: () => new Failed({ message: `the page reported nothing:\n${browser.output().slice(-2000)}` })
          })
          return JSON.parse(body) as unknown
        })
    }
  })

export const chromium = make(["chromium", "chromium-browser", "google-chrome"], (profile, url) => [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  `--user-data-dir=${profile}`,
  url
])

export const firefox = make(["firefox-esr", "firefox"], (profile, url) => [
  "--headless",
  "--no-remote",
  "--profile",
  profile,
  url
])
