import { readFileSync } from "node:fs"
import * as Http from "node:http"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Auth from "../src/Auth.js"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import { EvaluationError, FetchError } from "../src/FliptError.js"
import { booleanFlag, makeDocument, onDocument, variantFlag } from "./support/documents.js"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { listen } from "./support/Listener.js"
import { captured } from "./support/logs.js"

const noRetries = Effect.provideService(Fetcher.RetryPolicy, Schedule.stop)

/** A client that fails at once where it fails. */
const makeClient = (options?: FliptClient.Options) => noRetries(FliptClient.make(options))

const on = { flagKey: "on", entityId: "user-1" } as const

const document = makeDocument([
  booleanFlag("on", true),
  booleanFlag("off", false),
  variantFlag("theme", "dark", '{"accent":"teal"}')
])

describe("the client", () => {
  it.scopedLive("fetches a namespace and evaluates its flags", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const client = yield* makeClient({ url: server.url })
      expect(yield* client.evaluateBoolean(on)).toEqual({
        _tag: "Boolean",
        flagKey: "on",
        enabled: true,
        reason: "DEFAULT_EVALUATION_REASON",
        segmentKeys: []
      })
      expect(yield* client.evaluateVariant({ flagKey: "theme", entityId: "user-1" })).toEqual({
        _tag: "Variant",
        flagKey: "theme",
        match: true,
        reason: "MATCH_EVALUATION_REASON",
        segmentKeys: ["everyone"],
        variantKey: "dark",
        variantAttachment: '{"accent":"teal"}'
      })
      expect(
        (yield* client.evaluateBatch([on, { flagKey: "nope", entityId: "user-1" }, { ...on, flagKey: "theme" }])).map(
          (entry) => [entry._tag, entry.flagKey]
        )
      ).toEqual([
        ["Boolean", "on"],
        ["Error", "nope"],
        ["Variant", "theme"]
      ])
      expect((yield* client.listFlags).map((flag) => [flag.key, flag.type, flag.enabled])).toEqual([
        ["on", "BOOLEAN_FLAG_TYPE", true],
        ["off", "BOOLEAN_FLAG_TYPE", false],
        ["theme", "VARIANT_FLAG_TYPE", true]
      ])
    })
  )

  it.scopedLive("works with a v1 server as with a v2 server", () =>
    Effect.gen(function* () {
      for (const version of ["v1", "v2"] as const) {
        const server = yield* FliptServer.make({ version, documents: { default: document } })
        const client = yield* makeClient({ url: server.url })
        expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
        expect(yield* client.refresh).toBe(false)
        yield* server.setDocument(onDocument(false))
        expect(yield* client.refresh).toBe(true)
        expect((yield* client.evaluateBoolean(on)).enabled).toBe(false)
      }
    })
  )

  it.scopedLive("asks for its environment, namespace and reference, with its credential", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ token: { kind: "jwt", value: "t0ken" } })
      yield* server.setDocument(onDocument(true, "a b/c"), { environment: "staging", namespace: "a b/c" })
      const client = yield* makeClient({
        url: `${server.url}/`,
        environment: "staging",
        namespace: "a b/c",
        reference: "feature/x",
        headers: { "X-Team": "checkout" },
        authentication: { jwtToken: Redacted.make("t0ken") }
      })
      expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
      const [request] = yield* server.requests
      expect(request?.target).toBe("/internal/v1/evaluation/snapshot/namespace/a%20b%2Fc?reference=feature%2Fx")
      expect(request?.headers).toMatchObject({
        authorization: "JWT t0ken",
        "x-flipt-environment": "staging",
        "x-team": "checkout"
      })
    })
  )

  it.scopedLive("checks every request", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const client = yield* makeClient({ url: server.url })
      const path = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.map(
          Effect.flip(effect),
          (error) => error as unknown as { readonly path: string; readonly message: string }
        )
      for (const evaluate of [client.evaluateBoolean, client.evaluateVariant] as ReadonlyArray<
        typeof client.evaluateBoolean
      >) {
        expect(yield* path(evaluate({ flagKey: "", entityId: "e" }))).toMatchObject({
          _tag: "ValidationError",
          path: "flagKey",
          message: "flagKey cannot be empty"
        })
        expect(yield* path(evaluate({ flagKey: "on", entityId: " \t" }))).toMatchObject({
          path: "entityId",
          message: "entityId cannot be empty"
        })
        expect(yield* path(evaluate({ ...on, context: { age: Number.NaN } }))).toMatchObject({ path: "context.age" })
      }
      expect(yield* path(client.evaluateBatch([on, { flagKey: " ", entityId: "e" }]))).toMatchObject({
        path: "requests[1].flagKey"
      })
    })
  )

  it.scopedLive("tells an unknown flag from one of the other type", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const client = yield* makeClient({ url: server.url })
      expect(yield* Effect.flip(client.evaluateBoolean({ ...on, flagKey: "nope" }))).toMatchObject({
        _tag: "EvaluationError",
        reason: "FlagNotFound",
        flagKey: "nope",
        message: "invalid request: failed to get flag information default/nope"
      })
      expect(yield* Effect.flip(client.evaluateVariant(on))).toMatchObject({
        _tag: "EvaluationError",
        reason: "FlagType",
        message: "invalid request: on is not a variant flag"
      })
    })
  )

  it.scopedLive("polls by itself, and keeps what it has while nothing changes", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(false) } })
      const client = yield* makeClient({ url: server.url, updateInterval: "40 millis" })
      yield* server.awaitRequests(3)
      yield* server.setDocument(onDocument(true))
      const { length } = yield* server.requests
      yield* server.awaitRequests(length + 2)
      expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
    })
  )

  it.scopedLive("keeps an ETag only when its body has been loaded", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(false) } })
      const client = yield* makeClient({ url: server.url, errorStrategy: "fallback" })
      yield* server.setDocument(onDocument(true))
      for (const fault of [Fault.cutBody(20), Fault.garbage("{}"), Fault.garbage("<html>"), Fault.invalidGzip]) {
        yield* server.fail(fault)
        yield* Effect.flip(client.refresh)
        expect((yield* client.evaluateBoolean(on)).enabled).toBe(false)
      }
      expect(yield* client.refresh).toBe(true)
      expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
    })
  )

  it.scopedLive("shares one request among all who refresh at once", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const client = yield* makeClient({ url: server.url })
      yield* server.fail(Fault.delay(100))
      yield* server.setDocument(onDocument(false))
      const changed = yield* Effect.all(
        Array.from({ length: 1000 }, () => client.refresh),
        { concurrency: "unbounded" }
      )
      expect(changed.every((value) => value)).toBe(true)
      expect((yield* server.requests).length).toBe(2)
    })
  )

  it.scopedLive("goes on with a request when one of those who wait for it stops waiting", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const client = yield* makeClient({ url: server.url })
      yield* server.setDocument(onDocument(false))
      yield* server.fail(Fault.delay(100))
      const impatient = yield* Effect.fork(client.refresh)
      yield* server.awaitRequests(2)
      const patient = yield* Effect.fork(client.refresh)
      yield* Fiber.interrupt(impatient)
      expect(yield* Fiber.join(patient)).toBe(true)
    })
  )

  it.scopedLive("reports what it serves", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      yield* server.setDocument(onDocument(true), { etag: "abc" })
      const client = yield* makeClient({ url: server.url })
      const first = yield* client.status
      expect(first).toMatchObject({ _tag: "Ready", version: "abc", origin: "server", mode: "polling" })
      yield* Effect.sleep("5 millis")
      yield* client.refresh
      const second = yield* client.status
      expect(second.confirmedAt?.epochMillis).toBeGreaterThan(first.confirmedAt?.epochMillis as number)
    })
  )
})

