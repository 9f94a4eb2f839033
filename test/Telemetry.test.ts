/**
 * Telemetry: events that follow OpenTelemetry's conventions, and metrics.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import { FetchError } from "../src/FliptError.js"
import * as Hook from "../src/Hook.js"
import * as Telemetry from "../src/Telemetry.js"
import { on } from "./support/clients.js"
import { booleanFlag, makeDocument, variantFlag } from "./support/documents.js"
import * as FliptServer from "./support/FliptServer.js"
import * as Handed from "./support/handed.js"
import { captured } from "./support/logs.js"
import * as Metrics from "./support/metrics.js"

const everyone = { key: "everyone", matchType: "ALL_SEGMENT_MATCH_TYPE", constraints: [] }

const flags = [
  booleanFlag("on", true),
  { ...booleanFlag("share", false), rollouts: [{ threshold: { percentage: 100, value: true } }] },
  {
    ...booleanFlag("segment", false),
    rollouts: [{ segment: { value: true, segmentOperator: "OR_SEGMENT_OPERATOR", segments: [everyone] } }]
  },
  variantFlag("theme", "dark", '{"secret":"attachment"}'),
  { ...variantFlag("off", "dark"), enabled: false },
  { ...variantFlag("nobody", "dark"), rules: [] },
  { ...variantFlag("default", "dark"), rules: [], defaultVariant: { id: "1", key: "light" } }
]

const documentFor = ({ namespace }: Fetcher.Source) => ({ ...makeDocument(flags, namespace), digest: "d1" })

const over = (options: Telemetry.Options | undefined, handed: Partial<Handed.Options> = {}) => {
  const source = (handed.source ?? Metrics.ownSource()) as Fetcher.Source
  return Handed.make({ first: documentFor(source), ...handed, source }).pipe(
    Effect.provide(Telemetry.layer(options)),
    Effect.map((made) => ({ ...made, source }))
  )
}

type SpanEvent = readonly [name: string, time: bigint, attributes: Record<string, unknown>]

/** Runs an effect in a span, and returns the span's events. */
const eventsOf = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<ReadonlyArray<SpanEvent>, never, R> =>
  Effect.gen(function* () {
    const span = yield* Effect.currentSpan
    yield* Effect.exit(effect)
    return (span as unknown as { readonly events: ReadonlyArray<SpanEvent> }).events
  }).pipe(Effect.withSpan("request"), Effect.orDie) as Effect.Effect<ReadonlyArray<SpanEvent>, never, R>

const attributesOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(eventsOf(effect), (events) => events.map(([, , attributes]) => attributes))

const ask = (flagKey: string) => ({ flagKey, entityId: "user-1", context: { plan: "pro", email: "a@example.org" } })

const outage = (reason: FetchError["reason"]) => new FetchError({ reason, retryable: false, message: "no way" })

