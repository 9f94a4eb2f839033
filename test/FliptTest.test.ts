import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Engine from "../src/Engine.js"
import * as Flag from "../src/Flag.js"
import * as FliptClient from "../src/FliptClient.js"
import { EvaluationError } from "../src/FliptError.js"
import * as FliptTest from "../src/FliptTest.js"
import * as SnapshotStore from "../src/SnapshotStore.js"
import { booleanFlag, makeDocument, variantFlag } from "./support/documents.js"

const user = { entityId: "user-1" }

const On = Flag.boolean("on", { default: false })
const Theme = Flag.variant("theme", ["light", "dark"], { default: "light" })
const Limits = Flag.json("limits", Schema.Struct({ max: Schema.NumberFromString }), { default: { max: 0 } })

const document = JSON.stringify(
  makeDocument([
    booleanFlag("on", true),
    variantFlag("theme", "dark", '{"accent":"teal"}'),
    {
      ...booleanFlag("beta", false),
      rollouts: [{ type: "THRESHOLD_ROLLOUT_TYPE", rank: 1, threshold: { percentage: 50, value: true } }]
    }
  ])
)

describe("the kit", () => {
  it.effect("is a complete client for plain values and functions of the request", () =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      expect((yield* client.evaluateBoolean({ flagKey: "on", ...user })).enabled).toBe(true)
      expect(yield* client.evaluateVariant({ flagKey: "theme", ...user })).toMatchObject({
        variantKey: "dark",
        variantAttachment: '{"accent":"teal"}'
      })
      const beta = (plan: string) =>
        client
          .evaluateBoolean({ flagKey: "beta", entityId: "e", context: { plan } })
          .pipe(Effect.map((it) => it.enabled))
      expect(yield* beta("pro")).toBe(true)
      expect(yield* beta("free")).toBe(false)
      expect(yield* Effect.flip(client.evaluateBoolean({ flagKey: "broken", ...user }))).toMatchObject({
        message: "away"
      })
      expect(yield* Effect.flip(client.evaluateBoolean({ flagKey: "gone", ...user }))).toMatchObject({
        reason: "FlagNotFound"
      })
      expect(
        yield* client.evaluateBatch([
          { flagKey: "on", ...user },
          { flagKey: "gone", ...user }
        ])
      ).toMatchObject([
        { _tag: "Boolean", enabled: true },
        { _tag: "Error", reason: "NOT_FOUND_ERROR_EVALUATION_REASON" }
      ])
      expect((yield* client.listFlags).map(({ key, type }) => [key, type])).toEqual([
        ["on", "BOOLEAN_FLAG_TYPE"],
        ["theme", "VARIANT_FLAG_TYPE"],
        ["beta", "VARIANT_FLAG_TYPE"],
        ["broken", "VARIANT_FLAG_TYPE"]
      ])
      yield* client.awaitReady
      expect(yield* client.status).toMatchObject({ _tag: "Ready", mode: "static", connected: true })
      expect(yield* client.refresh).toBe(false)
      expect(yield* Stream.runHead(client.statusChanges)).toMatchObject({ value: { _tag: "Ready" } })
    }).pipe(
      Effect.provide(
        FliptTest.layer({
          flags: {
            on: true,
            theme: { variant: "dark", attachment: { accent: "teal" } },
            beta: (request) => request.context?.plan === "pro",
            broken: new EvaluationError({ reason: "Unavailable", message: "away" })
          }
        })
      )
    )
  )

  it.effect("accepts a real document, and its own flags take precedence", () =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      const snapshot = yield* client.snapshot
      expect(yield* On.get(user)).toBe(false)
      expect(yield* Theme.detail(user)).toMatchObject({ value: "dark", reason: "MATCH_EVALUATION_REASON" })
      expect(Theme.read(snapshot, user)).toBe("dark")
      const bound = snapshot.bind("user-1")
      expect(Either.getOrThrow(bound.boolean("beta")).enabled).toBe(
        (yield* client.evaluateBoolean({ flagKey: "beta", ...user })).enabled
      )
      expect(Either.getOrThrow(bound.variant("theme")).variantKey).toBe("dark")
      expect((yield* client.listFlags).map(({ enabled, key }) => [key, enabled])).toEqual([
        ["on", false],
        ["theme", true],
        ["beta", false],
        ["new", true]
      ])
      expect(snapshot.fingerprint("theme")).toMatch(/^[0-9a-f]{16}$/)
      expect(snapshot.fingerprint("gone")).toBeUndefined()
      const seed = yield* client.getSnapshot
      const restored = yield* Effect.flatMap(Engine.Engine, (engine) => engine.restore("default", seed)).pipe(
        Effect.provide(Engine.layerPortable)
      )
      const infos = Either.getOrThrow(restored.flags)
      expect(infos).toEqual(yield* client.listFlags)
      expect(Theme.read(restored, user)).toBe("dark")
      expect(On.read(restored, user)).toBe(false)
    }).pipe(Effect.scoped, Effect.provide(FliptTest.layer({ document, flags: { on: false, new: true } })))
  )

  it.effect("accepts a document of another namespace with its name, and dies on an invalid document", () =>
    Effect.gen(function* () {
      const shop = JSON.stringify(makeDocument([booleanFlag("on", true)], "shop"))
      const layer = FliptTest.layer({ document: new TextEncoder().encode(shop), namespace: "shop" })
      expect(yield* On.get(user).pipe(Effect.provide(layer))).toBe(true)
      const exit = yield* Effect.exit(On.get(user).pipe(Effect.provide(FliptTest.layer({ document: shop }))))
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
    })
  )

  it.effect("finds a document's flag under every key that is read as its key", () =>
    Effect.gen(function* () {
      expect(yield* Flag.boolean("a\ud800", { default: false }).get(user)).toBe(true)
    }).pipe(Effect.provide(FliptTest.layer({ document: JSON.stringify(makeDocument([booleanFlag("a\ufffd", true)])) })))
  )

  it.effect("returns equal results of one state as one object, like every engine", () =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      const ask = client.evaluateVariant({ flagKey: "theme", ...user })
      expect(yield* ask).toBe(yield* ask)
    }).pipe(Effect.provide(FliptTest.layer({ flags: { theme: "dark" } })))
  )

  it.effect("saves its document in a provided store, like every client", () => {
    const saved: Array<string> = []
    return On.get(user).pipe(
      Effect.provide(FliptTest.layer({ document })),
      Effect.provideService(SnapshotStore.SnapshotStore, {
        load: () => Effect.succeedNone,
        save: (_, entry) => Effect.sync(() => void saved.push(new TextDecoder().decode(entry.bytes[0])))
      }),
      Effect.map((on) => expect([on, ...saved]).toEqual([true, document]))
    )
  })
})

