import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as Flag from "../src/Flag.js"
import * as FliptClient from "../src/FliptClient.js"
import { EvaluationError, FetchError, isFliptError } from "../src/FliptError.js"
import * as Status from "../src/Status.js"
import type { Strategy } from "./support/clients.js"
import { booleanFlag, makeDocument, variantFlag } from "./support/documents.js"
import { engines } from "./support/engines.js"
import { captured, type Line } from "./support/logs.js"
import * as Metrics from "./support/metrics.js"

const user = { entityId: "user-1" }

/** A server's document, or an error. */
interface Source {
  document: object | FetchError
}

const away = () => new FetchError({ reason: "Network", retryable: false, message: "away" })

/** A client whose document a test changes and then loads with `refresh`. */
const serving = (
  source: Source,
  engine: Layer.Layer<Engine.Engine> = Engine.layerPortable,
  errorStrategy: Strategy = "fail"
) =>
  FliptClient.layerWithoutDependencies({ errorStrategy }).pipe(
    Layer.provide([
      engine,
      Fetcher.layerEffect({
        fetch: () =>
          Effect.suspend(() =>
            source.document instanceof FetchError
              ? Effect.fail(source.document)
              : Effect.succeed(JSON.stringify(source.document))
          ),
        updateInterval: Number.POSITIVE_INFINITY
      })
    ])
  )

const refresh = Effect.flatMap(FliptClient.FliptClient, (client) => Effect.ignore(client.refresh))

const rule = (segment: string, variantKey: string, variantAttachment?: string) => ({
  segmentOperator: "OR_SEGMENT_OPERATOR",
  segments: [
    {
      key: segment,
      matchType: "ALL_SEGMENT_MATCH_TYPE",
      constraints: [{ type: "STRING_CONSTRAINT_COMPARISON_TYPE", property: "segment", operator: "eq", value: segment }]
    }
  ],
  distributions: [{ variantKey, variantAttachment, rollout: 100 }]
})

/** A variant flag with a rule for each segment, whose entities have its key in the property `segment`. */
const ruled = (key: string, rules: ReadonlyArray<object>, more: object = {}) => ({
  key,
  name: key,
  enabled: true,
  type: "VARIANT_FLAG_TYPE",
  rules,
  ...more
})

const inSegment = (segment: string) => ({ entityId: "user-1", context: { segment } })

const warnings = (lines: ReadonlyArray<Line>) =>
  lines.filter(({ level, message }) => level === "WARN" && message.includes("falls back to its default"))

/** How often a flag returned its default for this reason. */
const fallbacks = (flag: string, error: string) =>
  Effect.map(Metrics.find("flipt_client_fallbacks", { flag, error }), ([state]) => Number(state?.count ?? 0))

/** A Schema of strings that counts how often it decodes. */
const counting = () => {
  const counter = { decoded: 0 }
  const schema = Schema.Struct({
    accent: Schema.transform(Schema.String, Schema.String, {
      decode: (text) => {
        counter.decoded++
        return text.toUpperCase()
      },
      encode: (text) => text.toLowerCase()
    })
  })
  return { counter, schema }
}

const Theme = Flag.variant("theme", ["light", "dark"], { default: "light" })
const Accent = Flag.json("theme", Schema.Struct({ accent: Schema.String }), { default: { accent: "none" } })
const On = Flag.boolean("on", { default: false })

describe("a declaration", () => {
  it("has its key, its default and, if known, its values", () => {
    expect(On.key).toBe("on")
    expect(On.default).toBe(false)
    expect(On.values).toEqual([true, false])
    expect(Theme.values).toEqual(["light", "dark"])
    expect(Accent.default).toEqual({ accent: "none" })
    expect("values" in Accent).toBe(false)
    expect([On, Theme, Accent].every(Object.isFrozen)).toBe(true)
    expect([On, Theme, Accent].every(Flag.isFlag)).toBe(true)
    expect(Flag.isFlag({ key: "on" })).toBe(false)
  })

  it("keeps its variants even if the list is modified", () => {
    const variants: [string, ...Array<string>] = ["light"]
    const flag = Flag.variant("theme", variants, { default: "light" })
    variants.push("dark")
    expect(flag.values).toEqual(["light"])
  })
})

