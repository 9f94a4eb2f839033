import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as Flag from "../src/Flag.js"
import * as FliptClient from "../src/FliptClient.js"
import * as FliptClients from "../src/FliptClients.js"
import * as SnapshotStore from "../src/SnapshotStore.js"
import { awaitOn, isOn, on } from "./support/clients.js"
import { onDocument } from "./support/documents.js"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { captured } from "./support/logs.js"
import { until, untilOf } from "./support/wait.js"

const build = <E, R>(layer: Layer.Layer<FliptClients.FliptClients, E, R>) =>
  Effect.map(Layer.build(layer), Context.get(FliptClients.FliptClients))

const withoutRetries = Layer.succeed(Fetcher.RetryPolicy, Schedule.stop)

/** Clients that fetch only once by default. */
const make = (server: FliptServer.Server, options: FliptClients.Options = {}) =>
  build(
    FliptClients.layer({ url: server.url, updateInterval: Infinity, ...options }).pipe(Layer.provide(withoutRetries))
  )

const serve = (...namespaces: ReadonlyArray<string>) =>
  FliptServer.make({
    documents: Object.fromEntries(
      namespaces.map((namespace) => [namespace, onDocument(namespace !== "off", namespace)])
    )
  })

/** The requested namespaces, in order. */
const askedFor = (server: FliptServer.Server) =>
  Effect.map(server.requests, (requests) => requests.map(({ path }) => /namespaces?\/([^/]+)/.exec(path)?.[1] ?? path))

/** Clients whose documents come from an effect that the test controls. */
const makeFrom = (
  fetch: (namespace: string) => Effect.Effect<string, Error>,
  options: { readonly idleTimeToLive?: FliptClients.Options["idleTimeToLive"] } = {}
) =>
  build(
    FliptClients.layerWithoutDependencies({
      client: (target) =>
        FliptClient.layerWithoutDependencies().pipe(
          Layer.provide(
            Fetcher.layerEffect({ ...target, fetch: () => fetch(target.namespace), updateInterval: Infinity })
          )
        ),
      ...options
    }).pipe(Layer.provide(Engine.layerPortable), Layer.provide(withoutRetries))
  )

const awaitClosed = (client: FliptClient.Service) => untilOf(isOn(client), (answer) => answer === "Closed")

const documentOf = (namespace: string) => JSON.stringify(onDocument(true, namespace))