/** Sets flags until the stream emits its first element, and returns that element. */
const whileSetting = <A>(stream: Stream.Stream<A>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(Stream.runHead(stream))
    let count = 0
    yield* Effect.suspend(() => FliptTest.set(`another-${count++}`, true)).pipe(
      Effect.zipRight(Effect.yieldNow()),
      Effect.zipRight(Fiber.poll(fiber)),
      Effect.repeat({ until: Option.isSome })
    )
    return Option.getOrThrow(yield* Fiber.join(fiber))
  })

describe("set", () => {
  it.effect("accepts the values of a typed flag, and functions of the request", () =>
    Effect.gen(function* () {
      yield* FliptTest.set(On, true)
      yield* FliptTest.set(Theme, "dark")
      yield* FliptTest.set(Limits, { max: 7 })
      expect(yield* Effect.all([On.get(user), Theme.get(user), Limits.get(user)])).toEqual([true, "dark", { max: 7 }])
      expect(yield* Limits.detail(user)).toMatchObject({ variant: "test", error: undefined })
      yield* FliptTest.set(On, ({ entityId }) => entityId === "user-2")
      yield* FliptTest.set(Limits, ({ entityId }) => ({ max: entityId.length }))
      expect(yield* Effect.all([On.get(user), On.get({ entityId: "user-2" })])).toEqual([false, true])
      expect(yield* Limits.get(user)).toEqual({ max: 6 })
      expect(yield* Flag.validate([Theme])).toEqual([])
    }).pipe(Effect.provide(FliptTest.layer()))
  )

  it.effect("accepts everything that layerMock accepts, with the flag's key", () =>
    Effect.gen(function* () {
      yield* FliptTest.set("limits", { variant: "big", attachment: { max: "9" } })
      yield* FliptTest.set("on", new EvaluationError({ reason: "Unavailable", message: "away" }))
      expect(yield* Limits.get(user)).toEqual({ max: 9 })
      expect((yield* On.detail(user)).error?.message).toBe("away")
      yield* FliptTest.set("limits", true)
      expect((yield* Limits.detail(user)).error).toMatchObject({ reason: "FlagType" })
      yield* FliptTest.set("limits", () => undefined as never)
      expect((yield* Limits.detail(user)).error).toMatchObject({ reason: "FlagNotFound" })
    }).pipe(Effect.provide(FliptTest.layer()))
  )

  it.effect("dies on a value that no attachment can represent", () =>
    Effect.gen(function* () {
      const maybe = Flag.json("maybe", Schema.NullOr(Schema.Int), { default: 1 })
      const defects = yield* Effect.forEach([null, 1.5], (value) =>
        Effect.catchAllDefect(Effect.as(FliptTest.set(maybe, value), "set"), (defect) => Effect.succeed(String(defect)))
      )
      expect(defects).toEqual([
        "Error: the flag maybe cannot be set: it encodes to null, which means no attachment",
        expect.stringContaining("Expected an integer")
      ])
    }).pipe(Effect.provide(FliptTest.layer()))
  )

  it.effect("has loaded the new state when it completes, even during another load", () =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      const keys = Array.from({ length: 20 }, (_, i) => `flag-${i}`)
      yield* Effect.forEach(
        keys,
        (flagKey, i) =>
          Effect.gen(function* () {
            yield* Effect.replicateEffect(Effect.yieldNow(), i, { discard: true })
            yield* FliptTest.set(flagKey, true)
            expect((yield* client.evaluateBoolean({ flagKey, ...user })).enabled).toBe(true)
          }),
        { concurrency: "unbounded" }
      )
      expect(new Set((yield* client.listFlags).map(({ key }) => key))).toEqual(new Set(keys))
    }).pipe(
      Effect.provide(FliptTest.layer()),
      // all fibers interleave
      Effect.withMaxOpsBeforeYield(10)
    )
  )

  it.effect("does not change an existing Snapshot", () =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      const snapshot = yield* client.snapshot
      const before = yield* client.status
      yield* FliptTest.set(On, true)
      expect(On.read(snapshot, user)).toBe(false)
      expect(On.read(yield* client.snapshot, user)).toBe(true)
      expect((yield* client.status).version).not.toBe(before.version)
    }).pipe(Effect.scoped, Effect.provide(FliptTest.layer({ flags: { on: false } })))
  )

  it.effect("is reported by changes, watch and statusChanges, like a change on the server", () =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      const queue = yield* Queue.unbounded<boolean>()
      yield* Effect.forkScoped(Stream.runForEach(On.watch(user), (value) => Queue.offer(queue, value)))
      expect(yield* Queue.take(queue)).toBe(false)
      yield* FliptTest.set(On, true)
      expect(yield* Queue.take(queue)).toBe(true)
      expect(yield* whileSetting(client.changes)).toEqual({
        added: expect.arrayContaining([expect.stringContaining("another-")]),
        removed: [],
        changed: []
      })
      expect(yield* whileSetting(Stream.drop(client.statusChanges, 1))).toMatchObject({ _tag: "Ready" })
    }).pipe(Effect.scoped, Effect.provide(FliptTest.layer()))
  )

  it.effect("counts a new function as a change, and an equal value not", () =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      const fingerprint = Effect.scoped(Effect.map(client.snapshot, (snapshot) => snapshot.fingerprint("on")))
      yield* FliptTest.set("on", () => true)
      const first = yield* fingerprint
      yield* FliptTest.set("other", true)
      expect(yield* fingerprint).toBe(first)
      yield* FliptTest.set("on", () => false)
      expect(yield* fingerprint).not.toBe(first)
      yield* FliptTest.set("on", true)
      const value = yield* fingerprint
      yield* FliptTest.set("on", true)
      expect(yield* fingerprint).toBe(value)
    }).pipe(Effect.provide(FliptTest.layer()))
  )
})

