/**
 * Shared by the scenarios: complete clients, what an application sees of them, and the two courses that most scenarios
 * follow.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type * as TestServices from "effect/TestServices"
import * as Auth from "../../src/Auth.js"
import * as Engine from "../../src/Engine.js"
import * as Fetcher from "../../src/Fetcher.js"
import * as FliptClient from "../../src/FliptClient.js"
import type { FetchError, RefreshError, StartError } from "../../src/FliptError.js"
import { onDocument } from "../support/documents.js"
import { native } from "../support/engines.js"
import * as FliptServer from "../support/FliptServer.js"
import { captured, type Line } from "../support/logs.js"
import { turn, until } from "../support/wait.js"

/** The setting of one run of a scenario. */
export interface Setting {
  readonly errorStrategy: "fail" | "fallback"
  readonly engine: "portable" | "native"
}

type Run = (setting: Setting, logs: ReadonlyArray<Line>) => Effect.Effect<unknown, unknown, Scope.Scope>
type TimedRun = (
  setting: Setting,
  logs: ReadonlyArray<Line>
) => Effect.Effect<unknown, unknown, Scope.Scope | TestServices.TestServices>

const strategies = ["fail", "fallback"] as const
const bothEngines = native ? (["portable", "native"] as const) : (["portable"] as const)

const eachSetting = (engines: ReadonlyArray<Setting["engine"]>, define: (setting: Setting) => void) => {
  for (const errorStrategy of strategies) {
    for (const engine of engines) {
      const name = engines.length > 1 ? `strategy ${errorStrategy}, ${engine} engine` : `strategy ${errorStrategy}`
      describe(name, () => define({ errorStrategy, engine }))
    }
  }
}

/** A scenario on the real clock, with both strategies. */
export const scenario = (name: string, run: Run): void =>
  eachSetting(["portable"], (setting) => it.scopedLive(name, () => captured((logs) => run(setting, logs))))

/** The same with every available engine. */
export const engineScenario = (name: string, run: Run): void =>
  eachSetting(bothEngines, (setting) => it.scopedLive(name, () => captured((logs) => run(setting, logs))))

/** A scenario on the TestClock, with both strategies. */
export const timedScenario = (name: string, run: TimedRun): void =>
  eachSetting(["portable"], (setting) => it.scoped(name, () => captured((logs) => run(setting, logs))))

/** Three retries without delays: four requests in total. */
export const atOnce: Schedule.Schedule<unknown, FetchError> = Schedule.recurs(3)
/** No retries. */
export const once: Schedule.Schedule<unknown, FetchError> = Schedule.stop

export type Policy = Schedule.Schedule<unknown, FetchError>

/** The one-stop client, without polls. */
export const makeClient = (
  { engine, errorStrategy }: Setting,
  options: FliptClient.Options,
  policy: Policy = atOnce
): Effect.Effect<FliptClient.Service, StartError, Scope.Scope> =>
  FliptClient.make({ updateInterval: Number.POSITIVE_INFINITY, errorStrategy, ...options }).pipe(
    Effect.provideService(Fetcher.RetryPolicy, policy),
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["FLIPT_ENGINE", engine]])))
  )

/** A client with a custom HttpClient. */
export const makeClientOver = <E>(
  { errorStrategy }: Setting,
  http: Layer.Layer<HttpClient.HttpClient, E>,
  options: Fetcher.Options,
  policy: Policy = atOnce,
  auth: Layer.Layer<Auth.Auth> = Auth.layerNone
): Effect.Effect<FliptClient.Service, StartError | E, Scope.Scope> =>
  FliptClient.layerWithoutDependencies({ errorStrategy }).pipe(
    Layer.provide([Engine.layerPortable, Fetcher.layerPolling(options)]),
    Layer.provide([http, auth]),
    Layer.provide(Layer.succeed(Fetcher.RetryPolicy, policy)),
    Layer.build,
    Effect.map(Context.get(FliptClient.FliptClient))
  )

export const on = { flagKey: "on", entityId: "user-1" } as const

/** What an application sees of a client. */
export interface Seen {
  /** The value of the flag `on`, or the reason of the error. */
  readonly on: boolean | string
  readonly status: "Starting" | "Ready" | "Stale" | "Failed"
  readonly version: string | undefined
  /** The reason of the error in the status. */
  readonly error: RefreshError["reason"] | undefined
}