describe("strategy fail", () => {
  it.scopedLive("fails to build when the first fetch does, with the error of the fetch, also with a seed", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const snapshot = yield* Effect.flatMap(makeClient({ url: server.url }), (client) => client.getSnapshot)
      yield* server.failAlways(Fault.status(500))
      for (const options of [{}, { snapshot }]) {
        const error = yield* Effect.flip(makeClient({ url: server.url, ...options }))
        expect(error).toMatchObject({ _tag: "FetchError", reason: "Status", status: 500 })
      }
      yield* server.failAlways(Fault.garbage("<html>"))
      expect(yield* Effect.flip(makeClient({ url: server.url }))).toMatchObject({
        _tag: "EngineError",
        reason: "Document"
      })
    })
  )

  it.scopedLive("answers Unavailable from a failed fetch until the next success, a 304 included", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const client = yield* makeClient({ url: server.url })
      const held = yield* client.snapshot
      yield* server.fail(Fault.status(503))
      yield* Effect.flip(client.refresh)
      for (const effect of [
        client.evaluateBoolean(on),
        client.evaluateVariant({ ...on, flagKey: "theme" }),
        client.evaluateBatch([on]),
        client.listFlags,
        client.getSnapshot,
        Effect.scoped(client.snapshot)
      ] as ReadonlyArray<Effect.Effect<unknown, unknown>>) {
        const error = (yield* Effect.flip(effect)) as EvaluationError
        expect(error).toBeInstanceOf(EvaluationError)
        expect(error.reason).toBe("Unavailable")
        expect(error.cause).toMatchObject({ _tag: "FetchError", status: 503 })
      }
      expect(yield* client.status).toMatchObject({ _tag: "Stale", error: { status: 503 } })
      expect(Either.isRight(held.boolean(on))).toBe(true)
      expect(yield* client.refresh).toBe(false)
      expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
      expect(yield* client.status).toMatchObject({ _tag: "Ready" })
    })
  )

  it.scopedLive("answers Unavailable when a body does not compile", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const client = yield* makeClient({ url: server.url })
      yield* server.fail(Fault.garbage('{"namespace":{"key":"default"},"flags":[{"key":"x"}]}'))
      yield* Effect.flip(client.refresh)
      const error = yield* Effect.flip(client.evaluateBoolean(on))
      expect(error).toMatchObject({ reason: "Unavailable", cause: { _tag: "EngineError", reason: "Document" } })
    })
  )
})