describe("a client", () => {
  it.scopedLive("exists once per target, for any number of callers", () =>
    Effect.gen(function* () {
      const server = yield* serve("default", "shop")
      const { get } = yield* make(server)
      const targets = [
        {},
        { namespace: "default" },
        { environment: "default", namespace: undefined },
        { environment: "default", namespace: "default" }
      ]
      const clients = yield* Effect.forEach(Array.from({ length: 200 }), (_, index) => get(targets[index % 4]!), {
        concurrency: "unbounded"
      })
      expect(new Set(clients).size).toBe(1)
      expect(new Set(yield* Effect.forEach(targets, get))).toEqual(new Set(clients))
      expect(yield* get({ namespace: "shop" })).not.toBe(clients[0])
      expect(yield* askedFor(server)).toEqual(["default", "shop"])
    })
  )

  it.scopedLive("sees only its own namespace and environment", () =>
    Effect.gen(function* () {
      const server = yield* serve("shop", "off")
      yield* server.setDocument(onDocument(false, "shop"), { environment: "staging", namespace: "shop" })
      const { get } = yield* make(server)
      const shop = yield* get({ namespace: "shop" })
      const off = yield* get({ namespace: "off" })
      const staging = yield* get({ environment: "staging", namespace: "shop" })
      expect([yield* isOn(shop), yield* isOn(off), yield* isOn(staging)]).toEqual([true, false, false])

      yield* server.setDocument(onDocument(false, "shop"), { namespace: "shop" })
      yield* server.setDocument(onDocument(true, "off"), { namespace: "off" })
      expect(yield* shop.refresh).toBe(true)
      expect([yield* isOn(shop), yield* isOn(off), yield* isOn(staging)]).toEqual([false, false, false])
    })
  )

  it.scopedLive("shares one connection pool, one engine and one credential with the others", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const provider = ConfigProvider.mapInputPath(ConfigProvider.fromMap(new Map()), (path) => {
        asked.push(path)
        return path
      })
      const server = yield* serve("a", "b", "c")
      yield* server.setToken({ kind: "client", value: "t0ken" })
      const { get } = yield* make(server, { authentication: { clientToken: Redacted.make("t0ken") } }).pipe(
        Effect.withConfigProvider(provider)
      )
      for (const namespace of ["a", "b", "c"]) {
        expect(yield* isOn(yield* get({ namespace }))).toBe(true)
      }
      expect(yield* server.accepted).toBe(1)
      // an engine reads its configuration when it is built
      expect(asked.filter((path) => path === "FLIPT_ENGINE")).toHaveLength(1)
    })
  )

  it.scopedLive("has its own stream, and follows it", () =>
    Effect.gen(function* () {
      const server = yield* serve("a", "b")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { get } = yield* make(server, { fetchMode: "streaming" })
          const a = yield* get({ namespace: "a" })
          const b = yield* get({ namespace: "b" })
          yield* server.awaitStreams(2)
          yield* server.setDocument(onDocument(false, "b"), { namespace: "b" })
          yield* awaitOn(b, false)
          expect(yield* isOn(a)).toBe(true)
        })
      )
      yield* server.awaitStreams(0)
      yield* server.awaitConnections(0)
    })
  )

  it.scopedLive("polls independently", () =>
    Effect.gen(function* () {
      const server = yield* serve("a", "b")
      const { get } = yield* make(server, { updateInterval: "10 millis" })
      const a = yield* get({ namespace: "a" })
      const b = yield* get({ namespace: "b" })
      yield* server.setDocument(onDocument(false, "b"), { namespace: "b" })
      yield* awaitOn(b, false)
      expect(yield* isOn(a)).toBe(true)
    })
  )

  it.scopedLive("has its own entry in the store", () =>
    Effect.gen(function* () {
      const server = yield* serve("a", "b")
      const saved: Array<string> = []
      const store = Layer.succeed(SnapshotStore.SnapshotStore, {
        load: () => Effect.succeedNone,
        save: ({ environment, namespace }) => Effect.sync(() => saved.push(`${environment}/${namespace}`))
      })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { get } = yield* make(server).pipe(Effect.provide(store))
          yield* get({ namespace: "a" })
          yield* get({ environment: "default", namespace: "b" })
        })
      )
      expect(saved.sort()).toEqual(["default/a", "default/b"])
    })
  )

  it.scopedLive("belongs to the layer and inherits no References or log annotations from its first caller", () =>
    captured((log) =>
      Effect.gen(function* () {
        const server = yield* serve("a")
        const warnings = () => log.filter(({ level }) => level === "WARN").map(({ message }) => message)
        const stores: Array<string> = []
        const store = (name: string): SnapshotStore.Service => ({
          load: () => Effect.succeedNone,
          save: () => Effect.sync(() => stores.push(name))
        })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { get } = yield* make(server, { updateInterval: "10 millis" }).pipe(
              Effect.provideService(SnapshotStore.SnapshotStore, store("the layer's"))
            )
            const ask = get({ namespace: "a" }).pipe(
              Effect.provideService(SnapshotStore.SnapshotStore, store("the asker's")),
              Effect.provideService(Fetcher.RetryPolicy, Schedule.recurs(5)),
              Effect.annotateLogs("request", "7")
            )
            yield* server.fail(Fault.reset)
            yield* Effect.flip(ask)
            expect(yield* server.requests).toHaveLength(1)
            yield* ask
            yield* server.stop
            yield* until(() => warnings().length > 0)
          })
        )
        expect(stores).toEqual(["the layer's"])
        expect(warnings()).toHaveLength(1)
        expect(warnings()[0]).not.toContain("request,7")
      })
    )
  )
})