describe("events on spans", () => {
  it.scoped("have the names, the time and the attributes of the conventions", () =>
    Effect.gen(function* () {
      const { client, source } = yield* over(undefined)
      yield* TestClock.setTime(17_000)
      expect(yield* eventsOf(client.evaluateVariant(ask("theme")))).toEqual([
        [
          "feature_flag.evaluation",
          17_000_000_000n,
          {
            "feature_flag.key": "theme",
            "feature_flag.result.variant": "dark",
            "feature_flag.result.reason": "targeting_match",
            "feature_flag.provider.name": "Flipt",
            "feature_flag.set.id": `default/${source.namespace}`,
            "feature_flag.version": "d1"
          }
        ]
      ])
      const [boolean] = yield* attributesOf(client.evaluateBoolean(ask("on")))
      expect(boolean).toMatchObject({ "feature_flag.result.value": true, "feature_flag.result.reason": "default" })
      expect(boolean).not.toHaveProperty(["feature_flag.result.variant"])
    })
  )

  it.scoped("can have every reason", () =>
    Effect.gen(function* () {
      const { client } = yield* over(undefined)
      const reasons = yield* attributesOf(
        client.evaluateBatch(["on", "share", "segment", "theme", "off", "nobody", "default", "nope"].map(ask))
      )
      expect(reasons.map((it) => [it["feature_flag.key"], it["feature_flag.result.reason"]])).toEqual([
        ["on", "default"],
        ["share", "split"],
        ["segment", "targeting_match"],
        ["theme", "targeting_match"],
        ["off", "disabled"],
        ["nobody", "unknown"],
        ["default", "default"],
        ["nope", "error"]
      ])
      expect(reasons[5]).not.toHaveProperty(["feature_flag.result.variant"])
      expect(reasons[6]).toMatchObject({ "feature_flag.result.variant": "light" })
    })
  )

  it.scoped("have the type of an error, and nothing else of it", () =>
    captured(() =>
      Effect.gen(function* () {
        const { client, put } = yield* over(undefined, { strategy: "fail" })
        const typeOf = <A, E>(effect: Effect.Effect<A, E>) =>
          Effect.map(attributesOf(effect), (events) => events.map((it) => it["error.type"]))
        const [notFound] = yield* attributesOf(client.evaluateBoolean(ask("nope")))
        expect(Object.keys(notFound!).sort()).toEqual([
          "error.type",
          "feature_flag.key",
          "feature_flag.provider.name",
          "feature_flag.result.reason",
          "feature_flag.set.id",
          "feature_flag.version"
        ])
        expect(notFound).toMatchObject({ "feature_flag.key": "nope", "feature_flag.result.reason": "error" })
        expect([
          ...(yield* typeOf(client.evaluateBoolean(ask("nope")))),
          ...(yield* typeOf(client.evaluateBoolean(ask("theme")))),
          ...(yield* typeOf(client.evaluateBoolean({ ...on, entityId: "" }))),
          ...(yield* typeOf(client.evaluateBoolean({ ...on, context: { a: {} } as never }))),
          ...(yield* typeOf(client.evaluateBoolean({ ...on, flagKey: "" }))),
          ...(yield* typeOf(client.evaluateBoolean(null as never))),
          ...(yield* typeOf(client.evaluateBatch([on, { ...on, context: [] as never }])))
        ]).toEqual([
          "flag_not_found",
          "type_mismatch",
          "targeting_key_missing",
          "invalid_context",
          "general",
          "general",
          "invalid_context",
          "invalid_context"
        ])
        yield* put(outage("Network"))
        yield* Effect.exit(client.refresh)
        const [away] = yield* attributesOf(client.evaluateBoolean(on))
        expect(away).toMatchObject({ "feature_flag.key": "on", "error.type": "general" })
        expect(away).not.toHaveProperty(["feature_flag.version"])
        const empty = yield* over(undefined, { first: outage("Network") })
        expect(yield* typeOf(empty.client.evaluateBoolean(on))).toEqual(["provider_not_ready"])
      })
    )
  )

  it.scoped("have the version of the evaluated state", () =>
    Effect.gen(function* () {
      const { client, put, source } = yield* over(undefined)
      const pinned = yield* client.pinned
      yield* put({ ...documentFor(source), digest: "d2" })
      yield* client.refresh
      const versions = yield* attributesOf(
        Effect.all([client.evaluateBoolean(on), pinned.evaluateBoolean(on), client.evaluateBoolean(on)])
      )
      expect(versions.map((it) => it["feature_flag.version"])).toEqual(["d2", "d1", "d2"])
    })
  )

  it.scoped("have the version even if an engine returns the same result for two states", () =>
    Effect.gen(function* () {
      let compiled = 0
      const result = { _tag: "Boolean", enabled: true, flagKey: "on", segmentKeys: [] } as const
      const shared = Either.right({ ...result, reason: "DEFAULT_EVALUATION_REASON" } as const)
      const engine = Layer.map(Engine.layerPortable, (context) => {
        const portable = Context.get(context, Engine.Engine)
        return Context.make(Engine.Engine, {
          ...portable,
          compile: (namespace, bytes) =>
            Effect.map(portable.compile(namespace, bytes), (snapshot) => ({
              ...snapshot,
              digest: `d${++compiled}`,
              boolean: () => shared
            }))
        })
      })
      const { client } = yield* over(undefined, { engine })
      const pinned = yield* client.pinned
      yield* client.refresh
      const versions = yield* attributesOf(Effect.all([pinned.evaluateBoolean(on), client.evaluateBoolean(on)]))
      expect(versions.map((it) => it["feature_flag.version"])).toEqual(["d1", "d2"])
    })
  )

  it.scoped("never contain a context, an attachment or an entity unless configured", () =>
    Effect.gen(function* () {
      const { client } = yield* over(undefined)
      const told = yield* attributesOf(
        Effect.all([
          client.evaluateVariant(ask("theme")),
          Effect.exit(client.evaluateVariant(ask("nope"))),
          Effect.exit(client.evaluateVariant({ ...ask("theme"), context: { email: { at: "a@example.org" } } as never }))
        ])
      )
      expect(told).toHaveLength(3)
      expect(JSON.stringify(told)).not.toMatch(/example|plan|pro\b|email|user-1|secret/)
    })
  )

  it.scoped("contain the entity or a hash of it if configured", () =>
    Effect.gen(function* () {
      const included = yield* over({ entityId: "include" })
      const hashed = yield* over({ entityId: "hash" })
      const ids = (client: FliptClient.Service, entityId: string) =>
        Effect.map(attributesOf(client.evaluateBoolean({ ...on, entityId })), ([it]) => it?.["feature_flag.context.id"])
      expect(yield* ids(included.client, "user-1")).toBe("user-1")
      const one = yield* ids(hashed.client, "user-1")
      expect(one).toMatch(/^[0-9a-f]{16}$/)
      expect(yield* ids(hashed.client, "user-1")).toBe(one)
      expect(yield* ids(hashed.client, "user-2")).not.toBe(one)
    })
  )

  it.scoped("break no evaluation of an invalid request, which is not validated without a state", () =>
    Effect.gen(function* () {
      for (const events of ["span", "log", "none"] as const) {
        const { client } = yield* over({ events, entityId: "include" }, { first: outage("Network") })
        const fails = {
          get flagKey(): string {
            throw new Error("no key")
          },
          get entityId(): string {
            throw new Error("no id")
          }
        }
        for (const request of [fails, { flagKey: 1, entityId: 2 }, null]) {
          const asked = client.evaluateBoolean(request as never).pipe(Effect.withSpan("request"))
          expect(yield* Effect.flip(asked), events).toMatchObject({ _tag: "EvaluationError", reason: "NotReady" })
        }
      }
    })
  )

  it.scoped("are at most 128 per span, and continue in the next span", () =>
    Effect.gen(function* () {
      const { client } = yield* over(undefined)
      const loop = Effect.repeatN(client.evaluateBoolean(on), 199)
      expect(yield* eventsOf(loop)).toHaveLength(128)
      expect(yield* eventsOf(loop)).toHaveLength(128)
    })
  )

  it.scoped("are added only to sampled spans of this process", () =>
    Effect.gen(function* () {
      const { client } = yield* over(undefined)
      const external = Tracer.externalSpan({ traceId: "1", spanId: "2" })
      yield* captured((lines) =>
        Effect.gen(function* () {
          expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
          expect((yield* Effect.withParentSpan(client.evaluateBoolean(on), external)).enabled).toBe(true)
          expect(lines).toEqual([])
        })
      )
      let told = 0
      const tracer = (sampled: boolean) =>
        Tracer.make({
          context: (run) => run(),
          span: (name, parent, context, links, startTime, kind) => ({
            _tag: "Span",
            name,
            spanId: "1",
            traceId: "2",
            parent,
            context,
            links,
            sampled,
            status: { _tag: "Started", startTime },
            attributes: new Map(),
            kind,
            addLinks: () => {},
            attribute: () => {},
            end: () => {},
            event: () => {
              told++
            }
          })
        })
      const inSpan = (sampled: boolean) =>
        client.evaluateBoolean(on).pipe(Effect.withSpan("request"), Effect.withTracer(tracer(sampled)))
      yield* inSpan(false)
      expect(told).toBe(0)
      yield* inSpan(true)
      expect(told).toBe(1)
    })
  )

  it.scoped("that a span rejects break no evaluation and cause one warning", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const { client } = yield* over(undefined)
        const span = yield* Effect.makeSpan("broken")
        span.event = () => {
          throw new Error("a bug of the tracer")
        }
        const inSpan = Effect.withParentSpan(client.evaluateBoolean(on), span)
        expect((yield* inSpan).enabled).toBe(true)
        expect((yield* inSpan).enabled).toBe(true)
        expect(lines.filter(({ message }) => message.includes("a bug of the tracer"))).toHaveLength(1)
      })
    )
  )

  it.scoped("use the clock of the evaluating fiber", () =>
    Effect.gen(function* () {
      const { client } = yield* over(undefined)
      const [first] = yield* eventsOf(client.evaluateBoolean(on))
      yield* TestClock.adjust("1 second")
      const [second] = yield* eventsOf(client.evaluateBoolean(on))
      const clock = Object.assign(Object.create(yield* Effect.clock), { unsafeCurrentTimeNanos: () => 42n })
      const [live] = yield* Effect.withClock(eventsOf(client.evaluateBoolean(on)), clock)
      expect(second![1] - first![1]).toBe(1_000_000_000n)
      expect(live![1]).toBe(42n)
    })
  )
})