export const seen = (client: FliptClient.Service): Effect.Effect<Seen> =>
  Effect.gen(function* () {
    const value = yield* Effect.either(client.evaluateBoolean(on))
    const status = yield* client.status
    return {
      on: Either.isRight(value) ? value.right.enabled : value.left.reason,
      status: status._tag,
      version: status.version,
      error: "error" in status ? status.error.reason : undefined
    }
  })

export const ready = (on: boolean, version: string): Seen => ({ on, status: "Ready", version, error: undefined })

/** An outage that began after `v1` was loaded. */
export const stale = ({ errorStrategy }: Setting, error: RefreshError["reason"]): Seen => ({
  on: errorStrategy === "fail" ? "Unavailable" : true,
  status: "Stale",
  version: "v1",
  error
})

/** An outage that began before anything was loaded. */
export const failed = (error: RefreshError["reason"]): Seen => ({
  on: "NotReady",
  status: "Failed",
  version: undefined,
  error
})

export const v1 = onDocument(true)
export const v2 = onDocument(false)

/** A server with the document `v1` and the ETag `v1`. */
export const serve = (options?: FliptServer.Options): Effect.Effect<FliptServer.Server, never, Scope.Scope> =>
  Effect.tap(FliptServer.make(options), (server) => server.setDocument(v1, { etag: "v1" }))

/** The levels of the log lines, except Debug. */
export const told = (logs: ReadonlyArray<Line>): ReadonlyArray<string> =>
  logs
    // slowStart.test.ts tests this line
    .filter((line) => line.level !== "DEBUG" && !line.message.includes("still waiting for the first state"))
    .map((line) => line.level)

/** Lets time pass during an attempt. */
type Drive<R> = <A, E>(attempt: Effect.Effect<A, E>) => Effect.Effect<A, E, R>

export interface Trouble<R = never> {
  readonly begin: (server: FliptServer.Server) => Effect.Effect<unknown>
  readonly end: (server: FliptServer.Server) => Effect.Effect<unknown>
  /** The error of each attempt. */
  readonly error: { readonly [field: string]: unknown; readonly reason: RefreshError["reason"] }
  /** A part of the error's message, and of the warning. */
  readonly says: string
  /** The number of requests of one attempt that reach the server. */
  readonly requests: number
  readonly options?: Partial<FliptClient.Options>
  readonly policy?: Policy
  readonly drive?: Drive<R> | undefined
  readonly make?: (server: FliptServer.Server) => Effect.Effect<FliptClient.Service, StartError, Scope.Scope>
  readonly server?: FliptServer.Options
}

const prepare = <R = never>(setting: Setting, trouble: Trouble<R>) =>
  Effect.gen(function* () {
    const server = yield* serve(trouble.server)
    let counted = 0
    return {
      server,
      make:
        trouble.make?.(server) ??
        makeClient(setting, { url: server.url, ...trouble.options }, trouble.policy ?? atOnce),
      drive: trouble.drive ?? ((attempt) => attempt),
      /** The number of requests since this was last read. */
      count: Effect.map(server.requests, ({ length }) => {
        const more = length - counted
        counted = length
        return more
      })
    } as {
      readonly server: FliptServer.Server
      readonly make: Effect.Effect<FliptClient.Service, StartError, Scope.Scope>
      readonly drive: Drive<R>
      readonly count: Effect.Effect<number>
    }
  })

/**
 * A client loads `v1`. Then the trouble begins, the server gets `v2`, and three attempts fail. Then the trouble ends.
 */