describe("a start", () => {
  it.scopedLive("that fails is reported to all waiting callers, and the next caller retries", () =>
    Effect.gen(function* () {
      const server = yield* serve("a")
      const { get } = yield* make(server)
      yield* server.failAlways(Fault.reset)
      const errors = yield* Effect.forEach([1, 2, 3], () => Effect.flip(get({ namespace: "a" })), {
        concurrency: "unbounded"
      })
      expect(errors.map(({ _tag }) => _tag)).toEqual(["FetchError", "FetchError", "FetchError"])
      expect(yield* server.requests).toHaveLength(1)

      yield* server.failAlways(undefined)
      const client = yield* get({ namespace: "a" })
      expect(yield* isOn(client)).toBe(true)
      expect(yield* get({ namespace: "a" })).toBe(client)
      expect(yield* server.requests).toHaveLength(2)
    })
  )

  it.scopedLive("that failed leaves nothing behind and does not end a later client", () =>
    Effect.gen(function* () {
      const fails = yield* Deferred.make<string, Error>()
      let fetches = 0
      let isClosed = false
      const { get } = yield* build(
        FliptClients.layerWithoutDependencies({
          client: (target) =>
            FliptClient.layerWithoutDependencies().pipe(
              Layer.provide(
                Fetcher.layerEffect({
                  ...target,
                  fetch: () => (++fetches === 1 ? Deferred.await(fails) : Effect.succeed(documentOf("a"))),
                  updateInterval: Infinity
                })
              ),
              Layer.provideMerge(
                Layer.scopedDiscard(
                  Effect.addFinalizer(() =>
                    Effect.sync(() => {
                      isClosed = true
                    })
                  )
                )
              )
            )
        }).pipe(Layer.provide([Engine.layerPortable, withoutRetries]))
      )
      const failed = yield* Scope.make()
      const first = yield* Effect.fork(Effect.flip(Scope.extend(get({ namespace: "a" }), failed)))
      yield* Deferred.fail(fails, new Error("away"))
      expect((yield* Fiber.join(first))._tag).toBe("FetchError")
      expect(isClosed).toBe(true)

      const client = yield* get({ namespace: "a" })
      yield* Scope.close(failed, Exit.void)
      expect(yield* get({ namespace: "a" })).toBe(client)
      expect(yield* isOn(client)).toBe(true)
    })
  )

  it.scopedLive("that dies is reported to the waiting callers, and retried", () =>
    Effect.gen(function* () {
      let asked = 0
      const { get } = yield* build(
        FliptClients.layerWithoutDependencies({
          client: () => {
            if (++asked === 1) {
              throw new Error("no layer")
            }
            return FliptClient.layerMock({ on: true })
          }
        })
      )
      const exit = yield* Effect.exit(get({}))
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
      expect(yield* isOn(yield* get({}))).toBe(true)
    })
  )

  it.scopedLive("continues for the others if a waiting caller is interrupted", () =>
    Effect.gen(function* () {
      const document = yield* Deferred.make<string>()
      const begun = yield* Deferred.make<void>()
      const { get } = yield* makeFrom(() =>
        Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(document))
      )
      const first = yield* Effect.fork(Effect.scoped(get({ namespace: "a" })))
      yield* Deferred.await(begun)
      const second = yield* Effect.fork(get({ namespace: "a" }))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(document, documentOf("a"))
      expect(yield* isOn(yield* Fiber.join(second))).toBe(true)
    })
  )

  it.scoped("without waiting callers ends after the idle time", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      let fetches = 0
      const { get } = yield* makeFrom(() =>
        ++fetches === 1
          ? Deferred.succeed(begun, undefined).pipe(
              Effect.zipRight(Effect.never),
              Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
            )
          : Effect.succeed(documentOf("a"))
      )
      const first = yield* Effect.fork(Effect.scoped(get({ namespace: "a" })))
      yield* Deferred.await(begun)
      yield* TestClock.adjust("1 hour")
      expect(yield* Deferred.isDone(ended)).toBe(false)
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("5 minutes")
      yield* Deferred.await(ended)
      expect(yield* isOn(yield* get({ namespace: "a" }))).toBe(true)
    })
  )

  it.scopedLive("with the strategy fallback succeeds without a state if the server is unreachable", () =>
    captured(() =>
      Effect.gen(function* () {
        const server = yield* serve("a")
        const { get } = yield* make(server, { errorStrategy: "fallback" })
        yield* server.fail(Fault.reset)
        const client = yield* get({ namespace: "a" })
        expect(yield* isOn(client)).toBe("NotReady")
        expect(yield* client.refresh).toBe(true)
        expect(yield* isOn(yield* get({ namespace: "a" }))).toBe(true)
      })
    )
  )
})

