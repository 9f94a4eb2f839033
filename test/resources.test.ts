/**
 * The resources of a process after its clients have closed: 400 of them, or 1,000 with `FLIPT_TESTS=all`.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Child from "./support/child.js"
import { onDocument } from "./support/documents.js"
import { engines } from "./support/engines.js"
import * as FliptServer from "./support/FliptServer.js"

/** Runs a script of `test/children` on the built package, in a separate process, and returns its output. */
const run = (script: string, url: string, timeout: number) =>
  Effect.async<unknown, Error>((resume) => {
    const child = execFile(
      process.execPath,
      // Optimized code grows for a while, which would look like a leak or hide one.
      ["--expose-gc", "--no-opt", "--no-sparkplug", fileURLToPath(new URL(`./children/${script}`, import.meta.url))],
      { env: { ...process.env, FLIPT_URL: url }, timeout },
      (error, stdout, stderr) =>
        resume(
          error === null
            ? // a log line about the portable engine may precede it
              Effect.sync(() => JSON.parse(stdout.trim().split("\n").at(-1) ?? ""))
            : Effect.fail(new Error(`${error.message}\n${stdout}\n${stderr}`))
        )
    )
    return Effect.sync(() => child.kill())
  })

const serve = FliptServer.make({ documents: { default: onDocument(true) } })

it.scopedLive("a process that closes its client's scope exits, with nothing left open", () =>
  Effect.gen(function* () {
    const server = yield* serve
    expect(yield* run("close.mjs", server.url, 240_000)).toEqual({ enabled: true, left: [] })
  })
)

it.scopedLive(
  "hundreds of clients that open and close do not grow the process's handles and memory",
  () =>
    Effect.gen(function* () {
      const server = yield* serve
      const rounds = (yield* run("many.mjs", server.url, 240_000)) as ReadonlyArray<{
        readonly [when in "after" | "before"]: { readonly resources: ReadonlyArray<string>; readonly bytes: number }
      }>
      expect(rounds.at(-1)!.after.resources).toEqual(rounds[0]!.before.resources)
      // V8's own tables grow and shrink in single rounds; a leak shows in every round
      const grown = rounds.map(({ after, before }) => after.bytes - before.bytes).sort((a, b) => a - b)
      // one small object per client would exceed this
      expect(grown[2], grown.join()).toBeLessThan(process.env.FLIPT_TESTS === "all" ? 10_000 : 4_000)
      yield* server.awaitConnections(0)
    }),
  300_000
)

it.live(
  "a client keeps no bytes of a document while it waits for the next one",
  () =>
    Effect.gen(function* () {
      const kept = (yield* Child.run(
        "keptByClient.mjs",
        engines.map(([name]) => name),
        240_000
      )) as Record<string, number>
      expect(Object.keys(kept)).toHaveLength(2 * engines.length)
      for (const [client, documents] of Object.entries(kept)) {
        expect(documents, client).toBeLessThan(0.5)
      }
    }),
  300_000
)
