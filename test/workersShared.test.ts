/**
 * Workers that evaluate the main thread's states. Each scenario runs in a separate process, because a crash would end it.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { run } from "./support/child.js"
import { native, reason } from "./support/engines.js"

const nothing = { snapshots: 0, jobs: 0, arenas: 0, blobs: 0 }

/** Rounds of five workers each. */
const batches = process.env.FLIPT_TESTS === "all" ? 10 : 3

/** The tables of handles keep their largest size. */
const TABLES = 4096

interface Held {
  readonly snapshots: number
  readonly arenas: number
  readonly bytes: number
}

interface Life {
  readonly seen: {
    readonly outage: { readonly status: { readonly since: string } }
    readonly closed: { readonly status: { readonly since: string } }
  }
  readonly held?: Held
}

interface Churn {
  readonly ends: unknown
  readonly loaded: number
  readonly before?: Held
  readonly open?: Held
  readonly after?: Held
}

describe.each(["native", "portable"] as const)("on the %s engine", (engine) => {
  const isSkipped = engine === "native" && !native
  // The native half needs the library, and names the reason if it is skipped. The portable half always runs.
  const suffix = isSkipped ? ` (skipped: ${reason})` : ""

  it.live.skipIf(isSkipped)(
    `workers answer like the main thread, follow its states and its status, and outlive its client${suffix}`,
    () =>
      Effect.gen(function* () {
        const { held, seen } = (yield* run("sharing.mjs", ["life", engine], 240_000)) as Life
        const closed = expect.stringContaining("that serves the workers of this process is closed")
        expect(seen).toMatchObject({
          early: "v1",
          same: [true, true],
          status: { _tag: "Ready", version: "1", origin: "server", engine, mode: "polling", connected: true },
          changed: [
            ["v2", "v2", "v2"],
            [true, true, true]
          ],
          outage: {
            status: { _tag: "Stale", cause: "FetchError", error: "it is away", version: "2" },
            versions: ["Unavailable", "Unavailable", "v2"],
            refresh: "it is away"
          },
          refresh: [true, "v3", false],
          closed: {
            status: {
              _tag: "Stale",
              cause: "FetchError",
              error: closed,
              version: "3",
              mode: "workers",
              connected: false
            },
            versions: ["Unavailable", "Unavailable", "v3"],
            refresh: closed
          },
          next: ["Ready", ["v1", "v1", "v1"]]
        })
        if (engine === "native") {
          expect(held).toMatchObject(nothing)
        }
      }),
    { timeout: 250_000 }
  )

  // The native half needs the library here too, to share the memory of its states.
  it.live.skipIf(isSkipped)(
    `workers come and go while states are loaded, most of them terminated, and nothing crashes or stays open${suffix}`,
    () =>
      Effect.gen(function* () {
        const { after, before, ends, loaded, open } = (yield* run(
          "sharing.mjs",
          ["churn", engine, `${batches}`],
          600_000
        )) as Churn
        expect(ends).toEqual({ closed: batches, terminated: 4 * batches })
        expect(loaded).toBeGreaterThan(10)
        if (engine === "native") {
          expect(before).toMatchObject(nothing)
          // the handles of the main thread and of the remaining worker, to the same state
          expect(open).toMatchObject({ snapshots: 2, arenas: 2 })
          expect(after).toMatchObject(nothing)
          expect((after?.bytes ?? Number.NaN) - (before?.bytes ?? 0)).toBeLessThan(TABLES)
        }
      }),
    { timeout: 610_000 }
  )
})

it.live(
  "a worker without a client in the main thread fails with an error that says so",
  () =>
    Effect.gen(function* () {
      expect(yield* run("sharing.mjs", ["nobody", "portable"], 240_000)).toEqual({
        error: expect.stringMatching(
          /^(?:\(FiberFailure\) )?(?:Timeout|undefined|FetchError): .*no client of this process has served namespace "default" .*provide Workers\.layerServe/s
        )
      })
    }),
  { timeout: 250_000 }
)