describe("an idle client", () => {
  /** Timers hold 31 bits of milliseconds. */
  const longestSleep = Effect.map(TestClock.sleeps(), (times) => Math.max(...times))

  const use = (clients: FliptClients.Service, namespace: string) =>
    Effect.scoped(Effect.tap(clients.get({ namespace }), isOn))

  it.scoped("stays open for five minutes after its last use, then closes", () =>
    Effect.gen(function* () {
      const server = yield* serve("a")
      const clients = yield* make(server)
      const first = yield* use(clients, "a")
      yield* TestClock.adjust("299 seconds")
      expect(yield* use(clients, "a")).toBe(first)
      yield* TestClock.adjust("299 seconds")
      expect(yield* isOn(first)).toBe(true)
      expect(yield* server.requests).toHaveLength(1)
      yield* TestClock.adjust("1 second")
      yield* awaitClosed(first)
      const second = yield* use(clients, "a")
      expect(second).not.toBe(first)
      expect(yield* isOn(second)).toBe(true)
      expect(yield* server.requests).toHaveLength(2)
    })
  )

  it.scoped("closes its stream, while the streams of other clients stay open", () =>
    Effect.gen(function* () {
      const server = yield* serve("a", "b")
      const clients = yield* make(server, { fetchMode: "streaming", idleTimeToLive: "1 minute" })
      yield* clients.get({ namespace: "a" })
      const b = yield* use(clients, "b")
      yield* server.awaitStreams(2)
      yield* TestClock.adjust("1 minute")
      yield* server.awaitStreams(1)
      yield* awaitClosed(b)
    })
  )

  it.scoped("excludes a client that one of two callers still uses", () =>
    Effect.gen(function* () {
      const server = yield* serve("a")
      const clients = yield* make(server)
      const client = yield* clients.get({ namespace: "a" })
      expect(yield* use(clients, "a")).toBe(client)
      yield* TestClock.adjust("1 hour")
      expect(yield* isOn(client)).toBe(true)
      expect(yield* use(clients, "a")).toBe(client)
      expect(yield* server.requests).toHaveLength(1)
    })
  )

  it.scoped("stays open forever if idleTimeToLive is infinite, and for weeks if it is weeks", () =>
    Effect.gen(function* () {
      const server = yield* serve("a")
      const forever = yield* use(yield* make(server, { idleTimeToLive: Infinity }), "a")
      const weeks = yield* use(yield* make(server, { idleTimeToLive: "30 days" }), "a")
      expect(yield* longestSleep).toBeLessThan(2 ** 31)
      yield* TestClock.adjust("29 days")
      expect([yield* isOn(forever), yield* isOn(weeks)]).toEqual([true, true])
      yield* TestClock.adjust("1 day")
      yield* awaitClosed(weeks)
      yield* TestClock.adjust("1000 days")
      expect(yield* isOn(forever)).toBe(true)
    })
  )

  it.scoped("whose close fails does not affect the next client", () =>
    Effect.gen(function* () {
      const ending = yield* Deferred.make<void>()
      const end = yield* Deferred.make<void>()
      let made = 0
      const clients = yield* build(
        FliptClients.layerWithoutDependencies({
          client: () =>
            Layer.merge(
              FliptClient.layerMock({ on: true }),
              Layer.scopedDiscard(
                ++made > 1
                  ? Effect.void
                  : Effect.addFinalizer(() =>
                      Deferred.succeed(ending, undefined).pipe(
                        Effect.zipRight(Deferred.await(end)),
                        Effect.zipRight(Effect.dieMessage("torn"))
                      )
                    )
              )
            )
        })
      )
      yield* use(clients, "a")
      yield* TestClock.adjust("5 minutes")
      yield* Deferred.await(ending)
      const second = yield* clients.get({ namespace: "a" })
      yield* Deferred.succeed(end, undefined)
      yield* Effect.repeatN(Effect.yieldNow(), 100)
      expect(yield* clients.get({ namespace: "a" })).toBe(second)
      expect(yield* isOn(second)).toBe(true)
      expect(made).toBe(2)
    })
  )
})