describe("events in the log", () => {
  it.scoped("are lines of level Info with the attributes", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const { client } = yield* over({ events: "log" })
        yield* client.evaluateBatch([ask("theme"), ask("nope")])
        const told = lines.filter(({ message }) => message.startsWith("feature_flag.evaluation"))
        expect(told.map(({ level }) => level)).toEqual(["INFO", "INFO"])
        expect(told[0]?.message).toContain("feature_flag.result.variant,dark")
        expect(told[1]?.message).toContain("error.type,flag_not_found")
      })
    )
  )
})

describe("metrics", () => {
  it.scoped("count evaluations by flag, result and reason", () =>
    Effect.gen(function* () {
      const { client, source } = yield* over({ events: "none" })
      yield* client.evaluateBoolean(ask("on"))
      yield* client.evaluateBoolean(ask("on"))
      yield* client.evaluateBatch([ask("theme"), ask("nobody"), ask("nope"), ask("share")])
      yield* Effect.exit(client.evaluateBoolean(ask("theme")))
      const evaluations = Object.entries(yield* Metrics.of(source)).filter(([name]) => name.startsWith("evaluations"))
      expect(Object.fromEntries(evaluations)).toEqual({
        "evaluations{flag=on,reason=default,result=true}": 2,
        "evaluations{flag=theme,reason=targeting_match,result=dark}": 1,
        "evaluations{flag=nobody,reason=unknown,result=none}": 1,
        "evaluations{flag=share,reason=split,result=true}": 1,
        "evaluations{flag=nope,reason=error,result=flag_not_found}": 1,
        "evaluations{flag=theme,reason=error,result=type_mismatch}": 1
      })
    })
  )

  it.scoped("of errors and of results are bounded separately, and then continue as `other`", () =>
    Effect.gen(function* () {
      const source = Metrics.ownSource()
      const many = Array.from({ length: 1_010 }, (_, index) => booleanFlag(`flag-${index}`, index % 2 === 0))
      const { client } = yield* over({ events: "none" }, { source, first: makeDocument(many, source.namespace) })
      const unknown = Array.from({ length: 120 }, (_, index) => `nope-${index}`)
      for (let round = 0; round < 2; round++) {
        yield* client.evaluateBatch(unknown.map(ask))
        yield* client.evaluateBatch(many.map(({ key }) => ask(key)))
      }
      const metrics = yield* Metrics.of(source)
      const series = Object.keys(metrics).filter((name) => name.startsWith("evaluations"))
      expect(series.filter((name) => name.includes("reason=error"))).toHaveLength(101)
      expect(series.filter((name) => name.includes("reason=default"))).toHaveLength(1_001)
      expect(metrics["evaluations{flag=other,reason=error,result=flag_not_found}"]).toBe(40)
      expect(metrics["evaluations{flag=other,reason=default,result=other}"]).toBe(20)
      expect(metrics["evaluations{flag=nope-0,reason=error,result=flag_not_found}"]).toBe(2)
    })
  )

  it.scoped("keep at most 256 characters of keys from outside", () =>
    Effect.gen(function* () {
      const { client, source } = yield* over(undefined)
      const long = "x".repeat(10_000)
      const [told] = yield* attributesOf(client.evaluateBoolean(ask(long)))
      expect(told?.["feature_flag.key"]).toBe("x".repeat(256))
      expect(Math.max(...Object.keys(yield* Metrics.of(source)).map((name) => name.length))).toBeLessThan(350)
    })
  )

  it.scoped("count fetches and loads by outcome, and time loads", () =>
    captured(() =>
      Effect.gen(function* () {
        const { client, put, source } = yield* over({ events: "none" })
        yield* put("not modified")
        yield* client.refresh
        yield* put(outage("TooLarge"))
        yield* Effect.exit(client.refresh)
        yield* put({ namespace: { key: "another" }, flags: [] })
        yield* Effect.exit(client.refresh)
        expect(yield* Metrics.of(source)).toMatchObject({
          "fetches{outcome=document}": 2,
          "fetches{outcome=not_modified}": 1,
          "fetches{outcome=too_large}": 1,
          "loads{outcome=loaded}": 1,
          "loads{outcome=document}": 1,
          load_seconds: 1
        })
      })
    )
  )

  it.scoped("of a namespace are bounded across all of its clients", () =>
    Effect.gen(function* () {
      const source = Metrics.ownSource()
      for (let index = 0; index < 12; index++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { client } = yield* over({ events: "none" }, { source })
            for (let key = 0; key < 10; key++) {
              yield* Effect.exit(client.evaluateBoolean({ flagKey: `unknown-${index}-${key}`, entityId: "a" }))
            }
          })
        )
      }
      const metrics = yield* Metrics.of(source)
      expect(Object.keys(metrics).filter((name) => name.includes("reason=error"))).toHaveLength(101)
      expect(metrics["evaluations{flag=other,reason=error,result=flag_not_found}"]).toBe(20)
    })
  )

  it.scoped("distinguish loads of a millisecond from loads of a minute", () =>
    Effect.gen(function* () {
      const { source } = yield* over({ events: "none" })
      const [found] = yield* Metrics.find("flipt_client_load_seconds", { namespace: source.namespace })
      const bounds = (found?.buckets ?? []).map(([bound]) => bound)
      expect([bounds[0], bounds.at(-2), bounds.at(-1)]).toEqual([0.001, 65.536, Number.POSITIVE_INFINITY])
    })
  )

  it.scoped("do not count a fetch that the client's close interrupted", () =>
    Effect.gen(function* () {
      const source = Metrics.ownSource()
      const making = FliptClient.makeWithoutDependencies().pipe(
        Effect.provide(Telemetry.layer({ events: "none" })),
        Effect.provide(Engine.layerPortable),
        Effect.provideService(Fetcher.Fetcher, { source, fetch: () => Effect.never, events: () => Stream.never })
      )
      const fiber = yield* Effect.fork(Effect.scoped(making))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      // a client without a state is not counted either
      expect(yield* Metrics.of(source)).toEqual({})
    })
  )

  it.scoped("report the age of the state every five seconds from its confirmation on", () =>
    captured(() =>
      Effect.gen(function* () {
        const empty = yield* over({ events: "none" }, { first: outage("Network") })
        const { client, put, source } = yield* over({ events: "none" })
        const age = Effect.map(Metrics.of(source), (metrics) => metrics.state_age_seconds)
        yield* TestClock.adjust("4 seconds")
        expect(yield* age).toBe(0)
        yield* TestClock.adjust("61 seconds")
        expect(yield* age).toBe(65)
        yield* put("not modified")
        yield* client.refresh
        yield* TestClock.adjust("5 seconds")
        expect(yield* age).toBe(5)
        expect(yield* Metrics.of(empty.source)).not.toHaveProperty("state_age_seconds")
      })
    )
  )

  it.scoped("stop reporting the age when the client has closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { source } = yield* Scope.extend(over({ events: "none" }), scope)
      yield* TestClock.adjust("5 seconds")
      expect(yield* Metrics.of(source)).toMatchObject({ "engine{engine=portable}": 1, state_age_seconds: 5 })
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 minute")
      expect(yield* Metrics.of(source)).toMatchObject({ "engine{engine=portable}": 0, state_age_seconds: 0 })
    })
  )

  it.scoped("count the clients of a namespace by their engine", () =>
    Effect.gen(function* () {
      const { source } = yield* over({ events: "none" })
      yield* over({ events: "none" }, { source })
      expect(yield* Metrics.of(source)).toMatchObject({ "engine{engine=portable}": 2 })
    })
  )

  it.scoped("count a reopened stream, but neither the first one nor polling instead", () =>
    Effect.gen(function* () {
      const source = { ...Metrics.ownSource(), kind: "streaming" }
      const events = yield* Queue.unbounded<Fetcher.Event>()
      const { client } = yield* over({ events: "none" }, { source, events: Stream.fromQueue(events) })
      const tell = (mode: string, connected: boolean) =>
        Effect.gen(function* () {
          yield* Queue.offer(events, Fetcher.Event.Mode({ mode, connected }))
          yield* Stream.runHead(
            Stream.filter(client.statusChanges, (it) => it.mode === mode && it.connected === connected)
          )
          return (yield* Metrics.of(source)).reconnects ?? 0
        })
      expect(yield* tell("streaming", true)).toBe(0)
      expect(yield* tell("streaming", false)).toBe(0)
      expect(yield* tell("polling", true)).toBe(0)
      expect(yield* tell("streaming", false)).toBe(0)
      expect(yield* tell("streaming", true)).toBe(1)
      expect(yield* tell("streaming", true)).toBe(1)
      expect(yield* tell("streaming", false)).toBe(1)
      expect(yield* tell("streaming", true)).toBe(2)
    })
  )

  it.scoped("are absent without telemetry, and for evaluations of Snapshots", () =>
    Effect.gen(function* () {
      const silent = Metrics.ownSource()
      const { client } = yield* Handed.make({ first: documentFor(silent), source: silent })
      expect(yield* eventsOf(client.evaluateBoolean(on))).toEqual([])
      expect(yield* Metrics.of(silent)).toEqual({})
      const events = yield* over({ metrics: false })
      expect(yield* eventsOf(events.client.evaluateBoolean(on))).toHaveLength(1)
      expect(yield* Metrics.of(events.source)).toEqual({})
      const { client: told, source } = yield* over(undefined)
      const snapshot = yield* told.snapshot
      snapshot.boolean(on)
      expect(Object.keys(yield* Metrics.of(source)).some((name) => name.startsWith("evaluations"))).toBe(false)
    })
  )
})