describe.each(engines)("a typed flag, on the %s engine", (_, engine) => {
  it.effect("returns Flipt's result from get, detail, read and watch", () =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      const snapshot = yield* client.snapshot
      const head = <A>(flag: Flag.Flag<A>) => Effect.map(Stream.runHead(flag.watch(user)), Option.getOrThrow)
      const all = <A>(flag: Flag.Flag<A>) =>
        Effect.all([flag.get(user), head(flag), Effect.sync(() => flag.read(snapshot, user))])
      expect(yield* all(On)).toEqual([true, true, true])
      expect(yield* all(Theme)).toEqual(["dark", "dark", "dark"])
      expect(yield* all(Accent)).toEqual([{ accent: "teal" }, { accent: "teal" }, { accent: "teal" }])
      expect(yield* On.detail(user)).toEqual({
        value: true,
        reason: "DEFAULT_EVALUATION_REASON",
        variant: undefined,
        error: undefined
      })
      expect(yield* Accent.detail(user)).toEqual({
        value: { accent: "teal" },
        reason: "MATCH_EVALUATION_REASON",
        variant: "dark",
        error: undefined
      })
    }).pipe(
      Effect.scoped,
      Effect.provide(
        serving(
          { document: makeDocument([booleanFlag("on", true), variantFlag("theme", "dark", '{"accent":"teal"}')]) },
          engine
        )
      )
    )
  )

  it.effect("decodes an attachment once per variant, for all rules and methods", () => {
    const { counter, schema } = counting()
    const flag = Flag.json("theme", schema, { default: { accent: "none" } })
    const dark = '{"accent":"teal"}'
    const source: Source = {
      document: makeDocument([
        ruled("theme", [rule("a", "dark", dark), rule("b", "dark", dark), rule("c", "light", '{"accent":"navy"}')])
      ])
    }
    return Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      const snapshot = yield* client.snapshot
      const first = yield* flag.get(inSegment("a"))
      expect(first).toEqual({ accent: "TEAL" })
      for (const segment of ["a", "b", "a"]) {
        expect(yield* flag.get(inSegment(segment))).toBe(first)
        expect((yield* flag.detail(inSegment(segment))).value).toBe(first)
        expect(flag.read(snapshot, inSegment(segment))).toBe(first)
      }
      expect(counter.decoded).toBe(1)
      expect(yield* flag.get(inSegment("c"))).toEqual({ accent: "NAVY" })
      yield* flag.get(inSegment("c"))
      expect(counter.decoded).toBe(2)
      const detail = yield* flag.detail(inSegment("a"))
      expect(yield* flag.detail(inSegment("a"))).toBe(detail)
      expect(Object.isFrozen(detail)).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(serving(source, engine)))
  })

  it.effect("logs a problem once per state, counts it each time, and returns it from detail", () =>
    captured((lines) => {
      const key = `theme-${engine === engines[0]![1] ? "first" : "second"}`
      const flag = Flag.variant(key, ["light", "dark"], { default: "light" })
      const rules = [rule("a", "pink"), rule("b", "pink"), rule("c", "brown")]
      const source: Source = { document: makeDocument([ruled(key, rules)]) }
      return Effect.gen(function* () {
        const ask = Effect.forEach(["a", "b", "c", "a"], (segment) => flag.get(inSegment(segment)))
        expect(yield* ask).toEqual(["light", "light", "light", "light"])
        yield* ask
        expect(warnings(lines).map(({ message }) => message)).toEqual([
          expect.stringContaining(`flag ${key} falls back to its default: the variant "pink" of flag ${key}`),
          expect.stringMatching(/"brown" of flag .* is not one of the declared variants: "light", "dark"/)
        ])
        expect(yield* fallbacks(key, "Variant")).toBe(8)
        source.document = makeDocument([ruled(key, rules, { description: "new" })])
        yield* refresh
        yield* ask
        yield* ask
        expect(warnings(lines)).toHaveLength(4)
        expect(yield* flag.detail(inSegment("a"))).toEqual({
          value: "light",
          reason: "FALLBACK",
          variant: "pink",
          error: expect.objectContaining({ _tag: "DecodeError", reason: "Variant", flagKey: key, variantKey: "pink" })
        })
        expect(isFliptError((yield* flag.detail(inSegment("a"))).error)).toBe(true)
      }).pipe(Effect.provide(serving(source, engine)))
    })
  )

  it.effect("logs a missing flag once per state", () =>
    captured((lines) => {
      const source: Source = { document: makeDocument([]) }
      return Effect.gen(function* () {
        yield* Effect.all([On.get(user), On.get(user), On.get({ entityId: "user-2" })])
        expect(warnings(lines)).toHaveLength(1)
        source.document = makeDocument([booleanFlag("other", true)])
        yield* refresh
        yield* Effect.all([On.get(user), On.get(user)])
        expect(warnings(lines)).toHaveLength(2)
      }).pipe(Effect.provide(serving(source, engine)))
    })
  )

  it.effect("watch emits every later value, and consecutive equal ones once", () =>
    Effect.gen(function* () {
      const source: Source = { document: {} }
      const put = (attachment: string) => {
        source.document = makeDocument([variantFlag("theme", "dark", attachment)])
      }
      put('{"accent":"teal"}')
      yield* Effect.gen(function* () {
        const queue = yield* Queue.unbounded<unknown>()
        yield* Effect.forkScoped(Stream.runForEach(Accent.watch(user), (value) => Queue.offer(queue, value)))
        expect(yield* Queue.take(queue)).toEqual({ accent: "teal" })
        put('{ "accent": "teal", "other": 1 }')
        yield* refresh
        put("[")
        yield* refresh
        expect(yield* Queue.take(queue)).toEqual({ accent: "none" })
        put("{}")
        yield* refresh
        put('{"accent":"navy"}')
        yield* refresh
        expect(yield* Queue.take(queue)).toEqual({ accent: "navy" })
      }).pipe(Effect.scoped, Effect.provide(serving(source, engine)))
    })
  )

  it.effect("validate reports all differences, for every variant that the flag can return", () =>
    Effect.gen(function* () {
      const size = Flag.json("size", Schema.Struct({ max: Schema.Int }), { default: { max: 1 } })
      const differences = yield* Flag.validate([
        Flag.boolean("here", { default: false }),
        Flag.boolean("gone", { default: false }),
        Flag.boolean("theme", { default: false }),
        Flag.variant("here", ["a"], { default: "a" }),
        Flag.json("here", Schema.String, { default: "" }),
        Flag.boolean(" ", { default: false }),
        Theme,
        size
      ])
      expect(differences.map(({ flag, reason }) => [flag, reason])).toEqual([
        ["gone", "Missing"],
        ["theme", "Type"],
        ["here", "Type"],
        ["here", "Type"],
        [" ", "Missing"],
        ["theme", "Variant"],
        ["theme", "Variant"],
        ["size", "Attachment"],
        ["size", "Attachment"],
        ["size", "Attachment"]
      ])
      expect(differences.map(({ message }) => message)).toEqual([
        "there is no flag gone",
        "flag theme is a variant flag, but is declared with Flag.boolean",
        "flag here is a boolean flag, but is declared with Flag.variant",
        "flag here is a boolean flag, but is declared with Flag.json",
        "no flag can have this key: flagKey cannot be empty",
        expect.stringContaining('"plain"'),
        expect.stringContaining('"pink"'),
        expect.stringMatching(/the variant "half".*Expected an integer/),
        expect.stringContaining('the variant "broken" of flag size does not decode'),
        expect.stringMatching(/the variant "good".*Expected number/)
      ])
    }).pipe(
      Effect.provide(
        serving(
          {
            document: makeDocument([
              booleanFlag("here", true),
              ruled("theme", [rule("a", "dark"), rule("b", "pink"), rule("c", "pink")], {
                enabled: false,
                defaultVariant: { id: "1", key: "plain" }
              }),
              ruled("size", [
                rule("a", "half", '{"max":1.5}'),
                rule("b", "broken", "{"),
                rule("c", "none"),
                rule("d", "null", "null"),
                rule("g", "good", '{"max":"3"}'),
                rule("e", "good", '{"max":2}'),
                { ...rule("f", "never"), distributions: [{ variantKey: "x", variantAttachment: "{", rollout: 0 }] }
              ])
            ])
          },
          engine
        )
      )
    )
  )
})