describe("a part of the client that dies", () => {
  it.scopedLive("is an outage like any other, and no end of the polling", () =>
    captured((logs) =>
      Effect.gen(function* () {
        let calls = 0
        const effects: ReadonlyArray<() => Effect.Effect<string>> = [
          () => Effect.succeed(JSON.stringify(onDocument(true))),
          () => {
            throw new Error("thrown")
          },
          () => Effect.die(new Error("died")),
          () => Effect.interrupt,
          () => Effect.succeed(JSON.stringify(onDocument(true)))
        ]
        const fetcher = Fetcher.layerEffect({
          fetch: () => Effect.suspend(effects[Math.min(calls++, 4)]!),
          updateInterval: Number.POSITIVE_INFINITY
        })
        const client = yield* FliptClient.makeWithoutDependencies().pipe(
          Effect.provide([fetcher, Engine.layerPortable])
        )
        for (const said of ["thrown", "died", "interrupt"]) {
          const error = yield* Effect.flip(client.refresh)
          expect(error).toMatchObject({ _tag: "FetchError", reason: "Source" })
          expect(error.message.toLowerCase()).toContain(said)
          expect(yield* client.status).toMatchObject({ _tag: "Stale", error: { reason: "Source" } })
        }
        expect(yield* client.refresh).toBe(false)
        expect(yield* client.status).toMatchObject({ _tag: "Ready" })
        const levels = logs.filter((line) => line.message.startsWith("Flipt namespace")).map((line) => line.level)
        expect(levels).toEqual(["WARN", "DEBUG", "DEBUG", "INFO"])
      })
    )
  )
})

describe("strategy fallback", () => {
  it.scopedLive("goes on with the last state, and says so once", () =>
    captured((logs) =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
        const client = yield* makeClient({ url: server.url, errorStrategy: "fallback" })
        yield* server.stop
        for (let attempt = 0; attempt < 3; attempt++) {
          expect(yield* Effect.flip(client.refresh)).toMatchObject({ _tag: "FetchError", reason: "Network" })
        }
        expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
        const stale = yield* client.status
        expect(stale).toMatchObject({ _tag: "Stale", origin: "server", error: { reason: "Network" } })
        yield* server.start
        yield* server.setDocument(onDocument(false))
        expect(yield* client.refresh).toBe(true)
        expect((yield* client.evaluateBoolean(on)).enabled).toBe(false)
        const levels = logs.filter((line) => line.message.includes("Flipt namespace default")).map((line) => line.level)
        expect(levels).toEqual(["WARN", "DEBUG", "DEBUG", "INFO"])
      })
    )
  )

  it.scopedLive("starts with nothing, answers NotReady, and is ready with the first success", () =>
    captured(() =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
        yield* server.fail(Fault.status(500))
        const client = yield* makeClient({ url: server.url, errorStrategy: "fallback" })
        for (const effect of [
          client.evaluateBoolean(on),
          client.evaluateBatch([on]),
          client.listFlags,
          client.getSnapshot,
          Effect.scoped(client.snapshot)
        ] as ReadonlyArray<Effect.Effect<unknown, unknown>>) {
          expect(yield* Effect.flip(effect)).toMatchObject({
            _tag: "EvaluationError",
            reason: "NotReady",
            cause: { status: 500 }
          })
        }
        expect(yield* client.status).toMatchObject({ _tag: "Failed", origin: "none", version: undefined })
        expect(yield* client.refresh).toBe(true)
        expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
        expect(yield* client.status).toMatchObject({ _tag: "Ready", origin: "server" })
      })
    )
  )

  it.scopedLive("starts from a seed while the server is away, and replaces it when it comes", () =>
    captured(() =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
        const snapshot = yield* Effect.scoped(
          Effect.flatMap(makeClient({ url: server.url }), (client) => client.getSnapshot)
        )
        yield* server.stop
        const client = yield* makeClient({ url: server.url, errorStrategy: "fallback", snapshot })
        expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
        expect(yield* client.status).toMatchObject({ _tag: "Stale", origin: "seed", confirmedAt: undefined })
        yield* server.start
        yield* server.setDocument(onDocument(false))
        expect(yield* client.refresh).toBe(true)
        expect((yield* client.evaluateBoolean(on)).enabled).toBe(false)
      })
    )
  )

  it.scopedLive("asks again after a 401, for ever", () =>
    captured(() =>
      Effect.gen(function* () {
        const token = { kind: "client", value: "right" } as const
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) }, token })
        const client = yield* makeClient({
          url: server.url,
          errorStrategy: "fallback",
          updateInterval: "30 millis",
          authentication: { clientToken: Redacted.make("wrong") }
        })
        yield* server.awaitRequests(4)
        expect(yield* client.status).toMatchObject({ _tag: "Failed", error: { reason: "Unauthorized" } })
        yield* server.setToken({ kind: "client", value: "wrong" })
        yield* client.status.pipe(
          Effect.delay("10 millis"),
          Effect.repeat({ until: (status) => status._tag === "Ready" })
        )
        expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
      })
    )
  )
})

describe("a seed", () => {
  it.scopedLive("that is none fails the layer, whatever the strategy", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      for (const errorStrategy of ["fail", "fallback"] as const) {
        const error = yield* Effect.flip(makeClient({ url: server.url, errorStrategy, snapshot: "nonsense" }))
        expect(error).toMatchObject({ _tag: "ValidationError", reason: "Seed", path: "snapshot" })
      }
      expect((yield* server.requests).length).toBe(0)
    })
  )

  it.scopedLive("of another namespace fails the layer", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const snapshot = yield* Effect.flatMap(makeClient({ url: server.url }), (client) => client.getSnapshot)
      const error = yield* Effect.flip(makeClient({ url: server.url, namespace: "other", snapshot }))
      expect(error).toMatchObject({ _tag: "ValidationError", reason: "Seed" })
      expect(error.message).toContain("default")
      expect(error.message).toContain("other")
    })
  )
})

