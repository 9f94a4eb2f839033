/**
 * Two ioredis clients, one for commands and one for subscriptions, with timeouts.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { FetchError, ValidationError } from "flipt-client-effect/FliptError"
import { Cluster, Redis, type RedisOptions, ReplyError } from "ioredis"
import type * as Connection from "../Connection.js"
import * as options from "./options.js"
import { errorMessage } from "./text.js"

export const Signal = Data.taggedEnum<Connection.Signal>()

type Client = Redis | Cluster

const REQUEST_TIMEOUT = Duration.seconds(5)
const TIME_TO_LIVE = Duration.days(30)
/** How much longer a transfer may take than a command. */
const TRANSFER_FACTOR = 10
/** The maximum delay before a reconnect, so that a client is current within a second after Redis is back. */
const MAX_RECONNECT_MILLIS = 500
const MIN_RECONNECT_MILLIS = 50
/** How long ioredis waits for the other side to close a connection. */
const CLOSE_MILLIS = 500
const BUFFERED_SIGNALS = 16

interface Settings {
  readonly prefix: string
  readonly timeToLive: Duration.Duration
  readonly requestTimeout: Duration.Duration
}

/**
 * Commands are neither queued nor repeated: a renewal that is too late must fail, and queued states would be obsolete.
 * `spread` differs between processes, so that they do not reconnect at the same time.
 */
const defaults = (spread: number): RedisOptions => ({
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  disconnectTimeout: CLOSE_MILLIS,
  retryStrategy: (times) =>
    Math.round(spread * Math.min(MIN_RECONNECT_MILLIS * 2 ** Math.min(times, 10), MAX_RECONNECT_MILLIS)),
  // a former master, after a failover that kept the connection open
  reconnectOnError: (error) => error.message.startsWith("READONLY")
})

/** ioredis handles only the first error of a socket. A second one, which TLS can cause, would end the process. */
const guard = (client: Client): void => {
  if (client instanceof Redis) {
    client.stream?.on("error", () => {})
  }
}

/** A client that closes with the Scope, and the last error of its connection. */
const open = (
  connect: () => Client
): Effect.Effect<{ readonly client: Client; readonly lastError: () => string | undefined }, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const client = connect()
      // one for each command that waits for the connection
      client.setMaxListeners(0)
      let lastError: string | undefined
      client.on("error", (error: unknown) => {
        guard(client)
        lastError = errorMessage(error)
      })
      client.on("ready", () => {
        lastError = undefined
      })
      return { client, lastError: () => lastError }
    }),
    ({ client }) =>
      Effect.async<void>((resume) => {
        if (client.status === "end") {
          resume(Effect.void)
        } else {
          client.once("end", () => resume(Effect.void))
          guard(client)
          client.disconnect()
          // ioredis does not report the end of a client that waited to reconnect
          if ((client.status as string) === "reconnecting") {
            resume(Effect.void)
          }
        }
      })
  )

/** Waits until commands can be sent. Restarts a client that has given up. */
const awaitReady = (client: Client): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    if (client.status === "ready") {
      resume(Effect.void)
      return
    }
    const onReady = () => resume(Effect.void)
    client.once("ready", onReady)
    if (client.status === "end") {
      client.connect().catch(() => {})
    }
    return Effect.sync(() => client.off("ready", onReady))
  })

/** Replaces a connection that is open but silent. Nothing else would notice a peer that vanished. */
const replace = (client: Client): Effect.Effect<void> =>
  Effect.sync(() => {
    if (client.status === "ready" || client.status === "connect") {
      guard(client)
      client.disconnect(true)
    }
  })

const toFetchError =
  (lastError: () => string | undefined) =>
  (error: unknown): FetchError =>
    error instanceof ReplyError
      ? new FetchError({ reason: "Source", retryable: false, message: `Redis: ${errorMessage(error)}` })
      : new FetchError({
          reason: "Network",
          retryable: true,
          message: ["Redis: the connection broke", lastError()].filter((part) => part !== undefined).join(": ")
        })