describe("evaluations", () => {
  it.effect("are recorded in order, from all callers", () =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      const snapshot = yield* client.snapshot
      expect(yield* FliptTest.evaluations).toEqual([])
      const context: Record<string, string> = { plan: "pro" }
      yield* client.evaluateBoolean({ flagKey: "on", entityId: "a", context })
      context.plan = "free"
      yield* Theme.get({ entityId: "b" })
      snapshot.boolean({ flagKey: "on", entityId: "c" })
      const bound = snapshot.bind("d")
      bound.variant("theme")
      bound.boolean("theme")
      yield* client.evaluateBatch([
        { flagKey: "on", entityId: "e" },
        { flagKey: "gone", entityId: "e" },
        { flagKey: "plain", entityId: "e" }
      ])
      yield* Effect.ignore(client.evaluateBoolean({ flagKey: "on", entityId: "" }))
      yield* Stream.runHead(client.watchBoolean({ flagKey: "on", entityId: "f" }))
      const evaluations = yield* FliptTest.evaluations
      const teal = { variant: "dark", attachment: { accent: "teal" } }
      expect(evaluations).toEqual([
        { request: { flagKey: "on", entityId: "a", context: { plan: "pro" } }, value: true },
        { request: { flagKey: "theme", entityId: "b" }, value: teal },
        { request: { flagKey: "on", entityId: "c" }, value: true },
        { request: { flagKey: "theme", entityId: "d" }, value: teal },
        { request: { flagKey: "theme", entityId: "d" }, value: expect.objectContaining({ reason: "FlagType" }) },
        { request: { flagKey: "on", entityId: "e" }, value: true },
        { request: { flagKey: "gone", entityId: "e" }, value: expect.objectContaining({ reason: "FlagNotFound" }) },
        { request: { flagKey: "plain", entityId: "e" }, value: "x" },
        { request: { flagKey: "on", entityId: "f" }, value: true }
      ])
      yield* On.get(user)
      expect(evaluations).toHaveLength(9)
    }).pipe(Effect.scoped, Effect.provide(FliptTest.layer({ document, flags: { plain: "x" } })))
  )

  it.effect("contain an attachment that is not JSON as text", () =>
    Effect.gen(function* () {
      yield* Theme.get(user)
      expect((yield* FliptTest.evaluations)[0]?.value).toEqual({ variant: "dark", attachment: "{" })
    }).pipe(
      Effect.provide(FliptTest.layer({ document: JSON.stringify(makeDocument([variantFlag("theme", "dark", "{")])) }))
    )
  )
})