describe("a server without ETags", () => {
  it.scopedLive("is asked by the document's digest where that can be sent, and without where it cannot", () =>
    Effect.gen(function* () {
      const served = { digest: "abc" }
      const asked: Array<string | undefined> = []
      const port = yield* listen(
        Http.createServer((request, response) => {
          asked.push(request.headers["if-none-match"])
          response.end(JSON.stringify({ ...onDocument(true), ...served }))
        })
      )
      const client = yield* makeClient({ url: `http://127.0.0.1:${port}` })
      for (const digest of ["€", "a\nb", "", "def"]) {
        served.digest = digest
        yield* client.refresh
      }
      yield* client.refresh
      expect(asked).toEqual([undefined, "abc", undefined, undefined, undefined, "def"])
    })
  )
})

describe("an HttpClient of one's own", () => {
  it.scopedLive("may take statuses for failures", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const strict = Layer.effect(
        HttpClient.HttpClient,
        Effect.map(HttpClient.HttpClient, HttpClient.filterStatusOk)
      ).pipe(Layer.provide(FetchHttpClient.layer))
      const client = yield* FliptClient.makeWithoutDependencies().pipe(
        Effect.provide([
          Engine.layerPortable,
          Fetcher.layerPolling({ url: server.url }).pipe(Layer.provide([strict, Auth.layerNone]))
        ])
      )
      expect(yield* client.refresh).toBe(false)
      yield* server.fail(Fault.status(401))
      const { length } = yield* server.requests
      expect(yield* captured(() => Effect.flip(client.refresh))).toMatchObject({ reason: "Unauthorized", status: 401 })
      expect((yield* server.requests).length).toBe(length + 1)
    })
  )

  it.scopedLive("with an Auth of one's own hides what that sends, in whatever header", () =>
    Effect.gen(function* () {
      const port = yield* listen(
        Http.createServer((request, response) => response.writeHead(401).end(`no ${request.headers["x-api-key"]}`))
      )
      const auth = Layer.succeed(Auth.Auth, {
        authorize: Effect.succeed(Headers.fromInput({ "x-api-key": "s3cret-key" })),
        invalidate: () => Effect.void
      })
      const fetcher = yield* Fetcher.Fetcher.pipe(
        Effect.provide(
          Fetcher.layerPolling({ url: `http://127.0.0.1:${port}` }).pipe(Layer.provide([FetchHttpClient.layer, auth]))
        )
      )
      const { message } = yield* Effect.flip(fetcher.fetch(Option.none()))
      expect(message).not.toContain("s3cret")
      expect(message).toContain("the credential was refused")
    })
  )
})

describe("a Fetcher that misbehaves", () => {
  const target = { environment: "default", namespace: "default" }

  const over = (fetcher: Partial<Fetcher.Service>, engine: Layer.Layer<Engine.Engine> = Engine.layerPortable) =>
    FliptClient.makeWithoutDependencies({ errorStrategy: "fallback" }).pipe(
      Effect.provide(engine),
      Effect.provideService(Fetcher.Fetcher, {
        source: { kind: "own", ...target },
        fetch: () =>
          Effect.succeed(
            Fetcher.Document({ bytes: [Buffer.from(JSON.stringify(onDocument(true)))], version: Option.some("v1") })
          ),
        events: () => Stream.never,
        ...fetcher
      })
    )

  it.scoped("and says that nothing was modified before anything was loaded leaves no client that seems ready", () =>
    captured(() =>
      Effect.gen(function* () {
        const client = yield* over({ fetch: () => Effect.succeed(Fetcher.NotModified()) })
        expect(yield* client.status).toMatchObject({ _tag: "Failed", error: { reason: "Source" } })
      })
    )
  )

  for (const [how, events] of [
    ["is interrupted", Stream.fromEffect(Effect.interrupt)],
    ["dies", Stream.die("died")],
    ["ends", Stream.empty]
  ] as const) {
    it.scoped(`and whose stream of events ${how} is an outage, and is listened to again`, () =>
      captured((lines) =>
        Effect.gen(function* () {
          let listened = 0
          const client = yield* over({
            events: () =>
              Stream.suspend(() => {
                listened++
                return events
              })
          })
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          expect(yield* client.status).toMatchObject({ _tag: "Stale", error: { reason: "Source" } })
          expect(lines.filter(({ level }) => level === "ERROR")).toHaveLength(1)
          yield* TestClock.adjust("30 seconds")
          yield* Effect.repeatN(Effect.yieldNow(), 20)
          expect(listened).toBe(2)
        })
      )
    )
  }

  it.scoped("and pushes what the engine dies of is an outage, which a request ends", () =>
    captured(() =>
      Effect.gen(function* () {
        const pushes = yield* Queue.unbounded<Fetcher.Event>()
        const dying = Layer.map(Engine.layerPortable, (context) =>
          Context.add(context, Engine.Engine, {
            ...Context.get(context, Engine.Engine),
            compile: (namespace, bytes) =>
              bytes.length === 0
                ? Effect.dieMessage("the engine died")
                : Context.get(context, Engine.Engine).compile(namespace, bytes)
          })
        )
        let fetches = 0
        const client = yield* over(
          {
            fetch: () => {
              fetches++
              return fetches === 1
                ? Effect.succeed(
                    Fetcher.Document({
                      bytes: [Buffer.from(JSON.stringify(onDocument(true)))],
                      version: Option.some("v1")
                    })
                  )
                : Effect.delay(Effect.succeed(Fetcher.NotModified()), "1 second")
            },
            events: () => Stream.fromQueue(pushes)
          },
          dying
        )
        yield* Queue.offer(pushes, Fetcher.Event.Pushed({ bytes: [], version: Option.none() }))
        yield* Effect.repeatN(Effect.yieldNow(), 50)
        expect(yield* client.status).toMatchObject({ _tag: "Stale", error: { reason: "Source" } })
        yield* TestClock.adjust("1 second")
        yield* Effect.repeatN(Effect.yieldNow(), 50)
        expect((yield* client.status)._tag).toBe("Ready")
        expect(fetches).toBe(2)
      })
    )
  )
})