describe("Telemetry.layer", () => {
  it.effect("checks its options, and names an invalid one", () =>
    Effect.gen(function* () {
      const fails = (options: unknown) => Effect.flip(Effect.scoped(Layer.build(Telemetry.layer(options as never))))
      expect(yield* fails({ events: true })).toMatchObject({ reason: "Option", path: "events" })
      expect(yield* fails({ metrics: "yes" })).toMatchObject({ path: "metrics" })
      expect(yield* fails({ entityId: "all" })).toMatchObject({ path: "entityId" })
      expect(yield* fails({ event: "span" })).toMatchObject({ path: "event" })
      const built = yield* Effect.scoped(Layer.build(Telemetry.layer({ events: undefined })))
      expect(Context.get(built, Telemetry.Telemetry)).toEqual({ events: "span", metrics: true, entityId: "omit" })
    })
  )

  it.scopedLive("applies to the complete layer, together with hooks", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: makeDocument(flags) } })
      const seen: Array<string> = []
      const layer = FliptClient.layer({ url: server.url }).pipe(
        Layer.provide([Hook.layer({ finally: ({ request }) => void seen.push(request.flagKey) }), Telemetry.layer()])
      )
      const events = yield* eventsOf(Effect.orDie(FliptClient.evaluateBoolean(on))).pipe(Effect.provide(layer))
      expect(events).toHaveLength(1)
      expect(seen).toEqual(["on"])
      expect(Option.isSome(Option.fromNullable((yield* Metrics.of(Handed.source))["fetches{outcome=document}"]))).toBe(
        true
      )
    })
  )
})
