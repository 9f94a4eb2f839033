/**
 * Changed flags, and the values of watched flags.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import { vi } from "vitest"
import * as Engine from "../src/Engine.js"
import type * as FliptClient from "../src/FliptClient.js"
import { EvaluationError } from "../src/FliptError.js"
import * as Observe from "../src/internal/client/changes.js"
import { load, Stat } from "../src/internal/engine/native/library.js"
import type { Snapshot } from "../src/Snapshot.js"
import { encode } from "./support/corpus.js"
import { booleanFlag, makeDocument, onDocument, variantFlag } from "./support/documents.js"
import { engines, native } from "./support/engines.js"
import * as Generators from "./support/generators.js"
import { listenersOf } from "./support/hubs.js"
import {
  answer,
  away,
  begun,
  failure,
  listen,
  listenSlowly,
  live,
  notModified,
  on,
  onEngines,
  open,
  openState,
  portable,
  quiet,
  theme
} from "./support/observing.js"
import { turn, until } from "./support/wait.js"

vi.mock("effect/PubSub", async (importOriginal) =>
  (await import("./support/hubs.js")).recording(await importOriginal<typeof PubSub>())
)

const segment = (key: string, ...values: ReadonlyArray<string>) => ({
  key,
  name: key,
  description: "",
  matchType: "ALL_SEGMENT_MATCH_TYPE",
  constraints: values.map((value, index) => ({
    id: `${key}-${index}`,
    type: "STRING_CONSTRAINT_COMPARISON_TYPE",
    property: "plan",
    operator: "eq",
    value
  }))
})

/** A variant flag with a rule for one segment. */
const targeted = (key: string, target: object) => {
  const flag = variantFlag(key, "a", "1")
  return { ...flag, rules: [{ ...flag.rules[0]!, segments: [target] }] }
}

/** A boolean flag with a percentage rollout. */
const gradual = (key: string, percentage: number) => ({
  ...booleanFlag(key, true),
  rollouts: [{ type: "THRESHOLD_ROLLOUT_TYPE", rank: 1, threshold: { percentage, value: true } }]
})

/** The same content in another form: the members of every object are reversed. */
const reversed = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(reversed)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .reverse()
            .map(([key, member]) => [key, reversed(member)])
        )
      : value

const marked = (document: { readonly flags: ReadonlyArray<object> }, key = "marker") => ({
  ...document,
  flags: [...document.flags, booleanFlag(key, true)]
})

const added = (...keys: ReadonlyArray<string>): FliptClient.Changes => ({ added: keys, removed: [], changed: [] })
const changed = (...keys: ReadonlyArray<string>): FliptClient.Changes => ({ added: [], removed: [], changed: keys })

/** What a listener receives that has seen the first document when the others arrive, one by one. */
const changesBetween = (
  engine: Layer.Layer<Engine.Engine>,
  first: object | string,
  ...others: ReadonlyArray<object | string>
) =>
  Effect.gen(function* () {
    const { load, state } = yield* openState(yield* Effect.provide(Engine.Engine, engine))
    const pull = yield* listenSlowly(Observe.changes(state))
    // starts without a state, so that the first element shows that the listener has read the first document
    const waiting = yield* Effect.fork(pull)
    yield* begun(waiting)
    yield* load(first)
    yield* Fiber.join(waiting)
    for (const document of others) {
      yield* load(document)
    }
    return yield* pull
  })

