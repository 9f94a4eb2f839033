import * as Http from "node:http"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Auth from "../src/Auth.js"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import { EngineError, EvaluationError } from "../src/FliptError.js"
import { onDocument } from "./support/documents.js"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { listen } from "./support/Listener.js"
import { captured } from "./support/logs.js"
import { document, makeClient, on } from "./support/testClient.js"
import { awhile, turn, until, untilOf } from "./support/wait.js"

/** Makes the server delay its next answer. The inner effect waits for the request and then releases the answer. */
const held = (server: FliptServer.Server) =>
  Effect.gen(function* () {
    const proceed = yield* Deferred.make<() => void>()
    yield* server.fail(Fault.own((exchange) => Deferred.unsafeDone(proceed, Effect.succeed(exchange.proceed))))
    return Effect.map(Deferred.await(proceed), (answer) => answer())
  })

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

  it.scopedLive("works with a v1 server like with a v2 server", () =>
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

  it.scopedLive("requests its environment, namespace and reference, with its credential", () =>
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

  it.scopedLive("distinguishes an unknown flag from a flag of the other type", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: document } })
      const client = yield* makeClient({ url: server.url })
      expect(yield* Effect.flip(client.evaluateBoolean({ ...on, flagKey: "nope" }))).toMatchObject({
        _tag: "EvaluationError",
        reason: "FlagNotFound",
        flagKey: "nope",
        message: expect.stringMatching(/^invalid request: failed to get flag information default\/nope; /)
      })
      expect(yield* Effect.flip(client.evaluateVariant(on))).toMatchObject({
        _tag: "EvaluationError",
        reason: "FlagType",
        message: expect.stringMatching(/^invalid request: on is not a variant flag; /)
      })
    })
  )

  it.scopedLive("polls, and keeps its state while nothing changes", () =>
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

  it.scopedLive("keeps an ETag only once its body is loaded", () =>
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

  it.scopedLive("shares one request among simultaneous refreshes", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const client = yield* makeClient({ url: server.url })
      const answer = yield* held(server)
      yield* server.setDocument(onDocument(false))
      let begun = 0
      const refresh = Effect.suspend(() => {
        begun++
        return client.refresh
      })
      const refreshes = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 1000 }, () => refresh),
          { concurrency: "unbounded" }
        )
      )
      yield* until(() => begun === 1000)
      yield* answer
      const changed = yield* Fiber.join(refreshes)
      expect(changed.every((value) => value)).toBe(true)
      expect((yield* server.requests).length).toBe(2)
    })
  )

  it.scopedLive("continues a request if one of its waiters is interrupted", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const client = yield* makeClient({ url: server.url })
      yield* server.setDocument(onDocument(false))
      const answer = yield* held(server)
      const impatient = yield* Effect.fork(client.refresh)
      yield* server.awaitRequests(2)
      const patient = yield* Effect.fork(client.refresh)
      yield* turn
      yield* Fiber.interrupt(impatient)
      yield* answer
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
      const second = yield* untilOf(
        Effect.zipRight(client.refresh, client.status),
        (status) => status.confirmedAt?.epochMillis !== first.confirmedAt?.epochMillis
      )
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

  it.scopedLive("fails with Unavailable from a failed fetch until the next success, which can be a 304", () =>
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

  it.scopedLive("fails with Unavailable if a body does not compile", () =>
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

describe("a defect in a part of the client", () => {
  it.scopedLive("is an outage like any other, and does not end polling", () =>
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
  it.scopedLive("keeps serving the last state, and warns once", () =>
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

  it.scopedLive("starts without a state, fails with NotReady, and is ready after the first success", () =>
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

  it.scopedLive("starts from a seed while the server is away, and replaces it when the server is back", () =>
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

  it.scopedLive("keeps polling after a 401", () =>
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
  it.scopedLive("that is invalid fails the layer with either strategy", () =>
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
  it.scopedLive("receives the document's digest if it can be sent, and no condition otherwise", () =>
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

describe("a custom HttpClient", () => {
  it.scopedLive("may turn status codes into failures", () =>
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

  it.scopedLive("with a custom Auth hides its credential in any header", () =>
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

describe("the scope", () => {
  it.scopedLive("ends everything: later calls fail with Closed", () =>
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
        Option.some("the snapshot is closed: its scope has ended")
      )
      yield* server.awaitConnections(0)
      yield* awhile
      expect((yield* server.requests).length).toBe(length)
    })
  )

  it.scopedLive("that an engine ends while it writes a seed fails getSnapshot like any evaluation", () =>
    Effect.gen(function* () {
      const cause = new EngineError({ reason: "Closed", message: "it ended" })
      const ending = Layer.map(Engine.layerPortable, (context) => {
        const engine = Context.get(context, Engine.Engine)
        const compile: Engine.Service["compile"] = (namespace, bytes) =>
          Effect.map(engine.compile(namespace, bytes), (snapshot) => ({ ...snapshot, seed: Effect.fail(cause) }))
        return Context.make(Engine.Engine, { ...engine, compile })
      })
      const parts = Layer.merge(ending, Fetcher.layerStatic(JSON.stringify(document)))
      const client = yield* FliptClient.FliptClient.pipe(
        Effect.provide(yield* Layer.build(Layer.provide(FliptClient.layerWithoutDependencies(), parts)))
      )
      const error = yield* Effect.flip(client.getSnapshot)
      expect(error).toBeInstanceOf(EvaluationError)
      expect(error).toMatchObject({ reason: "Closed", message: "it ended", cause })
    })
  )

  it.scopedLive("ends a request in flight, and its waiters", () =>
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

  it.scopedLive("leaves nothing behind if building the layer is interrupted", () =>
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

  it.scopedLive("a replaced Snapshot stays usable while it is in use, and is then freed", () =>
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

  it.scopedLive("a replaced Snapshot without users is freed immediately", () =>
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
  it.effect("layerMock is a complete client without a server", () =>
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

  it.effect("Layer.mock accepts a part of the client", () =>
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

  it.scopedLive("a custom tag can hold a client", () =>
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
