/**
 * Clients that are pinned to one state, and how long a state is kept.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as FliptClient from "../src/FliptClient.js"
import { type EvaluateError, FetchError } from "../src/FliptError.js"
import { on } from "./support/clients.js"
import { booleanFlag, makeDocument, onDocument, variantFlag } from "./support/documents.js"
import * as Handed from "./support/handed.js"
import { captured } from "./support/logs.js"

const before = makeDocument([booleanFlag("on", true), variantFlag("theme", "dark")])
const after = makeDocument([booleanFlag("on", false), variantFlag("theme", "light"), booleanFlag("more", true)])
const theme = { flagKey: "theme", entityId: "user-1" } as const

const outage = new FetchError({ reason: "Network", retryable: false, message: "no way" })

/** All answers from the state as one text, or the reason of the error. */
const answers = (client: FliptClient.Service) =>
  Effect.gen(function* () {
    const snapshot = yield* client.snapshot
    return {
      boolean: (yield* client.evaluateBoolean(on)).enabled,
      variant: (yield* client.evaluateVariant(theme)).variantKey,
      batch: (yield* client.evaluateBatch([on, theme])).map((it) => (it._tag === "Boolean" ? it.enabled : it._tag)),
      flags: (yield* client.listFlags).length,
      snapshot: Either.getOrThrow(snapshot.boolean(on)).enabled,
      seed: (yield* client.getSnapshot) === (yield* snapshot.seed)
    }
  }).pipe(Effect.scoped)

const old = { boolean: true, variant: "dark", batch: [true, "Variant"], flags: 2, snapshot: true, seed: true }
const fresh = { boolean: false, variant: "light", batch: [false, "Variant"], flags: 3, snapshot: false, seed: true }

/** The errors of all calls that use the state. */
const reasons = (client: FliptClient.Service) => {
  const calls: ReadonlyArray<Effect.Effect<unknown, EvaluateError>> = [
    client.evaluateBoolean(on),
    client.evaluateVariant(theme),
    client.evaluateBatch([on]),
    client.listFlags,
    Effect.scoped(client.snapshot),
    client.getSnapshot,
    Effect.scoped(Effect.flatMap(client.pinned, (pinned) => pinned.evaluateBoolean(on)))
  ]
  return Effect.forEach(calls, (call) =>
    Effect.match(call, { onFailure: ({ reason }) => reason as string, onSuccess: () => "an answer" })
  )
}

const all = (reason: string) => Array.from({ length: 7 }, () => reason)