describe("options", () => {
  const bad: ReadonlyArray<readonly [string, unknown]> = [
    ["url", { url: "localhost:8080" }],
    ["environment", { environment: "" }],
    ["namespace", { namespace: " " }],
    ["updateInterval", { updateInterval: 0 }],
    ["requestTimeout", { requestTimeout: "soon" }],
    ["errorStrategy", { errorStrategy: "ignore" }],
    ["fetchMode", { fetchMode: "carrier pigeon" }],
    ["tlsConfig", { tlsConfig: "strict" }],
    ["tlsConfig.minVersion", { tlsConfig: { minVersion: "TLSv1.1" } }],
    ["snapshot", { snapshot: 7 }],
    ["authentication", { authentication: { clientToken: "not redacted" } }],
    ["authentication", { authentication: {} }],
    ["authentication.clientToken", { authentication: { clientToken: Redacted.make("") } }],
    ["updateIntervall", { updateIntervall: 30 }]
  ]

  it.effect.each(bad.map(([path, options]) => ({ path, options })))("a bad $path is named", ({ options, path }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(FliptClient.make(options as FliptClient.Options)))
      expect(error).toMatchObject({ _tag: "ValidationError", reason: "Option", path })
      expect(error.message).toContain(path)
      expect(error.message).not.toContain("not redacted")
    })
  )

  it.scopedLive("that are undefined count as absent, and a tlsConfig without settings is none", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const client = yield* makeClient({
        url: server.url,
        namespace: undefined,
        authentication: undefined,
        updateInterval: undefined,
        fetchMode: "polling",
        tlsConfig: { caCertFile: undefined }
      })
      expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
    })
  )
})

describe("layerConfig", () => {
  const withVariables = (variables: Record<string, string>) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

  it.scopedLive("reads the FLIPT_* variables", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ token: { kind: "client", value: "t0ken" } })
      yield* server.setDocument(onDocument(true, "shop"), { environment: "staging", namespace: "shop" })
      const result = yield* FliptClient.evaluateBoolean(on).pipe(
        Effect.provide(FliptClient.layerConfig()),
        withVariables({
          FLIPT_URL: server.url,
          FLIPT_ENVIRONMENT: "staging",
          FLIPT_NAMESPACE: "shop",
          FLIPT_REFERENCE: "main",
          FLIPT_CLIENT_TOKEN: "t0ken",
          FLIPT_FETCH_MODE: "polling",
          FLIPT_UPDATE_INTERVAL: "infinity",
          FLIPT_REQUEST_TIMEOUT: "2.5",
          FLIPT_ERROR_STRATEGY: "fail"
        })
      )
      expect(result.enabled).toBe(true)
      expect((yield* server.requests)[0]?.query).toEqual({ reference: "main" })
    })
  )

  it.scopedLive("takes the variables with more added to them", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const config = Config.map(FliptClient.config, (options) => ({ ...options, headers: { "X-Team": "checkout" } }))
      yield* FliptClient.evaluateBoolean(on).pipe(
        Effect.provide(FliptClient.layerConfig(config)),
        withVariables({ FLIPT_URL: server.url })
      )
      expect((yield* server.requests)[0]?.headers["x-team"]).toBe("checkout")
    })
  )

  it.scopedLive("takes bare seconds as a duration", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      yield* Effect.gen(function* () {
        yield* FliptClient.FliptClient
        yield* server.awaitRequests(3)
      }).pipe(
        Effect.provide(FliptClient.layerConfig()),
        withVariables({ FLIPT_URL: server.url, FLIPT_UPDATE_INTERVAL: "0.02" })
      )
    })
  )

  it.effect.each([
    { name: "FLIPT_UPDATE_INTERVAL", value: "soon" },
    { name: "FLIPT_REQUEST_TIMEOUT", value: "-1" },
    { name: "FLIPT_ERROR_STRATEGY", value: "ignore" },
    { name: "FLIPT_FETCH_MODE", value: "pigeon" },
    { name: "FLIPT_HTTP2", value: "2" },
    { name: "FLIPT_TLS_MIN_VERSION", value: "1.3" }
  ])("names a bad $name", ({ name, value }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(FliptClient.layerConfig()))).pipe(
        withVariables({ [name]: value })
      )
      expect(String(error).split(name)).toHaveLength(2)
    })
  )

  it.effect("counts an empty variable as unset, each of them", () =>
    Effect.gen(function* () {
      const read = (variables: Record<string, string>) => FliptClient.config.pipe(withVariables(variables))
      const names = ["client/config", "auth/static"].flatMap((name) => {
        const source = readFileSync(new URL(`../src/internal/${name}.ts`, import.meta.url), "utf8")
        return Array.from(source.matchAll(/\("(FLIPT_\w+)"\)/g), ([, variable]) => variable!)
      })
      expect(names).toHaveLength(26)
      const none = yield* read({})
      for (const name of names) {
        expect([name, yield* read({ [name]: "" })]).toEqual([name, none])
      }
    })
  )

  it.scopedLive("takes an object of configs, or one config", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({
        documents: { default: onDocument(true) },
        token: { kind: "client", value: "t0ken" }
      })
      const layers = [
        FliptClient.layerConfig({
          url: Config.string("FLAGS_URL"),
          authentication: { clientToken: Config.redacted("FLAGS_TOKEN") }
        }),
        FliptClient.layerConfig({
          url: Config.string("FLAGS_URL"),
          authentication: Config.map(Config.redacted("FLAGS_TOKEN"), (clientToken) => ({ clientToken }))
        }),
        FliptClient.layerConfig(
          Config.all({ url: Config.string("FLAGS_URL"), token: Config.redacted("FLAGS_TOKEN") }).pipe(
            Config.map(({ token, url }) => ({ url, authentication: { clientToken: token } }))
          )
        )
      ]
      for (const layer of layers) {
        const result = yield* FliptClient.evaluateBoolean(on).pipe(
          Effect.provide(layer),
          withVariables({ FLAGS_URL: server.url, FLAGS_TOKEN: "t0ken" })
        )
        expect(result.enabled).toBe(true)
      }
    })
  )
})