describe("without an error", () => {
  const details = (document: object) =>
    Effect.all([Theme.detail(user), Accent.detail(user)]).pipe(Effect.provide(serving({ document })))

  it.effect("the value is the default if no rule matches and there is no default variant", () =>
    Effect.map(details(makeDocument([ruled("theme", [])])), ([theme, accent]) => {
      expect(theme).toEqual({
        value: "light",
        reason: "UNKNOWN_EVALUATION_REASON",
        variant: undefined,
        error: undefined
      })
      expect(accent).toEqual({ ...theme, value: { accent: "none" } })
    })
  )

  it.effect("a default variant takes precedence over the default, also for a disabled flag", () =>
    Effect.gen(function* () {
      const defaultVariant = { id: "1", key: "dark", attachment: '{"accent":"teal"}' }
      for (const enabled of [true, false]) {
        const [theme, accent] = yield* details(makeDocument([ruled("theme", [], { enabled, defaultVariant })]))
        expect(theme).toMatchObject({
          value: "dark",
          reason: enabled ? "DEFAULT_EVALUATION_REASON" : "FLAG_DISABLED_EVALUATION_REASON"
        })
        expect(accent.value).toEqual({ accent: "teal" })
      }
    })
  )

  it.effect.each([undefined, "", "null"])(
    "an attachment of %j counts as absent and returns the default",
    (attachment) =>
      Effect.map(
        details(makeDocument([ruled("theme", [], { defaultVariant: { id: "1", key: "dark", attachment } })])),
        (it) =>
          expect(it[1]).toEqual({
            value: { accent: "none" },
            reason: "DEFAULT_EVALUATION_REASON",
            variant: "dark",
            error: undefined
          })
      )
  )
})