/** A service that captures the client when it is built. */
class Shop extends Context.Tag("Shop")<Shop, { readonly price: Effect.Effect<number> }>() {
  static readonly layer = Layer.effect(
    Shop,
    Effect.map(FliptClient.FliptClient, (client) => ({
      price: client.evaluateBoolean({ flagKey: "on", ...user }).pipe(
        Effect.map(({ enabled }) => (enabled ? 80 : 100)),
        Effect.orDie
      )
    }))
  )
}

const shop = Shop.layer.pipe(Layer.provideMerge(FliptTest.layer({ flags: { on: false } })))

describe("isolated", () => {
  it.effect("concurrent effects do not see each other's flags and evaluations", () =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      const ready = yield* Deferred.make<void>()
      const one = FliptTest.isolated(
        Effect.gen(function* () {
          yield* FliptTest.set(On, true)
          yield* Deferred.await(ready)
          const { price } = yield* Shop
          const forked = yield* Fiber.join(yield* Effect.fork(price))
          return [yield* On.get(user), yield* price, forked, (yield* FliptTest.evaluations).length]
        })
      )
      const other = FliptTest.isolated(
        Effect.gen(function* () {
          const { price } = yield* Shop
          const before = [yield* On.get(user), yield* price]
          yield* Deferred.succeed(ready, undefined)
          return [...before, (yield* FliptTest.evaluations).length, yield* client.listFlags]
        })
      )
      expect(yield* Effect.all([one, other], { concurrency: "unbounded" })).toEqual([
        [true, 80, 80, 3],
        [false, 100, 2, [expect.objectContaining({ key: "on", enabled: false })]]
      ])
      expect(yield* On.get(user)).toBe(false)
      expect(yield* FliptTest.evaluations).toHaveLength(1)
    }).pipe(Effect.provide(shop))
  )

  it.effect("applies to a service that runs its effects in the context of its construction", () => {
    class Captured extends Context.Tag("Captured")<Captured, Effect.Effect<boolean>>() {}
    const captured = Layer.effect(
      Captured,
      Effect.map(Effect.context<FliptClient.FliptClient>(), (context) => Effect.provide(On.get(user), context))
    )
    return Effect.gen(function* () {
      yield* FliptTest.forEachValue(On, (value) =>
        Effect.gen(function* () {
          expect(yield* Effect.flatten(Captured)).toBe(value)
          expect(yield* FliptTest.evaluations).toHaveLength(1)
          expect(yield* FliptTest.isolated(Effect.flatten(Captured))).toBe(value)
        })
      )
      expect(yield* FliptTest.evaluations).toEqual([])
    }).pipe(Effect.provide(Layer.provideMerge(captured, FliptTest.layer())))
  })

  it.effect("starts with the current flags, also when nested, and does not see later changes outside", () =>
    Effect.gen(function* () {
      yield* FliptTest.set(On, true)
      const outcome = yield* FliptTest.isolated(
        Effect.gen(function* () {
          yield* FliptTest.set(Theme, "dark")
          const begun = yield* Deferred.make<void>()
          const set = yield* Deferred.make<void>()
          const inner = yield* Effect.fork(
            FliptTest.isolated(
              Effect.gen(function* () {
                yield* Deferred.succeed(begun, undefined)
                const before = [yield* On.get(user), yield* Theme.get(user)]
                yield* Deferred.await(set)
                return [...before, yield* On.get(user)]
              })
            )
          )
          yield* Deferred.await(begun)
          yield* FliptTest.set(On, false)
          yield* Deferred.succeed(set, undefined)
          return [yield* Fiber.join(inner), yield* On.get(user)]
        })
      )
      expect(outcome).toEqual([[true, "dark", true], false])
      expect(yield* On.get(user)).toBe(true)
    }).pipe(Effect.provide(FliptTest.layer()))
  )

  it.effect("applies to every operation of the client", () =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      yield* FliptTest.isolated(
        Effect.gen(function* () {
          yield* FliptTest.set(On, true)
          yield* FliptTest.set(Theme, "dark")
          const request = { flagKey: "on", ...user }
          const snapshot = yield* client.snapshot
          const value = Either.map((it: { readonly enabled: boolean }) => it.enabled)
          expect((yield* client.evaluateBoolean(request)).enabled).toBe(true)
          expect((yield* client.evaluateVariant({ ...request, flagKey: "theme" })).variantKey).toBe("dark")
          expect(yield* client.evaluateBatch([request])).toMatchObject([{ enabled: true }])
          const pinned = yield* client.pinned
          expect((yield* pinned.evaluateBoolean(request)).enabled).toBe(true)
          expect(yield* client.listFlags).toHaveLength(2)
          expect(value(snapshot.boolean(request))).toEqual(Either.right(true))
          expect((yield* client.getSnapshot).length).toBeGreaterThan(100)
          const { version } = yield* client.status
          expect(yield* Stream.runHead(client.statusChanges)).toMatchObject({ value: { version } })
          expect(yield* client.refresh).toBe(false)
          yield* client.awaitReady
          expect(yield* Stream.runCollect(Stream.take(client.watchBoolean(request), 1))).toEqual(
            Chunk.of(Either.right(expect.objectContaining({ enabled: true })))
          )
          expect(yield* Stream.runHead(client.watchVariant({ ...request, flagKey: "theme" }))).toMatchObject({
            value: Either.right({ variantKey: "dark" })
          })
          expect(yield* whileSetting(client.changes)).toMatchObject({ changed: [] })
        })
      )
      expect((yield* client.status).version).toBe("2.0")
    }).pipe(Effect.scoped, Effect.provide(FliptTest.layer({ flags: { on: false } })))
  )

  it.effect("ends with its effect: its client closes, and the outer client stays open", () =>
    Effect.gen(function* () {
      const inner = yield* FliptTest.isolated(FliptTest.FliptTest)
      const client = yield* FliptClient.FliptClient
      const error = client
        .evaluateBoolean({ flagKey: "on", ...user })
        .pipe(Effect.provideService(FliptTest.FliptTest, inner), Effect.flip)
      expect(yield* error).toMatchObject({ reason: "Closed" })
      expect(yield* On.get(user)).toBe(true)
    }).pipe(Effect.provide(FliptTest.layer({ flags: { on: true } })))
  )

  it.effect("does not affect the client of another kit", () =>
    Effect.gen(function* () {
      const other = Context.get(yield* Layer.build(FliptTest.layer({ flags: { on: true } })), FliptClient.FliptClient)
      yield* FliptTest.isolated(
        Effect.gen(function* () {
          expect((yield* other.evaluateBoolean({ flagKey: "on", ...user })).enabled).toBe(true)
          expect(yield* On.get(user)).toBe(false)
        })
      )
    }).pipe(Effect.scoped, Effect.provide(FliptTest.layer({ flags: { on: false } })))
  )

  it.effect("keeps the References with which the layer was built", () => {
    const versions: Array<string> = []
    const store = Layer.succeed(SnapshotStore.SnapshotStore, {
      load: () => Effect.succeedNone,
      save: (_, entry) => Effect.sync(() => void versions.push(String(entry.version)))
    })
    return Effect.gen(function* () {
      yield* FliptTest.isolated(FliptTest.set(On, true))
    }).pipe(
      Effect.provide(Layer.provide(FliptTest.layer(), store)),
      Effect.map(() => expect(versions.length).toBeGreaterThanOrEqual(2))
    )
  })
})