describe("the one-stop layer", () => {
  it.scopedLive("warns of parts in the context that it does not use", () =>
    captured((logs) =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
        yield* FliptClient.evaluateBoolean(on).pipe(
          Effect.provide(
            FliptClient.layer({ url: server.url }).pipe(
              Layer.provide([Engine.layerMock({ on: false }), FetchHttpClient.layer])
            )
          )
        )
        const lines = logs.filter((line) => line.message.includes("is not used"))
        expect(lines.map((line) => line.level)).toEqual(["WARN", "DEBUG"])
        expect(lines[0]?.message).toContain("flipt-client-effect/Engine")
        expect(lines[1]?.message).toContain("HttpClient")
        expect(lines.every((line) => line.message.includes("layerWithoutDependencies"))).toBe(true)
      })
    )
  )

  it.scopedLive("honours a RetryPolicy that is provided to it", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make()
      yield* server.failAlways(Fault.status(503))
      yield* Effect.flip(
        Effect.scoped(
          Layer.build(
            FliptClient.layer({ url: server.url }).pipe(
              Layer.provide(Layer.succeed(Fetcher.RetryPolicy, Schedule.recurs(6)))
            )
          )
        )
      )
      expect((yield* server.requests).length).toBe(7)
    })
  )
})

/** A Fetcher in the test's hand: what it answers, and what it tells. */
const makeManual = (initial: object) =>
  Effect.gen(function* () {
    const events = yield* Queue.unbounded<Fetcher.Event>()
    const encode = (document: object) => [new TextEncoder().encode(JSON.stringify(document))]
    const state = {
      answer: Effect.succeed(Fetcher.Document({ bytes: encode(initial), version: Option.some("1") })) as Effect.Effect<
        Fetcher.Update,
        FetchError
      >,
      asked: [] as Array<Option.Option<string>>
    }
    return {
      state,
      encode,
      tell: (event: Fetcher.Event) => Queue.offer(events, event),
      layer: Layer.succeed(Fetcher.Fetcher, {
        source: { kind: "manual", environment: "default", namespace: "default" },
        fetch: (loaded) =>
          Effect.suspend(() => {
            state.asked.push(loaded)
            return state.answer
          }),
        events: () => Stream.fromQueue(events)
      })
    }
  })