describe("the entity", () => {
  const Pro = Flag.boolean("pro", { default: false })
  const flags = { pro: (request: { readonly context?: object | undefined }) => "plan" in (request.context ?? {}) }

  it.effect("comes from the context if none is passed", () =>
    Effect.gen(function* () {
      expect(yield* Pro.get()).toBe(true)
      expect((yield* Pro.detail()).value).toBe(true)
      expect(yield* Pro.get(user)).toBe(false)
      expect((yield* Pro.detail(user)).value).toBe(false)
    }).pipe(
      Effect.provideService(Flag.Entity, { entityId: "user-1", context: { plan: "pro" } }),
      Effect.provide(FliptClient.layerMock(flags))
    )
  )
})

describe("a problem", () => {
  it.effect("with the type of the flag appears in detail and in the counter", () =>
    Effect.gen(function* () {
      const flag = Flag.boolean("typed", { default: true })
      expect(yield* flag.detail(user)).toMatchObject({
        value: true,
        reason: "FALLBACK",
        variant: undefined,
        error: { _tag: "EvaluationError", reason: "FlagType" }
      })
      expect(yield* fallbacks("typed", "FlagType")).toBe(1)
    }).pipe(Effect.provide(serving({ document: makeDocument([variantFlag("typed", "a")]) })))
  )

  it.effect.each([
    ["no JSON", "{", Schema.Unknown, /JSON/],
    [
      "of another shape",
      '{"accent":1}',
      Schema.Struct({ accent: Schema.String }),
      /^(?=.*Expected string).*\["accent"\]/
    ],
    [
      "for a Schema that waits",
      '"a"',
      Schema.transformOrFail(Schema.String, Schema.String, {
        decode: (text) => Effect.promise(() => Promise.resolve(text)),
        encode: (text) => Effect.succeed(text)
      }),
      /synchronously|asynchronous/
    ],
    [
      "for a Schema that throws",
      '"a"',
      Schema.transform(Schema.String, Schema.String, {
        decode: () => {
          throw new Error("thrown by the Schema")
        },
        encode: (text) => text
      }),
      /thrown by the Schema/
    ]
  ] as const)("with an attachment that is %s is a DecodeError", ([_, attachment, schema, message]) =>
    Effect.gen(function* () {
      const flag = Flag.json("json", schema as Schema.Schema<unknown, unknown>, { default: "default" })
      const { error, value, variant } = yield* flag.detail(user)
      expect(value).toBe("default")
      expect(variant).toBe("dark")
      expect(error).toMatchObject({ _tag: "DecodeError", reason: "Attachment", flagKey: "json", variantKey: "dark" })
      expect(error?.message).toMatch(message)
    }).pipe(Effect.provide(serving({ document: makeDocument([variantFlag("json", "dark", attachment)]) })))
  )

  it.effect.each(["", "x"])("with a long attachment has a short message without a split character (%j)", (start) =>
    Effect.gen(function* () {
      const flag = Flag.json("theme", Schema.Record({ key: Schema.String, value: Schema.String }), { default: {} })
      const { error } = yield* flag.detail(user)
      expect(error?.message).toMatch(/(?:😀|\ufffd)…$/u)
      expect(error?.message.length).toBeLessThan(700)
      expect(error?.message.isWellFormed()).toBe(true)
    }).pipe(
      Effect.provide(
        serving({
          document: makeDocument([
            variantFlag("theme", "dark", JSON.stringify({ [`${start}${"😀".repeat(100_000)}`]: 1 }))
          ])
        })
      )
    )
  )

  it.effect("with requests is logged once per kind, and costs no memory per request", () =>
    captured((lines) =>
      Effect.gen(function* () {
        for (let i = 0; i < 300; i++) {
          expect(yield* On.get({ entityId: "" })).toBe(false)
          expect(yield* On.get({ entityId: "a", context: { [`key-${i}`]: Number.NaN } })).toBe(false)
        }
        expect(warnings(lines).map(({ message }) => message)).toEqual([
          expect.stringContaining("entityId cannot be empty"),
          expect.stringContaining('property "key-0"')
        ])
        expect((yield* On.detail({ entityId: "" })).error).toMatchObject({ _tag: "ValidationError", path: "entityId" })
      }).pipe(Effect.provide(serving({ document: makeDocument([booleanFlag("on", true)]) })))
    )
  )

  it.effect("with requests is logged once, even if many of them pin the client", () =>
    captured((lines) =>
      Effect.gen(function* () {
        for (let i = 0; i < 3; i++) {
          expect(yield* FliptClient.withPinned(On.get({ entityId: "" }))).toBe(false)
        }
        expect(yield* On.get({ entityId: "" })).toBe(false)
        expect(warnings(lines)).toHaveLength(1)
      }).pipe(Effect.provide(serving({ document: makeDocument([booleanFlag("on", true)]) })))
    )
  )

  it.effect("with an empty key in a declaration is reported like others", () =>
    Effect.gen(function* () {
      const { error, value } = yield* Flag.boolean("", { default: true }).detail(user)
      expect(value).toBe(true)
      expect(error).toMatchObject({ _tag: "ValidationError", path: "flagKey" })
    }).pipe(Effect.provide(serving({ document: makeDocument([]) })))
  )

  it.effect("with the state is logged once per outage", () =>
    captured((lines) => {
      const source: Source = { document: makeDocument([booleanFlag("on", true)]) }
      const good = source.document
      return Effect.gen(function* () {
        expect(yield* On.get(user)).toBe(true)
        for (let outage = 1; outage <= 2; outage++) {
          for (let attempt = 0; attempt < 3; attempt++) {
            source.document = away()
            yield* refresh
            expect(yield* On.get(user)).toBe(false)
            expect(warnings(lines)).toHaveLength(outage)
          }
          source.document = good
          yield* refresh
          expect(yield* On.get(user)).toBe(true)
          yield* TestClock.adjust("1 minute")
        }
        expect(warnings(lines)[0]?.message).toContain("could not be updated: away")
      }).pipe(Effect.provide(serving(source)))
    })
  )

  it.effect("before the first state returns the default, and ends with that state", () => {
    const source: Source = { document: away() }
    return Effect.gen(function* () {
      expect((yield* On.detail(user)).error).toMatchObject({ reason: "NotReady" })
      source.document = makeDocument([booleanFlag("on", true)])
      yield* refresh
      expect((yield* On.detail(user)).error).toBeUndefined()
      expect(yield* On.get(user)).toBe(true)
    }).pipe(Effect.provide(serving(source, Engine.layerPortable, "fallback")))
  })

  it.effect("is remembered up to a bound: after that it is decoded and logged again", () =>
    captured((lines) => {
      const { counter, schema } = counting()
      const count = 300
      const ids = Array.from({ length: count }, (_, id) => ({ entityId: `user-${id}` }))
      const accent = Flag.json("accent", schema, { default: { accent: "none" } })
      const layer = FliptClient.layerMock({
        theme: ({ entityId }) => `of-${entityId}`,
        accent: ({ entityId }) => ({ variant: "a", attachment: { accent: entityId } })
      })
      return Effect.gen(function* () {
        for (const id of [...ids, ids[count - 1]!, ids[0]!]) {
          expect(yield* Theme.get(id)).toBe("light")
          expect(yield* accent.get(id)).toEqual({ accent: id.entityId.toUpperCase() })
        }
        expect(counter.decoded).toBe(count + 1)
        expect(warnings(lines)).toHaveLength(count + 1)
      }).pipe(Effect.provide(layer))
    })
  )

  it.effect("is remembered up to a total length, so that long attachments of replaced states do not accumulate", () => {
    const { counter, schema } = counting()
    const accent = Flag.json("accent", schema, { default: { accent: "none" } })
    const ask = (entityId: string) => Effect.map(accent.get({ entityId }), (value) => value.accent[0])
    return Effect.gen(function* () {
      expect(yield* Effect.forEach(["a", "a", "b", "b", "a"], ask)).toEqual(["A", "A", "B", "B", "A"])
      expect(counter.decoded).toBe(3)
    }).pipe(
      Effect.provide(
        FliptClient.layerMock({
          accent: ({ entityId }) => ({ variant: "long", attachment: { accent: entityId.repeat(3_000_000) } })
        })
      )
    )
  })

  it.effect("in one namespace is logged by each client that encounters it", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const one = yield* Layer.build(serving({ document: makeDocument([]) }))
        const other = yield* Layer.build(serving({ document: makeDocument([]) }))
        for (const context of [one, other, one, other]) {
          yield* Effect.provide(On.get(user), context)
        }
        expect(warnings(lines)).toHaveLength(2)
      }).pipe(Effect.scoped)
    )
  )

  it.effect("is reported for a stub client with a single function", () =>
    captured((lines) =>
      Effect.gen(function* () {
        expect(yield* On.get(user)).toBe(false)
        expect(warnings(lines)).toHaveLength(1)
      }).pipe(
        Effect.provide(
          Layer.mock(FliptClient.FliptClient, {
            evaluateBoolean: () => Effect.fail(new EvaluationError({ reason: "Unavailable", message: "made up" }))
          })
        )
      )
    )
  )
})

