/**
 * Checks how a server answers a client with this configuration.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as Auth from "flipt-client-effect/Auth"
import * as Fetcher from "flipt-client-effect/Fetcher"
import type * as FliptClient from "flipt-client-effect/FliptClient"
import type { FetchError } from "flipt-client-effect/FliptError"
import { Tls } from "flipt-client-effect/Tls"
import { exit, exitCodes, fromFlipt } from "../failure.js"
import * as Server from "../server.js"
import type * as Source from "../source.js"
import * as Text from "../text.js"
import { type Check, ok, problem, skipped, warning } from "./check.js"
import * as Network from "./network.js"

const MAX_SKEW_SECONDS = 30

type Emit = (check: Check) => Effect.Effect<void>

interface Answer {
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly at: number
}

/** Records the last response of an HttpClient. */
const recording = (last: Ref.Ref<Option.Option<Answer>>) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) =>
      HttpClient.tap(client, ({ headers }) =>
        Effect.flatMap(Clock.currentTimeMillis, (at) => Ref.set(last, Option.some({ headers, at })))
      )
    )
  )

const proxyOf = ({ tlsConfig }: FliptClient.Options, url: URL): string | undefined => {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY"
  const proxy = tlsConfig?.proxy ?? process.env[name.toLowerCase()] ?? process.env[name]
  return proxy === undefined || proxy === "" ? undefined : proxy
}

const checkPath = (config: FliptClient.Options, url: URL, emit: Emit) =>
  Effect.gen(function* () {
    const proxy = proxyOf(config, url)
    if (proxy !== undefined) {
      return yield* emit(
        skipped(
          "network",
          `a proxy is configured, ${Server.showUrl(proxy)}: DNS, TCP and TLS are not checked one by one`
        )
      )
    }
    const address = Network.addressOf(url)
    const name = yield* Network.checkName(address)
    yield* emit(name)
    if (name.state === "problem") {
      return
    }
    const connection = yield* Network.checkConnection(address)
    yield* emit(connection)
    if (connection.state !== "problem") {
      const { connectionOptions } = yield* Tls
      yield* emit(
        url.protocol === "https:"
          ? yield* Network.checkTls(address, yield* connectionOptions)
          : skipped("TLS", "the URL is http, so nothing is encrypted")
      )
    }
  })

const describe = (options: Source.Options, config: FliptClient.Options): string =>
  options.tokenFile !== undefined
    ? "the client token of --token-file"
    : options.jwtFile !== undefined
      ? "the JWT of --jwt-file"
      : config.authentication === undefined
        ? "no credential"
        : "clientToken" in config.authentication
          ? "the client token of FLIPT_CLIENT_TOKEN"
          : "the JWT of FLIPT_JWT_TOKEN"

const checkClock = ({ at, headers }: Answer): Check => {
  const date = Date.parse(headers.date ?? "")
  if (Number.isNaN(date)) {
    return skipped("clock", "the answer has no date to compare with")
  }
  // The header has whole seconds.
  const seconds = Math.round((at - date) / 1000)
  return Math.abs(seconds) <= MAX_SKEW_SECONDS
    ? ok("clock", `within ${Math.max(1, Math.abs(seconds))} s of the server's`)
    : warning(
        "clock",
        `${Math.abs(seconds)} s ${seconds > 0 ? "ahead of" : "behind"} the server's`,
        "synchronize the clocks: tokens and certificates may count as expired"
      )
}

const checkEtag = (fetcher: Fetcher.Service, { headers }: Answer): Effect.Effect<Check> => {
  const etag = headers.etag
  return etag === undefined
    ? Effect.succeed(
        warning(
          "ETag",
          "the response has no ETag, so every poll downloads the whole state",
          "check what proxies remove"
        )
      )
    : Effect.match(fetcher.fetch(Option.some(etag)), {
        onSuccess: (update) =>
          update._tag === "NotModified"
            ? ok("ETag", `${Text.plain(etag, 60)}, and an unchanged state is not sent again`)
            : warning("ETag", "an unchanged state is sent again at every poll", "check what proxies remove"),
        onFailure: ({ message }) => problem("ETag", `a second request failed: ${message}`)
      })
}