describe("events of a Fetcher", () => {
  const sees = (client: FliptClient.Service, enabled: boolean) =>
    client.evaluateBoolean(on).pipe(
      Effect.delay("1 millis"),
      Effect.repeat({ until: (result) => result.enabled === enabled, times: 1000 }),
      Effect.map((result) => expect(result.enabled).toBe(enabled))
    )

  it.scopedLive("a pushed document is loaded, and throws away an answer that was asked for before", () =>
    Effect.gen(function* () {
      const fetcher = yield* makeManual(onDocument(false))
      const client = yield* FliptClient.makeWithoutDependencies({ errorStrategy: "fallback" }).pipe(
        Effect.provide([fetcher.layer, Engine.layerPortable])
      )
      const asked = yield* Deferred.make<void>()
      const answer = yield* Deferred.make<void>()
      fetcher.state.answer = Deferred.succeed(asked, undefined).pipe(
        Effect.zipRight(Deferred.await(answer)),
        Effect.as(Fetcher.Document({ bytes: fetcher.encode(onDocument(false)), version: Option.some("old") }))
      )
      const refresh = yield* Effect.fork(client.refresh)
      yield* Deferred.await(asked)
      yield* fetcher.tell(
        Fetcher.Event.Pushed({ bytes: fetcher.encode(onDocument(true)), version: Option.some("new") })
      )
      yield* sees(client, true)
      fetcher.state.answer = Effect.succeed(Fetcher.NotModified())
      yield* Deferred.succeed(answer, undefined)
      expect(yield* Fiber.join(refresh)).toBe(false)
      expect(fetcher.state.asked.at(-1)).toEqual(Option.some("new"))
      yield* sees(client, true)
      expect((yield* client.status).version).toBe("new")
    })
  )

  it.scopedLive("a failure is an outage, and a check ends it", () =>
    captured(() =>
      Effect.gen(function* () {
        const fetcher = yield* makeManual(onDocument(true))
        const client = yield* FliptClient.makeWithoutDependencies().pipe(
          Effect.provide([fetcher.layer, Engine.layerPortable])
        )
        const becomes = (tag: string) =>
          client.status.pipe(
            Effect.delay("1 millis"),
            Effect.repeat({ until: (status) => status._tag === tag, times: 1000 }),
            Effect.map((status) => expect(status._tag).toBe(tag))
          )
        const error = new FetchError({ reason: "Body", retryable: false, message: "a bad frame" })
        yield* fetcher.tell(Fetcher.Event.Failed({ error }))
        yield* becomes("Stale")
        expect(yield* Effect.flip(client.evaluateBoolean(on))).toMatchObject({ reason: "Unavailable", cause: error })
        fetcher.state.answer = Effect.succeed(Fetcher.NotModified())
        yield* fetcher.tell(Fetcher.Event.Check())
        yield* becomes("Ready")
        yield* fetcher.tell(Fetcher.Event.Mode({ mode: "streaming", connected: true }))
        yield* client.status.pipe(
          Effect.delay("1 millis"),
          Effect.repeat({ until: (status) => status.mode === "streaming", times: 1000 })
        )
        expect((yield* client.status).mode).toBe("streaming")
      })
    )
  )

  it.scoped("that end or die are listened to again", () =>
    captured((logs) =>
      Effect.gen(function* () {
        let subscriptions = 0
        const fetcher = Layer.succeed(Fetcher.Fetcher, {
          source: { kind: "broken", environment: "default", namespace: "default" },
          fetch: () =>
            Effect.succeed(
              Fetcher.Document({
                bytes: [new TextEncoder().encode(JSON.stringify(onDocument(true)))],
                version: Option.none()
              })
            ),
          events: () =>
            Stream.suspend(() => {
              subscriptions++
              return subscriptions === 1 ? Stream.die(new Error("oops")) : Stream.empty
            })
        })
        yield* FliptClient.makeWithoutDependencies().pipe(Effect.provide([fetcher, Engine.layerPortable]))
        yield* Effect.yieldNow()
        for (let minute = 0; minute < 3; minute++) {
          yield* TestClock.adjust("1 minutes")
        }
        expect(subscriptions).toBeGreaterThanOrEqual(4)
        expect(subscriptions).toBeLessThanOrEqual(8)
        expect(logs.some((line) => line.level === "ERROR" && line.message.includes("oops"))).toBe(true)
      })
    )
  )
})