describe("a repeated error", () => {
  it.effect("is examined once", () => {
    let asked = 0
    const error = new EvaluationError({ reason: "FlagNotFound", message: "gone" })
    return Effect.gen(function* () {
      yield* Effect.all([On.get(user), On.get(user), On.detail(user)])
      expect(asked).toBe(1)
    }).pipe(
      Effect.provide(
        Layer.mock(FliptClient.FliptClient, {
          evaluateBoolean: () => Effect.fail(error),
          status: Effect.sync(() => {
            asked++
            return Status.Ready({
              version: "1",
              confirmedAt: undefined,
              origin: "server",
              engine: "portable",
              mode: "polling",
              connected: true
            })
          })
        })
      )
    )
  })
})

describe("read", () => {
  const source = () => ({ document: makeDocument([variantFlag("theme", "pink")]) })

  it.effect("logs in the calling fiber, once per Snapshot", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const client = yield* FliptClient.FliptClient
        const snapshot = yield* client.snapshot
        expect(Theme.read(snapshot, user)).toBe("light")
        expect(Theme.read(snapshot, user)).toBe("light")
        expect(On.read(snapshot, user)).toBe(false)
        expect(On.read(snapshot, user)).toBe(false)
        expect(warnings(lines).map(({ message }) => message)).toEqual([
          expect.stringContaining("theme falls back to its default"),
          expect.stringContaining("on falls back to its default")
        ])
        expect(warnings(lines)[0]?.message).toContain("request,r-1")
      }).pipe(Effect.annotateLogs("request", "r-1"), Effect.scoped, Effect.provide(serving(source())))
    )
  )

  it.live("counts outside of a fiber, and leaves the logging to the next call in one", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const flag = Flag.variant("theme", ["light"], { default: "light" })
        const client = yield* FliptClient.FliptClient
        const snapshot = yield* client.snapshot
        const before = yield* fallbacks("theme", "Variant")
        yield* Effect.promise(() => Promise.resolve().then(() => expect(flag.read(snapshot, user)).toBe("light")))
        expect(yield* fallbacks("theme", "Variant")).toBe(before + 1)
        expect(warnings(lines)).toEqual([])
        yield* flag.get(user)
        expect(warnings(lines)).toHaveLength(1)
      }).pipe(Effect.scoped, Effect.provide(serving(source())))
    )
  )

  it.effect("returns the default for a closed Snapshot, and counts it", () => {
    const state: Source = { document: makeDocument([booleanFlag("closed", false)]) }
    return Effect.gen(function* () {
      const flag = Flag.boolean("closed", { default: true })
      const client = yield* FliptClient.FliptClient
      const snapshot = yield* Effect.scoped(client.snapshot)
      expect(flag.read(snapshot, user)).toBe(false)
      state.document = makeDocument([])
      yield* refresh
      expect(flag.read(snapshot, user)).toBe(true)
      expect(yield* fallbacks("closed", "Closed")).toBe(1)
    }).pipe(Effect.provide(serving(state)))
  })
})