const stream = (source: Fetcher.Source) =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const { authorize } = yield* Auth.Auth
    const url = `${(source.url ?? "").replace(/\/+$/, "")}/client/v2/environments/${encodeURIComponent(source.environment)}/namespaces/${encodeURIComponent(source.namespace)}/stream`
    const headers = yield* authorize
    const request = HttpClientRequest.get(url).pipe(
      HttpClientRequest.setHeaders(headers),
      HttpClientRequest.setHeaders({ accept: "application/json", "x-flipt-environment": source.environment })
    )
    const start = yield* Clock.currentTimeMillis
    const response = yield* client.execute(request)
    if (response.status === 200) {
      yield* response.stream.pipe(Stream.take(1), Stream.runDrain)
    }
    const millis = (yield* Clock.currentTimeMillis) - start
    return { status: response.status, millis }
  })

/** Flipt immediately sends the first frame to a client that sends no version. */
const checkStream = (source: Fetcher.Source) =>
  Effect.matchEffect(Effect.timeout(stream(source), Network.TIMEOUT), {
    onSuccess: ({ millis, status }) =>
      Effect.succeed(
        status === 200
          ? ok("stream", `the first state came after ${millis} ms`)
          : status === 404
            ? skipped("stream", "the server has none, as Flipt v1: clients poll")
            : warning("stream", `status ${status}`, "clients poll instead; check what a proxy does with long requests")
      ),
    onFailure: (error) =>
      Effect.succeed(
        error._tag === "TimeoutException"
          ? warning(
              "stream",
              "nothing came within 5 seconds",
              "a proxy may buffer the answer, or the environment is a branch; clients poll meanwhile"
            )
          : warning("stream", `it cannot be opened (${Text.plain(error._tag)})`, "clients poll instead")
      )
  })

const advices: Partial<Record<FetchError["reason"], string>> = {
  Unauthorized: "set FLIPT_CLIENT_TOKEN or FLIPT_JWT_TOKEN to a credential that the server accepts",
  Forbidden: "give the credential access to this environment and namespace",
  NotFound: "check FLIPT_URL, FLIPT_ENVIRONMENT and FLIPT_NAMESPACE"
}

/**
 * Runs all checks of a server and emits each result when it is known. Fails only if a problem prevents further checks.
 */
export const checkServer = (options: Source.Options, emit: Emit) =>
  Effect.gen(function* () {
    const config = yield* Server.settings(options)
    const last = yield* Ref.make(Option.none<Answer>())
    const connection = Server.connection(options, config)
    const fetcherLayer = Fetcher.layerPolling(Server.fetcherOptions(config)).pipe(
      Layer.provide(recording(last)),
      Layer.provideMerge(connection),
      Layer.provide(Server.noRetries)
    )
    const context = yield* Effect.mapError(Layer.build(fetcherLayer), fromFlipt)
    const fetcher = Context.get(context, Fetcher.Fetcher)
    const { source } = fetcher
    yield* emit(ok("target", `${Server.label(source)}, with ${describe(options, config)}`))
    yield* Effect.provide(checkPath(config, new URL(source.url ?? ""), emit), context)

    const fetched = yield* Effect.either(Server.fetch(fetcher))
    if (fetched._tag === "Left") {
      yield* emit(problem("request", Text.plain(fetched.left.message, 1000), advices[fetched.left.reason]))
      return yield* exit(exitCodes.found)
    }
    const bytes = fetched.right.reduce((sum, chunk) => sum + chunk.length, 0)
    yield* emit(
      ok(
        "request",
        `${bytes} bytes of flags${describe(options, config) === "no credential" ? "; the server needs no credential" : "; the credential is accepted"}`
      )
    )
    const answer = yield* Ref.get(last)
    if (Option.isSome(answer)) {
      yield* emit(yield* checkEtag(fetcher, answer.value))
      yield* emit(checkClock(answer.value))
    }
    yield* emit(yield* Effect.provide(checkStream(source), context))
    const content: Source.Content = {
      label: Server.label(source),
      namespace: source.namespace,
      bytes: fetched.right,
      isSeed: false
    }
    return content
  })