describe("invalid input", () => {
  it.scopedLive("in a target is a ValidationError that names it, without a request", () =>
    Effect.gen(function* () {
      const server = yield* serve("default")
      const { get } = yield* make(server)
      const problem = (target: unknown) =>
        Effect.map(Effect.flip(get(target as {})), (error) => [
          error._tag,
          error.reason,
          "path" in error ? error.path : "",
          error.message
        ])
      expect(yield* problem({ namespace: " " })).toEqual([
        "ValidationError",
        "Argument",
        "namespace",
        "namespace must be a key, not empty"
      ])
      expect(yield* problem({ environment: "ümlaut" })).toEqual([
        "ValidationError",
        "Argument",
        "environment",
        "environment must be a key of visible ASCII characters, not empty"
      ])
      expect(yield* problem({ nameSpace: "shop" })).toEqual([
        "ValidationError",
        "Argument",
        "nameSpace",
        "nameSpace is not known; check the spelling"
      ])
      expect(yield* problem("shop")).toEqual(["ValidationError", "Argument", "target", "the target must be an object"])
      expect(yield* server.requests).toEqual([])
    })
  )

  it.effect("in the options is a ValidationError when the layer is built", () =>
    Effect.gen(function* () {
      const problem = (options: object) =>
        Effect.map(Effect.flip(Effect.scoped(build(FliptClients.layer(options)))), (error) => [
          error._tag,
          error.message
        ])
      const ofOne = "does not apply to FliptClients:"
      expect(yield* problem({ namespace: "shop" })).toEqual([
        "ValidationError",
        `the option namespace ${ofOne} pass it to get or provide`
      ])
      expect(yield* problem({ environment: "shop" })).toEqual([
        "ValidationError",
        `the option environment ${ofOne} pass it to get or provide`
      ])
      expect(yield* problem({ snapshot: "e30=" })).toEqual([
        "ValidationError",
        `the option snapshot ${ofOne} it is the state of one namespace`
      ])
      expect((yield* problem({ idleTimeToLive: 0 }))[1]).toContain("the option idleTimeToLive must be a duration")
      expect((yield* problem({ url: "ftp://flipt" }))[1]).toContain("the option url must be")
      expect((yield* problem({ tlsConfig: { caCertFile: "/no/file" } }))[1]).toContain("tlsConfig.caCertFile")
      expect((yield* problem({ authentication: { clientToken: Redacted.make("") } }))[1]).toContain("authentication")
      expect((yield* problem({ idle: 1 }))[1]).toBe("the option idle is not known; check the spelling")
      expect(
        (yield* problem({
          namespace: undefined,
          environment: undefined,
          snapshot: undefined,
          idleTimeToLive: "0 millis"
        }))[1]
      ).toContain("idleTimeToLive")
    })
  )

  it.effect("in the options of layerWithoutDependencies is a ValidationError too", () =>
    Effect.gen(function* () {
      const problem = (options: object) =>
        Effect.map(
          Effect.flip(Effect.scoped(build(FliptClients.layerWithoutDependencies<never>(options as never)))),
          ({ message }) => message
        )
      const client = () => FliptClient.layerMock({})
      expect(yield* problem({ client, idleTimeToLive: -1 })).toContain("the option idleTimeToLive must be a duration")
      expect(yield* problem({ client: client() })).toBe(
        "the option client must be a function that returns the client's layer for a target"
      )
      expect(yield* problem({ client, url: "" })).toBe("the option url is not known; check the spelling")
    })
  )

  it.effect("a missing engine is an EngineError when the layer is built", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(build(FliptClients.layer())))
      expect(error._tag).toBe("EngineError")
    }).pipe(
      Effect.withConfigProvider(
        ConfigProvider.fromMap(
          new Map([
            ["FLIPT_ENGINE", "native"],
            ["FLIPT_ENGINE_PATH", "/no/library"]
          ])
        )
      )
    )
  )

  it.effect("an unused service in the context causes one warning", () =>
    captured((log) =>
      Effect.gen(function* () {
        yield* Effect.scoped(build(FliptClients.layer().pipe(Layer.provide(Engine.layerMock({ on: true })))))
        expect(log.filter(({ message }) => message.includes("is ignored"))).toEqual([
          {
            level: "WARN",
            message:
              "FliptClients: the flipt-client-effect/Engine in the context is ignored because layer provides its own; " +
              "use layerWithoutDependencies to supply it"
          }
        ])
      })
    )
  )
})