export const afterStart = <R = never>(setting: Setting, logs: ReadonlyArray<Line>, trouble: Trouble<R>) =>
  Effect.gen(function* () {
    const { count, drive, make, server } = yield* prepare(setting, trouble)
    const scope = yield* Scope.make()
    const from = logs.length
    const client = yield* Scope.extend(make, scope)
    const held = yield* Scope.extend(client.snapshot, scope)
    expect(yield* seen(client)).toEqual(ready(true, "v1"))
    const confirmedAt = (yield* client.status).confirmedAt
    expect(yield* count).toBe(1)

    yield* server.setDocument(v2, { etag: "v2" })
    yield* trouble.begin(server)
    yield* count
    let since: DateTime.Utc | undefined
    for (let attempt = 0; attempt < 3; attempt++) {
      const error = yield* drive(Effect.flip(client.refresh))
      expect(error).toMatchObject(trouble.error)
      expect(error.message).toContain(trouble.says)
      expect(yield* count).toBe(trouble.requests)
      expect(yield* seen(client)).toEqual(stale(setting, trouble.error.reason))
      const status = yield* client.status
      expect(status).toMatchObject({ _tag: "Stale", error, origin: "server", confirmedAt })
      since ??= "since" in status ? status.since : undefined
      expect(status).toMatchObject({ since })
      expect(held.boolean(on)).toMatchObject({ right: { enabled: true } })
    }
    // One connection stays open for the next request. A connection may be reused only a moment after its answer.
    yield* until(Effect.map(server.connections, (connections) => connections <= 2))

    yield* trouble.end(server)
    expect(yield* client.refresh).toBe(true)
    expect(yield* seen(client)).toEqual(ready(false, "v2"))
    expect(yield* client.refresh).toBe(false)
    expect((yield* server.requests).at(-1)?.headers["if-none-match"]).toBe("v2")

    expect(told(logs.slice(from))).toEqual(["WARN", "INFO"])
    const [warning, recovery] = logs.slice(from).filter((line) => line.level !== "DEBUG")
    expect(warning?.message).toContain(trouble.says)
    expect(warning?.message).toContain(setting.errorStrategy === "fail" ? "evaluations fail" : "serving the last state")
    expect(recovery?.message).toContain(DateTime.formatIso(since as DateTime.Utc))
    yield* closed(server, scope)
  })

/** Closes a client, and checks that no connection is left and no request follows. */
export const closed = (server: FliptServer.Server, scope: Scope.CloseableScope) =>
  Effect.gen(function* () {
    yield* Scope.close(scope, Exit.void)
    yield* server.awaitConnections(0)
    const { length } = yield* server.requests
    yield* Effect.repeatN(turn, 20)
    expect((yield* server.requests).length).toBe(length)
  })

/** A client starts during the trouble. Then the trouble ends. */
export const atStart = <R = never>(setting: Setting, logs: ReadonlyArray<Line>, trouble: Trouble<R>) =>
  Effect.gen(function* () {
    const { count, drive, make, server } = yield* prepare(setting, trouble)
    const scope = yield* Scope.make()
    const from = logs.length
    yield* trouble.begin(server)
    const made = yield* drive(
      Effect.either(Scope.extend(make, scope)) as Effect.Effect<Either.Either<FliptClient.Service, StartError>>
    )
    expect(yield* count).toBe(trouble.requests)
    if (Either.isLeft(made)) {
      expect(setting.errorStrategy).toBe("fail")
      expect(made.left).toMatchObject(trouble.error)
      expect(made.left.message).toContain(trouble.says)
      expect(told(logs.slice(from))).toEqual([])
      yield* trouble.end(server)
      const again = yield* Effect.scoped(Effect.flatMap(make, seen))
      expect(again).toEqual(ready(true, "v1"))
      yield* closed(server, scope)
      return
    }
    expect(setting.errorStrategy).toBe("fallback")
    const client = made.right
    expect(yield* seen(client)).toEqual(failed(trouble.error.reason))
    expect(yield* drive(Effect.flip(client.refresh))).toMatchObject(trouble.error)
    expect(yield* Effect.flip(client.evaluateBoolean(on))).toMatchObject({ cause: trouble.error })
    expect(yield* client.status).toMatchObject({ origin: "none", confirmedAt: undefined })
    yield* trouble.end(server)
    expect(yield* client.refresh).toBe(true)
    expect(yield* seen(client)).toEqual(ready(true, "v1"))
    expect(told(logs.slice(from))).toEqual(["WARN", "INFO"])
    yield* closed(server, scope)
  })

/** Both courses. */
export const outage = <R = never>(setting: Setting, logs: ReadonlyArray<Line>, trouble: Trouble<R>) =>
  Effect.zipRight(atStart(setting, logs, trouble), afterStart(setting, logs, trouble))