describe("changes", () => {
  const base = makeDocument([
    booleanFlag("on", true),
    targeted("first", segment("pros", "pro")),
    targeted("second", segment("pros", "pro")),
    targeted("third", segment("frees", "free")),
    gradual("gradual", 50)
  ])
  const edited = (edit: (text: string) => string) => edit(JSON.stringify(base))

  onEngines("names the added, removed and changed flags", (engine) =>
    Effect.gen(function* () {
      const document = makeDocument([
        booleanFlag("new", true),
        ...base.flags.filter((flag) => (flag as { key: string }).key !== "third").slice(1),
        booleanFlag("on", false)
      ])
      expect(yield* changesBetween(engine, base, document)).toEqual({
        added: ["new"],
        removed: ["third"],
        changed: ["on"]
      })
    })
  )

  onEngines("counts another segment, attachment, percentage, type or variant as a change", (engine) =>
    Effect.gen(function* () {
      const edits: ReadonlyArray<readonly [(text: string) => string, ReadonlyArray<string>]> = [
        [(text) => text.replaceAll('"value":"pro"', '"value":"team"'), ["first", "second"]],
        [(text) => text.replaceAll('"key":"frees"', '"key":"others"'), ["third"]],
        [(text) => text.replace('"variantAttachment":"1"', '"variantAttachment":"2"'), ["first"]],
        [(text) => text.replace('"variantKey":"a"', '"variantKey":"b"'), ["first"]],
        [(text) => text.replace('"percentage":50', '"percentage":50.5'), ["gradual"]],
        [(text) => text.replace('"enabled":true', '"enabled":false'), ["on"]],
        [(text) => text.replace("BOOLEAN_FLAG_TYPE", "VARIANT_FLAG_TYPE"), ["on"]],
        [(text) => text.replaceAll('"operator":"eq"', '"operator":"neq"'), ["first", "second", "third"]]
      ]
      for (const [edit, keys] of edits) {
        expect(yield* changesBetween(engine, base, edited(edit)), keys.join()).toEqual(changed(...keys))
      }
    })
  )

  onEngines(
    "does not count ids, names, descriptions, timestamps, white space or the order of members as a change",
    (engine) =>
      Effect.gen(function* () {
        const rewordings: ReadonlyArray<object | string> = [
          edited((text) => text.replaceAll('"id":"1"', '"id":"2"').replaceAll('"ruleId":"1"', '"ruleId":"2"')),
          edited((text) => text.replaceAll('"rank":1', '"rank":9')),
          edited((text) => text.replaceAll(/"name":"[^"]*"/g, '"name":"other"')),
          edited((text) => text.replaceAll('"description":""', '"description":"other"')),
          edited((text) => text.replaceAll('"key":', '"createdAt":"2026-01-02T03:04:05Z","updatedAt":"","key":')),
          JSON.stringify(base, undefined, 4),
          reversed(base) as object,
          { ...base, digest: "another", flags: [...base.flags].reverse() }
        ]
        expect(yield* changesBetween(engine, base, ...rewordings, marked(base))).toEqual(added("marker"))
        for (const [index, rewording] of rewordings.entries()) {
          const { client, next } = yield* open(answer(base), { engine })
          const { has, seen } = yield* listen(client.changes)
          yield* turn
          // different white space is not even loaded
          expect(yield* next(answer(rewording)), `${index}`).toEqual(Exit.succeed(index !== 5))
          yield* turn
          yield* next(answer(marked(base)))
          yield* has(1)
          expect(seen, `${index}`).toEqual([added("marker")])
        }
      })
  )

  // Compares engines, so it needs two. Engine.test.ts checks the portable engine's fingerprints on their own.
  it.scopedLive.skipIf(!native)("are the same on every engine for any change in a document", () =>
    quiet(
      Effect.gen(function* () {
        const services = yield* Effect.forEach(engines, ([, layer]) => Effect.provide(Engine.Engine, layer))
        const prints = ({ compile }: Engine.Service, document: string) =>
          Effect.map(compile("default", encode(document)), (snapshot) => {
            const keys = Either.getOrThrow(snapshot.flags).map(({ key }) => key)
            return new Map(keys.map((key) => [key, snapshot.fingerprint(key)]))
          })
        const told = (engine: Engine.Service, before: string, after: string) =>
          Effect.gen(function* () {
            const { load, state } = yield* openState(engine)
            const pull = yield* listenSlowly(Observe.changes(state))
            const waiting = yield* Effect.fork(pull)
            yield* turn
            yield* load(before)
            const first = yield* Fiber.join(waiting)
            yield* load(after)
            const [old, now] = [yield* prints(engine, before), yield* prints(engine, after)]
            expect(first).toEqual(added(...old.keys()))
            const expected = {
              added: [...now.keys()].filter((key) => !old.has(key)),
              removed: [...old.keys()].filter((key) => !now.has(key)),
              changed: [...now.keys()].filter((key) => old.has(key) && old.get(key) !== now.get(key))
            }
            if (Object.values(expected).flat().length === 0) {
              const document = JSON.parse(after) as { readonly flags: ReadonlyArray<object> }
              yield* load(marked(document, "the marker"))
              expect(yield* pull).toEqual(added("the marker"))
            } else {
              expect(yield* pull).toEqual(expected)
            }
            return expected
          }).pipe(Effect.scoped, Effect.either)
        const kinds = { nothing: 0, added: 0, removed: 0, changed: 0 }
        const property = fc.asyncProperty(Generators.drawn(0), fc.nat(), fc.nat(5), ({ document }, where, how) =>
          Effect.gen(function* () {
            const ours = { ...document, namespace: { key: "default" } }
            const before = JSON.stringify(ours)
            const after = JSON.stringify(mutated(ours, where, how))
            const [one, other] = yield* Effect.forEach(services, (engine) => told(engine, before, after))
            expect(Either.isRight(one!)).toBe(Either.isRight(other!))
            if (Either.isRight(one!) && Either.isRight(other!)) {
              expect(other.right).toEqual(one.right)
              const names = (["added", "removed", "changed"] as const).filter((name) => one.right[name].length > 0)
              for (const name of names.length === 0 ? (["nothing"] as const) : names) {
                kinds[name]++
              }
            }
          }).pipe(Effect.runPromise)
        )
        yield* Effect.promise(() => fc.assert(property, { numRuns: 50 }))
        expect(Math.min(...Object.values(kinds)), JSON.stringify(kinds)).toBeGreaterThan(0)
      })
    )
  )

  onEngines("starts from the current state, or from nothing if nothing is loaded", (engine) =>
    Effect.gen(function* () {
      const { client, next } = yield* open(away, { engine, errorStrategy: "fallback" })
      const early = yield* listen(client.changes)
      yield* begun(early.fiber)
      yield* next(answer(base))
      yield* early.has(1)
      const keys = base.flags.map((flag) => (flag as { readonly key: string }).key)
      expect(early.seen).toEqual([added(...keys)])
      // Both listeners use the same stream.
      const late = yield* listen(client.changes)
      yield* begun(late.fiber)
      yield* next(answer(marked(base)))
      yield* early.has(2)
      yield* late.has(1)
      expect(early.seen[1]).toEqual(added("marker"))
      expect(late.seen).toEqual([added("marker")])
    })
  )

  live(
    "reports nothing as removed in an outage, with either strategy",
    Effect.gen(function* () {
      for (const errorStrategy of ["fail", "fallback"] as const) {
        const { client, next } = yield* open(answer(base), { errorStrategy })
        const { has, seen } = yield* listen(client.changes)
        yield* turn
        yield* next(away)
        const during = yield* listen(client.changes)
        yield* begun(during.fiber)
        yield* next(answer("<html>"))
        yield* turn
        yield* next(notModified)
        yield* turn
        yield* next(answer(marked(base)))
        for (const listener of [during, { has, seen }]) {
          yield* listener.has(1)
          expect(listener.seen, errorStrategy).toEqual([added("marker")])
        }
      }
    })
  )

  onEngines("gives a slow listener the complete difference, which may be empty", (engine) =>
    Effect.gen(function* () {
      const [a, b, c] = [makeDocument([]), makeDocument([]), makeDocument([])].map((document, index) => ({
        ...document,
        flags: [
          gradual("gradual", index),
          booleanFlag("on", index !== 1),
          booleanFlag(`only-${index}`, true),
          booleanFlag("same", true)
        ]
      })) as [object, object, object]
      expect(yield* changesBetween(engine, a, b, c)).toEqual({
        added: ["only-2"],
        removed: ["only-0"],
        changed: ["gradual"]
      })
      expect(yield* changesBetween(engine, a, b, a, marked(a as { flags: Array<object> }))).toEqual(added("marker"))
    })
  )

  live(
    "reports nothing if the content is unchanged, and then later changes",
    Effect.gen(function* () {
      const { hub, load, state } = yield* openState(yield* portable)
      const pull = yield* listenSlowly(Observe.changes(state))
      const waiting = yield* Effect.fork(pull)
      yield* begun(waiting)
      yield* load(onDocument(true))
      yield* Fiber.join(waiting)
      yield* load(onDocument(false))
      yield* load(onDocument(true))
      const next = yield* Effect.fork(pull)
      yield* until(() => Effect.runSync(PubSub.isEmpty(hub)))
      yield* begun(next)
      yield* load(onDocument(false))
      expect(yield* Fiber.join(next)).toEqual(changed("on"))
    })
  )
})

/** The document with one change. */
const mutated = (document: object, where: number, how: number): object => {
  const copy = JSON.parse(JSON.stringify(document)) as { flags: Array<Record<string, unknown>> }
  if (how === 0) {
    copy.flags.splice(where % copy.flags.length, 1)
    return copy
  }
  if (how === 1) {
    copy.flags.push({ ...copy.flags[where % copy.flags.length], key: `flag-${where}` })
    return copy
  }
  const places: Array<readonly [Record<string, unknown>, string]> = []
  const visit = (value: unknown): void => {
    if (typeof value === "object" && value !== null) {
      for (const [key, member] of Object.entries(value)) {
        places.push([value as Record<string, unknown>, key])
        visit(member)
      }
    }
  }
  visit(copy.flags)
  const [parent, key] = places[where % places.length]!
  const value = parent[key]
  parent[key] =
    typeof value === "string"
      ? `${value}x`
      : typeof value === "number"
        ? value + 1
        : typeof value === "boolean"
          ? !value
          : Array.isArray(value)
            ? value.slice(1)
            : null
  return copy
}

/** An engine whose Snapshots a test can modify before they are used. */
const altered = (engine: Engine.Service, alter: (snapshot: Snapshot) => PropertyDescriptorMap): Engine.Service => ({
  ...engine,
  compile: (namespace, document) =>
    Effect.map(engine.compile(namespace, document), (snapshot) => Object.create(snapshot, alter(snapshot)) as Snapshot)
})

describe("changes, while reading a state", () => {
  const COUNT = 3000
  const flags = Array.from({ length: COUNT }, (_, index) => booleanFlag(`flag-${index}`, true))
  const plain = makeDocument(flags)
  const second = makeDocument([...flags.slice(0, -1), booleanFlag("last", true)])

  const library = Effect.orDie(load(process.env.FLIPT_ENGINE_PATH))
  const snapshots = native ? Effect.map(library, ({ stat }) => stat(Stat.snapshots)) : Effect.succeed(0)

  /** A listener that has read the first document and is reading the second. */
  const midway = (layer: Layer.Layer<Engine.Engine>) =>
    Effect.gen(function* () {
      let read = 0
      const all: Array<Snapshot> = []
      const engine = altered(yield* Effect.provide(Engine.Engine, layer), (snapshot) => {
        all.push(snapshot)
        return {
          fingerprint: {
            value: (key: string) => {
              read++
              return snapshot.fingerprint(key)
            }
          }
        }
      })
      const opened = yield* openState(engine)
      const listener = yield* listen(Observe.changes(opened.state))
      yield* begun(listener.fiber)
      yield* opened.load(plain)
      yield* listener.has(1)
      expect(listener.seen[0]?.added.length).toBe(COUNT)
      listener.seen.length = 0
      // compiled in advance, so that the listener makes no progress meanwhile
      const scope = yield* Scope.fork(opened.scope, ExecutionStrategy.sequential)
      const third = yield* Scope.extend(engine.compile("default", encode(marked(second))), scope)
      const compiled = Effect.acquireRelease(Effect.succeed(third), () => Scope.close(scope, Exit.void))
      read = 0
      yield* opened.load(second)
      yield* until(() => read > 0)
      expect(read).toBeLessThan(COUNT)
      const isOpen = (index: number) => Either.isRight(all[index]!.flags)
      return {
        ...opened,
        ...listener,
        replace: opened.state.load(compiled, "server", Option.none()),
        areOpen: () => ({ first: isOpen(0), second: isOpen(2), third: isOpen(1) })
      }
    })

  onEngines("continues if the state is replaced, and then releases it", (engine) =>
    Effect.gen(function* () {
      const before = yield* snapshots
      const { areOpen, close, has, replace, seen } = yield* midway(engine)
      yield* replace
      expect(areOpen()).toEqual({ first: false, second: true, third: true })
      yield* has(2)
      expect(seen).toEqual([{ ...added("last"), removed: [`flag-${COUNT - 1}`] }, added("marker")])
      expect(areOpen()).toEqual({ first: false, second: false, third: true })
      yield* close
      expect(areOpen().third).toBe(false)
      yield* Effect.repeat(Effect.zipRight(turn, snapshots), { until: (count) => count === before })
    })
  )

  onEngines("ends without an error when the client closes, and leaves nothing open", (engine) =>
    Effect.gen(function* () {
      const before = yield* snapshots
      const { areOpen, close, fiber, hub, seen } = yield* midway(engine)
      yield* close
      expect(yield* Fiber.await(fiber)).toEqual(Exit.void)
      expect(seen.length).toBe(0)
      expect(areOpen().second).toBe(false)
      expect(listenersOf(hub)).toBe(0)
      yield* Effect.repeat(Effect.zipRight(turn, snapshots), { until: (count) => count === before })
    })
  )

  onEngines("releases it when the listener is interrupted", (engine) =>
    Effect.gen(function* () {
      const { areOpen, fiber, hub, replace } = yield* midway(engine)
      yield* replace
      expect(areOpen().second).toBe(true)
      yield* Fiber.interrupt(fiber)
      expect(areOpen()).toEqual({ first: false, second: false, third: true })
      expect(listenersOf(hub)).toBe(0)
    })
  )

  live(
    "treats a flag that cannot be read as unchanged",
    Effect.gen(function* () {
      const error = Either.left(new EvaluationError({ reason: "Unavailable", message: "it cannot be read" }))
      const alterations: ReadonlyArray<PropertyDescriptorMap> = [
        { flags: { value: error } },
        { fingerprint: { value: () => undefined } }
      ]
      for (const alteration of alterations) {
        let unreadable = false
        const engine = altered(yield* portable, () => (unreadable ? alteration : {}))
        const { load, state } = yield* openState(engine)
        const pull = yield* listenSlowly(Observe.changes(state))
        const waiting = yield* Effect.fork(pull)
        yield* begun(waiting)
        yield* load(onDocument(true))
        yield* Fiber.join(waiting)
        unreadable = true
        yield* load(onDocument(false))
        const next = yield* Effect.fork(pull)
        yield* begun(next)
        unreadable = false
        yield* load(onDocument(false))
        expect(yield* Fiber.join(next)).toEqual(changed("on"))
      }
    })
  )
})

describe("watchBoolean and watchVariant", () => {
  onEngines("emit the current value and every different later one", (engine) =>
    Effect.gen(function* () {
      const document = (enabled: boolean, variant: string, attachment = "1", name = "n") =>
        makeDocument([{ ...booleanFlag("on", enabled), name }, variantFlag("theme", variant, attachment)])
      const { client, close, next } = yield* open(answer(document(true, "dark")), { engine })
      const boolean = yield* listen(client.watchBoolean(on))
      const variant = yield* listen(client.watchVariant(theme))
      yield* boolean.has(1)
      yield* variant.has(1)
      expect(boolean.seen).toEqual([yield* Effect.either(client.evaluateBoolean(on))])
      expect(variant.seen).toEqual([yield* Effect.either(client.evaluateVariant(theme))])
      const same = Effect.gen(function* () {
        yield* next(notModified)
        yield* turn
      })
      yield* same
      yield* next(answer(document(true, "dark", "1", "renamed")))
      yield* turn
      yield* next(answer(document(false, "dark")))
      yield* boolean.has(2)
      yield* same
      yield* next(answer(document(false, "light")))
      yield* variant.has(2)
      yield* next(answer(document(false, "light", "2")))
      yield* variant.has(3)
      yield* same
      yield* next(answer(document(true, "light", "2")))
      yield* boolean.has(3)
      expect(boolean.seen.map((it) => Either.getOrThrow(it).enabled)).toEqual([true, false, true])
      expect(
        variant.seen.map((it) => Either.getOrThrow(it)).map((it) => [it.variantKey, it.variantAttachment])
      ).toEqual([
        ["dark", "1"],
        ["light", "1"],
        ["light", "2"]
      ])
      yield* close
      for (const { fiber } of [boolean, variant]) {
        expect(yield* Fiber.await(fiber as Fiber.RuntimeFiber<void>)).toEqual(Exit.void)
      }
    })
  )

  onEngines("count different segments, matches and reasons as different values", (engine) =>
    Effect.gen(function* () {
      const request = { ...theme, context: { plan: "pro" } }
      const rollout = (...keys: ReadonlyArray<string>) => ({
        ...booleanFlag("on", true),
        rollouts: [{ segment: { value: true, segments: keys.map((key) => segment(key)) } }]
      })
      const rule = (...keys: ReadonlyArray<string>) => {
        const flag = variantFlag("theme", "a")
        return { ...flag, rules: [{ ...flag.rules[0]!, segments: keys.map((key) => segment(key)) }] }
      }
      const steps: ReadonlyArray<readonly [ReadonlyArray<object>, string, string]> = [
        [[booleanFlag("on", true), rule("d")], "DEFAULT:", "MATCH:d"],
        [[gradual("on", 100), rule("a")], "MATCH:", "MATCH:a"],
        [[rollout("a"), rule("b")], "MATCH:a", "MATCH:b"],
        [[rollout("b"), rule("b", "c")], "MATCH:b", "MATCH:b,c"],
        [[rollout("b", "c"), targeted("theme", segment("a", "free"))], "MATCH:b,c", "UNKNOWN:"]
      ]
      const { client, next } = yield* open(answer(makeDocument(steps[0]![0])), { engine })
      const boolean = yield* listen(client.watchBoolean(on))
      const variant = yield* listen(client.watchVariant(request))
      for (const [index, [flags]] of steps.entries()) {
        yield* next(answer(makeDocument(flags)))
        yield* boolean.has(index + 1)
        yield* variant.has(index + 1)
      }
      const shown = (it: Either.Either<{ reason: string; segmentKeys: ReadonlyArray<string> }, unknown>) => {
        const { reason, segmentKeys } = Either.getOrThrow(it)
        return `${reason.replace("_EVALUATION_REASON", "")}:${[...segmentKeys].sort().join()}`
      }
      expect(boolean.seen.map(shown)).toEqual(steps.map(([, expected]) => expected))
      expect(variant.seen.map(shown)).toEqual(steps.map(([, , expected]) => expected))
    })
  )

  onEngines("emit errors as values, once each, and then values again", (engine) =>
    Effect.gen(function* () {
      const both = makeDocument([booleanFlag("on", true), variantFlag("theme", "dark")])
      const swapped = makeDocument([booleanFlag("theme", true), variantFlag("on", "dark")])
      const { client, next } = yield* open(answer(both), { engine })
      const boolean = yield* listen(client.watchBoolean(on))
      const variant = yield* listen(client.watchVariant(theme))
      const step = (count: number) => Effect.zipRight(boolean.has(count), variant.has(count))
      yield* step(1)
      yield* next(answer(makeDocument([])))
      yield* step(2)
      yield* next(answer(makeDocument([booleanFlag("another", true)])))
      yield* turn
      yield* next(answer(swapped))
      yield* step(3)
      for (const message of ["one", "two", "three"]) {
        yield* next(Effect.fail(failure(message)))
        yield* turn
      }
      yield* step(4)
      yield* next(answer(both))
      yield* step(5)
      const shown = (it: Either.Either<{ readonly _tag: string }, { readonly reason: string }>) =>
        Either.match(it, { onLeft: (error) => error.reason, onRight: (value) => value._tag })
      expect(boolean.seen.map(shown)).toEqual(["Boolean", "FlagNotFound", "FlagType", "Unavailable", "Boolean"])
      expect(variant.seen.map(shown)).toEqual(["Variant", "FlagNotFound", "FlagType", "Unavailable", "Variant"])
    })
  )

  live(
    "emit NotReady once while nothing is loaded, and the error of an invalid request",
    Effect.gen(function* () {
      const { client, close, hub, next } = yield* open(away, { errorStrategy: "fallback" })
      const good = yield* listen(client.watchBoolean(on))
      const bad = yield* listen(client.watchVariant({ flagKey: "", entityId: "user-1" }))
      yield* Effect.zipRight(good.has(1), bad.has(1))
      yield* next(Effect.fail(failure("for another reason")))
      yield* turn
      yield* next(answer(onDocument(true)))
      yield* Effect.zipRight(good.has(2), bad.has(2))
      yield* next(answer(onDocument(false)))
      yield* good.has(3)
      expect(good.seen).toMatchObject([
        { left: { _tag: "EvaluationError", reason: "NotReady" } },
        { right: { enabled: true } },
        { right: { enabled: false } }
      ])
      expect(bad.seen).toMatchObject([
        { left: { _tag: "EvaluationError", reason: "NotReady" } },
        { left: { _tag: "ValidationError", path: "flagKey" } }
      ])
      yield* close
      expect(yield* Fiber.await(good.fiber)).toEqual(Exit.void)
      expect(yield* Fiber.await(bad.fiber)).toEqual(Exit.void)
      expect(listenersOf(hub)).toBe(0)
    })
  )

  live(
    "keep their value in an outage with strategy fallback, and give a slow listener the latest value",
    Effect.gen(function* () {
      const { client, next } = yield* open(answer(onDocument(true)), { errorStrategy: "fallback" })
      const pull = yield* listenSlowly(client.watchBoolean(on))
      expect(yield* pull).toMatchObject({ right: { enabled: true } })
      yield* next(answer(onDocument(false)))
      yield* next(answer(onDocument(true)))
      yield* next(away)
      const waiting = yield* Effect.fork(pull)
      yield* begun(waiting)
      yield* next(answer(onDocument(false)))
      expect(yield* Fiber.join(waiting)).toMatchObject({ right: { enabled: false } })
    })
  )

  live(
    "keep serving the others if a listener dies",
    Effect.gen(function* () {
      const { client, hub, next } = yield* open(answer(onDocument(true)))
      const good = yield* listen(client.watchBoolean(on))
      const dead = yield* Deferred.make<void>()
      yield* Effect.forkScoped(
        Stream.runForEach(client.watchBoolean(on), () => Effect.die("died")).pipe(
          Effect.ensuring(Deferred.succeed(dead, undefined))
        )
      )
      yield* Deferred.await(dead)
      yield* good.has(1)
      yield* next(answer(onDocument(false)))
      yield* good.has(2)
      expect(listenersOf(hub)).toBe(1)
    })
  )
})