describe("a shared layer", () => {
  it.layer(shop)((it) => {
    const test = (name: string, value: boolean, price: number) =>
      it.effect(name, () =>
        FliptTest.isolated(
          Effect.gen(function* () {
            yield* FliptTest.set(On, value)
            expect(yield* Effect.flatMap(Shop, ({ price }) => price)).toBe(price)
            expect(yield* FliptTest.evaluations).toHaveLength(1)
          })
        )
      )
    test("has one value in one test", true, 80)
    test("has another value in another test", false, 100)
    it.effect("has its initial value in a test that sets nothing", () =>
      Effect.map(
        Effect.flatMap(Shop, ({ price }) => price),
        (price) => expect(price).toBe(100)
      )
    )
  })
})

describe("forEachValue", () => {
  it.effect("runs a test for each value, isolated", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const see =
        <A>(flag: Flag.Flag<A>) =>
        (value: A) =>
          Effect.gen(function* () {
            expect(yield* flag.get(user)).toEqual(value)
            expect(yield* FliptTest.evaluations).toHaveLength(1)
            seen.push(value)
          })
      yield* FliptTest.forEachValue(On, see(On))
      yield* FliptTest.forEachValue(Theme, see(Theme))
      yield* FliptTest.forEachValue(Theme, ["dark"], see(Theme))
      yield* FliptTest.forEachValue(Limits, [{ max: 1 }, { max: 2 }], see(Limits))
      expect(seen).toEqual([true, false, "light", "dark", "dark", { max: 1 }, { max: 2 }])
      expect(yield* FliptTest.evaluations).toEqual([])
    }).pipe(Effect.provide(FliptTest.layer()))
  )

  const failing = <E>(failure: Effect.Effect<never, E>) =>
    Effect.gen(function* () {
      const tried: Array<boolean> = []
      const exit = yield* Effect.exit(
        FliptTest.forEachValue(On, (value) => {
          tried.push(value)
          return value ? Effect.void : failure
        })
      )
      expect(tried).toEqual([true, false])
      return Exit.isFailure(exit) ? exit.cause : Cause.empty
    }).pipe(Effect.provide(FliptTest.layer()))

  it.effect("adds the value to the message of a failed assertion, and keeps the rest of the error", () =>
    Effect.gen(function* () {
      let thrown: unknown
      const cause = yield* failing(
        Effect.sync((): never => {
          try {
            expect(1).toBe(2)
          } catch (error) {
            thrown = error
          }
          throw thrown
        })
      )
      const [error] = Cause.prettyErrors(cause)
      expect(error).toMatchObject({
        message: expect.stringMatching(/^with on = false: expected 1 to be 2/),
        actual: 1,
        expected: 2
      })
      expect(error?.stack).toContain("FliptTest.test.ts")
      expect((thrown as Error).message).toMatch(/^expected 1/)
    })
  )

  it.effect("keeps the type of a test's typed error", () =>
    Effect.gen(function* () {
      const original = new EvaluationError({ reason: "NotReady", message: "not yet" })
      const cause = yield* failing(Effect.fail(original))
      const error = Cause.failureOption(cause)
      expect(error).toMatchObject({ value: { _tag: "EvaluationError", reason: "NotReady" } })
      expect(Cause.squash(cause)).toBeInstanceOf(EvaluationError)
      expect(Cause.squash(cause)).toMatchObject({ message: "with on = false: not yet" })
      expect(original.message).toBe("not yet")
    })
  )

  it.effect("adds an error to a failure that is not an Error", () =>
    Effect.gen(function* () {
      const cause = yield* failing(Effect.fail("plain"))
      expect(Cause.failureOption(cause)).toMatchObject({ value: "plain" })
      expect(Cause.prettyErrors(cause).map(({ message }) => message)).toEqual([
        "plain",
        "with on = false: see the preceding failure"
      ])
    })
  )

  it.effect("adds an error to a failure that cannot be copied", () =>
    Effect.gen(function* () {
      const error = new DOMException("aborted", "AbortError")
      const cause = yield* failing(Effect.fail(error))
      expect(Cause.failureOption(cause)).toMatchObject({ value: error })
      expect(Cause.prettyErrors(cause).map(({ message, name }) => [name, message])).toEqual([
        ["AbortError", "aborted"],
        ["Error", "with on = false: see the preceding failure"]
      ])
    })
  )

  it.effect("shortens a long value", () =>
    Effect.gen(function* () {
      const text = Flag.json("text", Schema.String, { default: "" })
      const message = yield* FliptTest.forEachValue(text, ["x".repeat(10_000)], () =>
        Effect.fail(new Error("no"))
      ).pipe(
        Effect.flip,
        Effect.map((error) => error.message)
      )
      expect(message).toMatch(/^with text = x{200}…: no$/)
    }).pipe(Effect.provide(FliptTest.layer()))
  )

  it.effect("is interrupted together with its test", () =>
    Effect.map(failing(Effect.interrupt), (cause) => expect(Cause.isInterruptedOnly(cause)).toBe(true))
  )
})