const makeService = (
  connect: () => Client,
  settings: Settings
): Effect.Effect<Connection.Service, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { client, lastError } = yield* open(connect)
    const { client: subscriber } = yield* open(connect)
    const { requestTimeout } = settings

    const run: Connection.Service["run"] = (command, runOptions) => {
      const limit = runOptions?.transfer === true ? Duration.times(requestTimeout, TRANSFER_FACTOR) : requestTimeout
      return awaitReady(client).pipe(
        Effect.timeoutFail({
          duration: requestTimeout,
          onTimeout: () =>
            new FetchError({
              reason: "Network",
              retryable: true,
              message: `Redis cannot be reached: ${lastError() ?? `no connection within ${Duration.format(requestTimeout)}`}`
            })
        }),
        Effect.tapError(() => replace(client)),
        Effect.zipRight(
          Effect.tryPromise({ try: () => command(client), catch: toFetchError(lastError) }).pipe(
            Effect.timeoutFail({
              duration: limit,
              onTimeout: () =>
                new FetchError({
                  reason: "Timeout",
                  retryable: true,
                  message: `Redis: no reply within ${Duration.format(limit)}`
                })
            }),
            Effect.tapError((error) => (error.reason === "Timeout" ? replace(client) : Effect.void))
          )
        )
      )
    }

    const listeners = new Map<string, Set<(signal: Connection.Signal) => void>>()
    const tell = (channel: string, signal: Connection.Signal): void => {
      for (const listener of listeners.get(channel) ?? []) listener(signal)
    }
    /** Subscribes, and reports when the subscription is active. If it already is, Redis confirms it again. */
    const activate = (channel: string, then: (signal: Connection.Signal) => void): void => {
      subscriber.subscribe(channel).then(
        () => then(Signal.Subscribed()),
        (error: unknown) =>
          then(error instanceof ReplyError ? Signal.Refused({ message: errorMessage(error) }) : Signal.Lost())
      )
    }
    subscriber.on("message", (channel: string, text: string) => tell(channel, Signal.Message({ text })))
    subscriber.on("ready", () => {
      for (const channel of listeners.keys()) activate(channel, (signal) => tell(channel, signal))
    })
    subscriber.on("close", () => {
      for (const channel of listeners.keys()) tell(channel, Signal.Lost())
    })

    const subscribe = (channel: string): Stream.Stream<Connection.Signal> =>
      Stream.asyncPush<Connection.Signal>(
        (emit) =>
          Effect.acquireRelease(
            Effect.sync(() => {
              const listener = (signal: Connection.Signal) => void emit.single(signal)
              const own = listeners.get(channel) ?? new Set()
              listeners.set(channel, own.add(listener))
              if (subscriber.status === "ready") {
                activate(channel, listener)
              }
              return { listener, own }
            }),
            ({ listener, own }) =>
              Effect.sync(() => {
                own.delete(listener)
                if (own.size === 0) {
                  listeners.delete(channel)
                  if (subscriber.status === "ready") {
                    subscriber.unsubscribe(channel).catch(() => {})
                  }
                }
              })
          ),
        { bufferSize: BUFFERED_SIGNALS, strategy: "sliding" }
      )

    // A subscription is silent for most of the time, so only a ping reveals a dead one. Clusters monitor their own.
    if (subscriber instanceof Redis) {
      const ping = Effect.suspend(() =>
        subscriber.status === "ready" ? Effect.tryPromise(() => subscriber.ping()) : awaitReady(subscriber)
      ).pipe(
        Effect.timeoutOption(requestTimeout),
        Effect.flatMap((pong) => (pong._tag === "None" ? replace(subscriber) : Effect.void)),
        Effect.ignore
      )
      yield* Effect.forkScoped(Effect.repeat(ping, Schedule.spaced(requestTimeout)))
    }

    return { prefix: settings.prefix, timeToLive: settings.timeToLive, run, subscribe }
  })

const decodeCommon = (given: Connection.CommonOptions): Effect.Effect<Settings, ValidationError> =>
  Effect.all({
    prefix: options.prefix(given.prefix),
    timeToLive: options.duration("timeToLive", given.timeToLive, TIME_TO_LIVE),
    requestTimeout: options.duration("requestTimeout", given.requestTimeout, REQUEST_TIMEOUT)
  })

const optionError = (path: string, message: string): ValidationError =>
  new ValidationError({ reason: "Option", path, message: `the option ${path} ${message}` })

const decodeUrl = (url: unknown): Effect.Effect<string | undefined, ValidationError> => {
  const text = Redacted.isRedacted(url) ? Redacted.value(url) : url
  return text === undefined ||
    (typeof text === "string" && URL.canParse(text) && /^rediss?:$/.test(new URL(text).protocol))
    ? Effect.succeed(text)
    : optionError("url", "must be a URL that starts with redis:// or rediss://, such as redis://localhost:6379")
}

/** Connections differ, and stay different for their lifetime. */
const spread = Random.nextRange(0.5, 1)

export const make = (
  given: Connection.Options | undefined
): Effect.Effect<Connection.Service, ValidationError, Scope.Scope> =>
  Effect.gen(function* () {
    const checked = yield* options.known(given, ["url", "redis", "prefix", "timeToLive", "requestTimeout"])
    const settings = yield* decodeCommon(checked)
    const url = yield* decodeUrl(checked.url)
    const redisOptions = { ...defaults(yield* spread), ...checked.redis, replyMapping: "legacy" as const }
    return yield* makeService(
      () => (url === undefined ? new Redis(redisOptions) : new Redis(url, redisOptions)),
      settings
    )
  })

export const makeCluster = (
  given: Connection.ClusterLayerOptions
): Effect.Effect<Connection.Service, ValidationError, Scope.Scope> =>
  Effect.gen(function* () {
    const checked = yield* options.known(given, ["nodes", "cluster", "prefix", "timeToLive", "requestTimeout"])
    const settings = yield* decodeCommon(checked)
    const { nodes = [] } = checked
    if (!Array.isArray(nodes) || nodes.length === 0) {
      return yield* optionError("nodes", 'must be a list of nodes, such as [{ host: "redis-1", port: 6379 }]')
    }
    const { disconnectTimeout, retryStrategy } = defaults(yield* spread)
    const cluster = {
      enableOfflineQueue: false,
      clusterRetryStrategy: retryStrategy as (times: number) => number,
      ...checked.cluster,
      redisOptions: {
        ...(disconnectTimeout === undefined ? {} : { disconnectTimeout }),
        ...checked.cluster?.redisOptions,
        replyMapping: "legacy" as const
      }
    }
    return yield* makeService(() => new Cluster([...nodes], cluster), settings)
  })