describe("watch", () => {
  it.effect("emits the default while there is an error, logs it, and ends with the client", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const source: Source = { document: makeDocument([]) }
        const values = yield* Effect.scoped(
          Effect.gen(function* () {
            const client = yield* Layer.build(serving(source))
            const queue = yield* Queue.unbounded<boolean>()
            const fiber = yield* Effect.forkDaemon(
              Stream.runCollect(Stream.tap(On.watch(user), (value) => Queue.offer(queue, value))).pipe(
                Effect.provide(client)
              )
            )
            expect(yield* Queue.take(queue)).toBe(false)
            source.document = makeDocument([booleanFlag("on", true)])
            yield* Effect.provide(refresh, client)
            expect(yield* Queue.take(queue)).toBe(true)
            return fiber
          })
        ).pipe(Effect.flatMap(Fiber.join))
        expect(Chunk.toReadonlyArray(values).slice(0, 2)).toEqual([false, true])
        expect(warnings(lines).length).toBeGreaterThanOrEqual(1)
      })
    )
  )
})

describe("validate", () => {
  it.effect("reports every flag as unchecked if there is no state", () =>
    Effect.gen(function* () {
      expect(yield* Flag.validate([On, Theme])).toEqual([
        { flag: "on", reason: "Unchecked", message: expect.stringContaining("nothing could be loaded yet: away") },
        { flag: "theme", reason: "Unchecked", message: expect.any(String) }
      ])
    }).pipe(Effect.provide(serving({ document: away() }, Engine.layerPortable, "fallback")))
  )

  const build = (options: Parameters<typeof Flag.layerValidate>[1], document: object, strategy: Strategy = "fail") =>
    Layer.build(
      Flag.layerValidate([On, Theme], options).pipe(
        Layer.provide(serving({ document: document as Source["document"] }, Engine.layerPortable, strategy))
      )
    ).pipe(Effect.scoped)

  it.effect("as a layer logs one warning with all differences, or fails with them", () =>
    captured((lines) =>
      Effect.gen(function* () {
        yield* build(undefined, makeDocument([variantFlag("theme", "pink")]))
        const told = lines.filter(({ level }) => level === "WARN")
        expect(told).toHaveLength(1)
        expect(told[0]?.message).toContain('there is no flag on; the variant "pink" of flag theme')
        expect(yield* Effect.flip(build({ onMismatch: "fail" }, makeDocument([])))).toMatchObject({
          _tag: "ValidationError",
          reason: "Flag",
          path: "flags",
          message: expect.stringContaining("there is no flag on; there is no flag theme")
        })
        expect(lines.filter(({ level }) => level === "WARN")).toHaveLength(1)
      })
    )
  )

  it.effect("as a layer logs nothing if there is no difference", () =>
    captured((lines) =>
      Effect.gen(function* () {
        yield* build({ onMismatch: "fail" }, makeDocument([booleanFlag("on", true), variantFlag("theme", "dark")]))
        expect(lines.filter(({ level }) => level === "WARN")).toEqual([])
      })
    )
  )

  it.effect("as a layer lets a service without a state start, with a warning", () =>
    captured((lines) =>
      Effect.gen(function* () {
        yield* build({ onMismatch: "fail" }, away(), "fallback")
        expect(
          lines.filter(({ message }) => message.includes("the declared flags could not be compared with the state"))
        ).toHaveLength(1)
      })
    )
  )
})