describe("the scope", () => {
  it.scopedLive("ends everything: what is asked later answers Closed", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const scope = yield* Scope.make()
      const client = yield* makeClient({ url: server.url, updateInterval: "20 millis" }).pipe(Scope.extend(scope))
      const held = yield* client.snapshot
      yield* Scope.close(scope, Exit.void)
      expect(yield* client.status).toMatchObject({ _tag: "Failed", error: { reason: "Closed" }, origin: "none" })
      const { length } = yield* server.requests
      for (const effect of [
        client.evaluateBoolean(on),
        client.listFlags,
        client.getSnapshot,
        client.snapshot,
        client.refresh
      ] as ReadonlyArray<Effect.Effect<unknown, unknown, Scope.Scope>>) {
        expect(yield* Effect.flip(effect)).toMatchObject({ reason: "Closed" })
      }
      expect(Either.getLeft(held.boolean(on)).pipe(Option.map((error) => error.message))).toEqual(
        Option.some("the snapshot is closed: the scope that it was handed out in is over")
      )
      yield* server.awaitConnections(0)
      yield* Effect.sleep("80 millis")
      expect((yield* server.requests).length).toBe(length)
    })
  )

  it.scopedLive("ends a request that is under way, and those who wait for it", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      for (const fault of [Fault.hangBeforeHeaders, Fault.hangInBody(10)]) {
        const scope = yield* Scope.make()
        const client = yield* makeClient({ url: server.url }).pipe(Scope.extend(scope))
        yield* server.fail(fault)
        const seen = (yield* server.requests).length
        const waiting = yield* Effect.fork(Effect.flip(client.refresh))
        yield* server.awaitRequests(seen + 1)
        yield* Scope.close(scope, Exit.void)
        expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "EngineError", reason: "Closed" })
        yield* server.awaitConnections(0)
      }
    })
  )

  it.scopedLive("leaves nothing when the building of the layer is interrupted", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      for (const [index, fault] of [Fault.hangBeforeHeaders, Fault.hangInBody(10), Fault.status(503)].entries()) {
        for (const errorStrategy of ["fail", "fallback"] as const) {
          yield* server.fail(fault)
          const seen = (yield* server.requests).length
          const building = yield* Effect.fork(
            Effect.scoped(Layer.build(FliptClient.layer({ url: server.url, errorStrategy })))
          )
          yield* server.awaitRequests(seen + 1)
          yield* Fiber.interrupt(building)
          yield* server.awaitConnections(0)
          expect((yield* server.requests).length, `${index}`).toBe(seen + 1)
        }
      }
    })
  )

  it.scopedLive("a replaced Snapshot lives while someone holds it, and then goes", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const client = yield* makeClient({ url: server.url })
      const scopes = [yield* Scope.make(), yield* Scope.make()] as const
      const [first, second] = yield* Effect.all(scopes.map((scope) => Scope.extend(client.snapshot, scope)))
      expect(first).toBe(second)
      yield* server.setDocument(onDocument(false))
      yield* client.refresh
      expect((yield* client.evaluateBoolean(on)).enabled).toBe(false)
      yield* Scope.close(scopes[0], Exit.void)
      expect(first!.boolean(on)).toMatchObject({ right: { enabled: true } })
      yield* Scope.close(scopes[1], Exit.void)
      expect(first!.boolean(on)).toMatchObject({ left: { reason: "Closed" } })
    })
  )

  it.scopedLive("a replaced Snapshot that nobody holds goes at once", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const client = yield* makeClient({ url: server.url })
      const first = yield* Effect.scoped(client.snapshot)
      expect(Either.isRight(first.boolean(on))).toBe(true)
      yield* server.setDocument(onDocument(false))
      yield* client.refresh
      expect(first.boolean(on)).toMatchObject({ left: { reason: "Closed" } })
    })
  )
})

describe("in tests", () => {
  it.effect("layerMock is a whole client without a server", () =>
    Effect.gen(function* () {
      const client = yield* FliptClient.FliptClient
      expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
      expect(yield* client.evaluateVariant({ flagKey: "theme", entityId: "e" })).toMatchObject({
        match: true,
        variantKey: "dark",
        variantAttachment: '{"accent":"teal"}'
      })
      expect((yield* client.evaluateVariant({ flagKey: "plain", entityId: "e" })).variantKey).toBe("a")
      const beta = (plan: string) => client.evaluateBoolean({ flagKey: "beta", entityId: "e", context: { plan } })
      expect((yield* beta("pro")).enabled).toBe(true)
      expect((yield* beta("free")).enabled).toBe(false)
      expect(yield* Effect.flip(client.evaluateBoolean({ flagKey: "broken", entityId: "e" }))).toMatchObject({
        reason: "Unavailable"
      })
      expect(yield* Effect.flip(client.evaluateBoolean({ flagKey: "nope", entityId: "e" }))).toMatchObject({
        reason: "FlagNotFound"
      })
      expect(yield* Effect.flip(client.evaluateBoolean({ flagKey: "theme", entityId: "e" }))).toMatchObject({
        reason: "FlagType"
      })
      expect(yield* Effect.flip(client.evaluateBoolean({ flagKey: "", entityId: "e" }))).toMatchObject({
        path: "flagKey"
      })
      expect((yield* client.evaluateBatch([on, { flagKey: "broken", entityId: "e" }])).map((it) => it._tag)).toEqual([
        "Boolean",
        "Error"
      ])
      expect((yield* client.listFlags).map((flag) => flag.key)).toEqual(["on", "theme", "plain", "beta", "broken"])
      expect((yield* client.getSnapshot).length).toBeGreaterThan(0)
    }).pipe(
      Effect.provide(
        FliptClient.layerMock({
          on: true,
          theme: { variant: "dark", attachment: { accent: "teal" } },
          plain: "a",
          beta: (request) => request.context?.plan === "pro",
          broken: new EvaluationError({ reason: "Unavailable", message: "away" })
        })
      )
    )
  )

  it.effect("Layer.mock takes a part of the client", () =>
    FliptClient.evaluateBoolean(on).pipe(
      Effect.map((result) => expect(result.enabled).toBe(true)),
      Effect.provide(
        Layer.mock(FliptClient.FliptClient, {
          evaluateBoolean: ({ flagKey }) =>
            Effect.succeed({
              _tag: "Boolean",
              flagKey,
              enabled: true,
              reason: "MATCH_EVALUATION_REASON",
              segmentKeys: []
            })
        })
      )
    )
  )

  it.scopedLive("a tag of one's own can hold a client", () =>
    Effect.gen(function* () {
      class Other extends Context.Tag("Other")<Other, FliptClient.Service>() {}
      const server = yield* FliptServer.make()
      yield* server.setDocument(onDocument(true, "other"), { namespace: "other" })
      const enabled = yield* Effect.flatMap(Other, (client) => client.evaluateBoolean(on)).pipe(
        Effect.provide(Layer.scoped(Other, FliptClient.make({ url: server.url, namespace: "other" })))
      )
      expect(enabled.enabled).toBe(true)
    })
  )
})