describe("the layer's scope", () => {
  it.scopedLive("closes them even if the layer is built in an uninterruptible region", () =>
    Effect.gen(function* () {
      const server = yield* serve("a")
      const layers = yield* Scope.make()
      const clients = yield* Effect.uninterruptible(Scope.extend(make(server), layers))
      const client = yield* clients.get({ namespace: "a" })
      yield* Scope.close(layers, Exit.void)
      expect(yield* isOn(client)).toBe("Closed")
    })
  )

  it.scopedLive("closes every client and connection, even those in use", () =>
    Effect.gen(function* () {
      const server = yield* serve("a", "b", "c")
      const layers = yield* Scope.make()
      const clients = yield* Scope.extend(make(server, { fetchMode: "streaming" }), layers)
      const inUse = yield* Effect.forEach(["a", "b"], (namespace) => clients.get({ namespace }))
      const idle = yield* Effect.scoped(clients.get({ namespace: "c" }))
      yield* server.awaitStreams(3)
      yield* Scope.close(layers, Exit.void)
      yield* server.awaitConnections(0)
      expect(yield* Effect.forEach([...inUse, idle], isOn)).toEqual(["Closed", "Closed", "Closed"])
      const error = yield* Effect.flip(clients.get({ namespace: "a" }))
      expect([error._tag, error.reason]).toEqual(["EngineError", "Closed"])
      yield* server.awaitConnections(0)
      expect((yield* askedFor(server)).filter((namespace) => namespace === "a")).toHaveLength(2)
    })
  )

  it.scopedLive("ends a start in progress, and waiting callers get the error", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      const layers = yield* Scope.make()
      const clients = yield* makeFrom(() =>
        Deferred.succeed(begun, undefined).pipe(
          Effect.zipRight(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
        )
      ).pipe(Scope.extend(layers))
      const waiting = yield* Effect.fork(Effect.flip(clients.get({ namespace: "a" })))
      yield* Deferred.await(begun)
      yield* Scope.close(layers, Exit.void)
      expect(yield* Deferred.isDone(ended)).toBe(true)
      const error = yield* Fiber.join(waiting)
      expect([error._tag, error.reason]).toEqual(["EngineError", "Closed"])
    })
  )
})