describe("a pinned client", () => {
  it.scoped("answers everything from its initial state while the client has a new one", () =>
    Effect.gen(function* () {
      const { client, put } = yield* Handed.make({ first: before })
      const pinned = yield* client.pinned
      yield* put(after)
      expect(yield* pinned.refresh).toBe(true)
      expect(yield* answers(pinned)).toEqual(old)
      expect(yield* answers(client)).toEqual(fresh)
    })
  )

  it.scoped("fails with Closed after its Scope has closed, and releases the state", () =>
    Effect.gen(function* () {
      const { client, put } = yield* Handed.make({ first: before })
      const scope = yield* Scope.make()
      const pinned = yield* Scope.extend(client.pinned, scope)
      const snapshot = yield* Effect.scoped(client.snapshot)
      yield* put(after)
      yield* client.refresh
      expect(snapshot.boolean(on)._tag).toBe("Right")
      yield* Scope.close(scope, Exit.void)
      expect(yield* reasons(pinned)).toEqual(all("Closed"))
      expect(Either.flip(snapshot.boolean(on))).toMatchObject({ right: { reason: "Closed" } })
      expect(yield* answers(client)).toEqual(fresh)
    })
  )

  it.scoped("that has closed does not affect the client or open Snapshots", () =>
    Effect.gen(function* () {
      const { client, put } = yield* Handed.make({ first: before })
      const scope = yield* Scope.make()
      const pinned = yield* Scope.extend(client.pinned, scope)
      const snapshot = yield* pinned.snapshot
      yield* Scope.close(scope, Exit.void)
      expect(yield* answers(client)).toEqual(old)
      yield* put(after)
      yield* client.refresh
      expect(Either.getOrThrow(snapshot.boolean(on)).enabled).toBe(true)
    })
  )

  it.scoped("keeps failing with its initial error if there was no state, even after a state is loaded", () =>
    captured(() =>
      Effect.gen(function* () {
        const { client, put } = yield* Handed.make({ first: outage })
        const pinned = yield* client.pinned
        yield* put(before)
        yield* client.refresh
        expect(yield* reasons(pinned)).toEqual(all("NotReady"))
        expect(yield* answers(client)).toEqual(old)
      })
    )
  )

  it.scoped("continues to work in an outage that starts later", () =>
    captured(() =>
      Effect.gen(function* () {
        const { client, put } = yield* Handed.make({ first: before, strategy: "fail" })
        const pinned = yield* client.pinned
        yield* put(outage)
        yield* Effect.exit(client.refresh)
        expect(yield* reasons(client)).toEqual(all("Unavailable"))
        expect(yield* answers(pinned)).toEqual(old)
      })
    )
  )

  it.scoped("fails with Closed if the client closes first", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { client } = yield* Scope.extend(Handed.make({ first: before }), scope)
      const pinned = yield* client.pinned
      yield* Scope.close(scope, Exit.void)
      expect(Either.flip(yield* Effect.either(pinned.evaluateBoolean(on)))).toMatchObject({
        right: { reason: "Closed" }
      })
    })
  )

  it.scoped("has the client's own status, changes and watches", () =>
    Effect.gen(function* () {
      const { client, put } = yield* Handed.make({ first: before })
      const pinned = yield* client.pinned
      yield* put(after)
      yield* client.refresh
      expect(yield* pinned.status).toMatchObject({ _tag: "Ready", version: "v2" })
      const [now] = yield* Stream.runCollect(Stream.take(pinned.watchBoolean(on), 1))
      expect(now).toMatchObject({ right: { enabled: false } })
    })
  )

  it.scoped("pinned again is pinned to the same state", () =>
    Effect.gen(function* () {
      const { client, put } = yield* Handed.make({ first: before })
      const pinned = yield* client.pinned
      yield* put(after)
      yield* client.refresh
      expect(yield* answers(yield* pinned.pinned)).toEqual(old)
    })
  )
})

describe("a replaced state", () => {
  it.scoped("is released even if a logger throws when the next one is loaded", () =>
    captured(() =>
      Effect.gen(function* () {
        const { client, put } = yield* Handed.make({ first: before })
        const snapshot = yield* Effect.scoped(client.snapshot)
        yield* put(outage)
        yield* Effect.exit(client.refresh)
        yield* put(after)
        const logger = Logger.make(({ message }) => {
          if (String(message).includes("up to date again")) {
            throw new Error("a bug of the logger")
          }
        })
        yield* Effect.exit(client.refresh).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
        expect(Either.flip(snapshot.boolean(on))).toMatchObject({ right: { reason: "Closed" } })
        expect(yield* answers(client)).toEqual(fresh)
      })
    )
  )
})

describe("withPinned", () => {
  it.scoped("provides one state to its effect despite updates, and none to fibers that outlive it", () =>
    Effect.gen(function* () {
      const { client, put } = yield* Handed.make({ first: onDocument(true) })
      const isOn = Effect.map(FliptClient.evaluateBoolean(on), ({ enabled }) => enabled)
      const inside = Effect.gen(function* () {
        const first = yield* isOn
        yield* put(onDocument(false))
        yield* client.refresh
        return [first, yield* isOn, yield* FliptClient.withPinned(isOn), yield* FliptClient.FliptClient] as const
      })
      const use = Effect.provideService(FliptClient.FliptClient, client)
      const [first, second, nested, pinned] = yield* use(FliptClient.withPinned(inside))
      expect([first, second, nested]).toEqual([true, true, true])
      expect(yield* use(isOn)).toBe(false)
      expect(yield* Effect.flip(pinned.evaluateBoolean(on))).toMatchObject({ reason: "Closed" })
    })
  )

  it.scoped("fails with the effect's error, and does not close the effect's own Scope", () =>
    Effect.gen(function* () {
      const { client } = yield* Handed.make({ first: onDocument(true) })
      let released = false
      const scoped = Effect.acquireRelease(Effect.fail("no"), () => Effect.void).pipe(
        Effect.tapError(() =>
          Effect.addFinalizer(() =>
            Effect.sync(() => {
              released = true
            })
          )
        )
      )
      const exit = yield* Effect.exit(
        Effect.provideService(FliptClient.withPinned(scoped), FliptClient.FliptClient, client)
      )
      expect(exit).toEqual(Exit.fail("no"))
      expect(released).toBe(false)
    })
  )
})