describe("provide", () => {
  it.scopedLive("runs an effect with the client of another namespace", () =>
    Effect.gen(function* () {
      const server = yield* serve("default", "shop", "off")
      const both = Layer.merge(
        FliptClient.layer({ url: server.url, updateInterval: Infinity }),
        FliptClients.layer({ url: server.url, updateInterval: Infinity })
      )
      const ask = Effect.map(FliptClient.evaluateBoolean(on), ({ enabled }) => enabled)
      const answers = Effect.all([
        ask,
        FliptClients.provide({ namespace: "off" })(ask),
        ask.pipe(FliptClients.provide({ namespace: "shop" })),
        FliptClients.provide(ask, { namespace: "off" })
      ])
      expect(yield* Effect.provide(answers, both)).toEqual([true, false, true, false])
      expect((yield* askedFor(server)).sort()).toEqual(["default", "off", "shop"])
    })
  )

  it.scopedLive("runs typed flags against another namespace, for the entity of the context", () =>
    Effect.gen(function* () {
      const server = yield* serve("default", "off")
      const both = Layer.merge(
        FliptClient.layer({ url: server.url, updateInterval: Infinity }),
        FliptClients.layer({ url: server.url, updateInterval: Infinity })
      )
      const On = Flag.boolean("on", { default: true })
      const answers = Effect.all([On.get(), On.get().pipe(FliptClients.provide({ namespace: "off" }))]).pipe(
        Effect.provideService(Flag.Entity, { entityId: "user-1" })
      )
      expect(yield* Effect.provide(answers, both)).toEqual([true, false])
    })
  )

  it.scoped("keeps the client for as long as the effect runs, and leaves the effect's own Scope open", () =>
    Effect.gen(function* () {
      const server = yield* serve("a")
      const clients = yield* make(server)
      const within = yield* Deferred.make<void>()
      const finish = yield* Deferred.make<void>()
      let isReleased = false
      const own = yield* Scope.make()
      const running = yield* Effect.gen(function* () {
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            isReleased = true
          })
        )
        yield* Deferred.succeed(within, undefined)
        yield* Deferred.await(finish)
        const client = yield* FliptClient.FliptClient
        return [client, yield* isOn(client)] as const
      }).pipe(
        FliptClients.provide({ namespace: "a" }),
        Effect.provideService(FliptClients.FliptClients, clients),
        Scope.extend(own),
        Effect.fork
      )
      yield* Deferred.await(within)
      yield* TestClock.adjust("1 hour")
      yield* Deferred.succeed(finish, undefined)
      const [client, enabled] = yield* Fiber.join(running)
      expect(enabled).toBe(true)
      expect(isReleased).toBe(false)
      yield* TestClock.adjust("5 minutes")
      yield* awaitClosed(client)
    })
  )

  it.scopedLive("fails with the error of a start, and leaves no client in use when interrupted", () =>
    Effect.gen(function* () {
      const clients = yield* makeFrom((namespace) =>
        namespace === "away" ? Effect.fail(new Error("away")) : Effect.succeed(documentOf(namespace))
      )
      const ask = FliptClient.evaluateBoolean(on)
      const provided = Effect.provideService(FliptClients.FliptClients, clients)
      const error = yield* Effect.flip(ask.pipe(FliptClients.provide({ namespace: "away" }), provided))
      expect(error._tag).toBe("FetchError")
      const exit = yield* Effect.exit(Effect.interrupt.pipe(FliptClients.provide({ namespace: "here" }), provided))
      expect(Exit.isInterrupted(exit)).toBe(true)
    })
  )

  it.effect("needs no server in a test", () =>
    FliptClient.evaluateBoolean(on).pipe(
      FliptClients.provide({ namespace: "beta" }),
      Effect.map(({ enabled }) => expect(enabled).toBe(true)),
      Effect.provide(
        FliptClients.layerWithoutDependencies({
          client: ({ environment, namespace }) =>
            FliptClient.layerMock({ on: `${environment}/${namespace}` === "default/beta" })
        })
      )
    )
  )
})
