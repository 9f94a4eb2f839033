/**
 * Reads flags from a Flipt server.
 */
import type * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Auth from "flipt-client-effect/Auth"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import type { FetchError } from "flipt-client-effect/FliptError"
import * as Tls from "flipt-client-effect/Tls"
import { exitCodes, Failure, fromFlipt, usage } from "./failure.js"
import type { Content, Options } from "./source.js"
import * as Text from "./text.js"

/** The variable that each option overrides. */
const variables = {
  url: "FLIPT_URL",
  environment: "FLIPT_ENVIRONMENT",
  namespace: "FLIPT_NAMESPACE",
  reference: "FLIPT_REFERENCE",
  caCertFile: "FLIPT_CA_CERT_FILE",
  clientCertFile: "FLIPT_CLIENT_CERT_FILE",
  clientKeyFile: "FLIPT_CLIENT_KEY_FILE",
  insecureSkipVerify: "FLIPT_INSECURE_SKIP_VERIFY",
  proxy: "FLIPT_PROXY",
  requestTimeout: "FLIPT_REQUEST_TIMEOUT",
  fetchMode: "FLIPT_FETCH_MODE",
  updateInterval: "FLIPT_UPDATE_INTERVAL"
} as const

type ServerOptions = Options & {
  readonly fetchMode?: string | undefined
  readonly updateInterval?: string | undefined
}

/** Names both the option and the variable, because either may have set the value. */
const configMessage = (error: ConfigError.ConfigError): string => {
  const messages: Array<string> = []
  const visit = (it: ConfigError.ConfigError): void => {
    switch (it._op) {
      case "And":
      case "Or":
        visit(it.left)
        visit(it.right)
        break
      default:
        messages.push(`${it.path.join(".")}: ${it.message}`)
    }
  }
  visit(error)
  return messages.map((message) => Text.plain(message, 500)).join("; ")
}

/** The client's options, from the command line and from the environment. */
export const settings = (options: ServerOptions): Effect.Effect<FliptClient.Options, Failure> => {
  const given = Object.entries(variables).flatMap(([name, variable]) => {
    const value = options[name as keyof typeof variables]
    return value === undefined || value === false ? [] : [[variable, String(value)] as const]
  })
  const provider = ConfigProvider.orElse(ConfigProvider.fromMap(new Map(given)), () => ConfigProvider.fromEnv())
  return Effect.withConfigProvider(
    Effect.mapError(FliptClient.config, (error) => usage(`the configuration is not valid: ${configMessage(error)}`)),
    provider
  )
}

const authLayer = ({ jwtFile, tokenFile }: Options, { authentication }: FliptClient.Options) =>
  tokenFile !== undefined
    ? Auth.layerTokenFile(tokenFile, { as: "clientToken" })
    : jwtFile !== undefined
      ? Auth.layerTokenFile(jwtFile, { as: "jwtToken" })
      : authentication === undefined
        ? Auth.layerNone
        : "clientToken" in authentication
          ? Auth.layerClientToken(authentication.clientToken)
          : Auth.layerJwt(authentication.jwtToken)

/** The configuration of a Fetcher, from the same options. */
export const connection = (options: Options, config: FliptClient.Options) =>
  Layer.mergeAll(
    Tls.layerHttpClient.pipe(Layer.provideMerge(Tls.layer(config.tlsConfig ?? {}))),
    authLayer(options, config)
  )

export const fetcherOptions = (config: FliptClient.Options): Fetcher.Options => {
  const { authentication, errorStrategy, fetchMode, snapshot, tlsConfig, ...rest } = config
  return rest
}

/** Commands report a failure immediately instead of retrying. */
export const noRetries = Layer.succeed(Fetcher.RetryPolicy, Schedule.stop)

/** A URL for messages, without a password. */
export const showUrl = (url: string): string => {
  if (!URL.canParse(url)) {
    return Text.plain(url.replace(/\/\/.*@/, "//"))
  }
  const { origin, pathname } = new URL(url)
  return Text.plain(`${origin}${pathname.replace(/\/$/, "")}`)
}

/** The source of a Fetcher's documents, escaped. */
export const label = ({ environment, namespace, url }: Fetcher.Source): string =>
  `${showUrl(url ?? "")}, environment ${Text.plain(environment)}, namespace ${Text.plain(namespace)}`

/** Fetches the whole document. Without a version, a Fetcher always returns it. */
export const fetch = (fetcher: Fetcher.Service): Effect.Effect<ReadonlyArray<Uint8Array>, FetchError> =>
  Effect.flatMap(fetcher.fetch(Option.none()), (update) =>
    update._tag === "Document" ? Effect.succeed(update.bytes) : Effect.succeed([])
  )

/** Advice about a failure that names the command's options, because the library's message names its own. */
const hints: Partial<Record<FetchError["reason"], string>> = {
  Unauthorized:
    "set FLIPT_CLIENT_TOKEN or FLIPT_JWT_TOKEN, or name the file that has the credential with --token-file or --jwt-file",
  Forbidden: "the credential must have access to this environment and namespace",
  NotFound: "choose others with --environment and --namespace, such as --environment production --namespace shop",
  Network: "run flipt-client doctor with the same options for details",
  Timeout: "run flipt-client doctor with the same options for details",
  Certificate: "run flipt-client doctor with the same options for details"
}

/** Adds the request's target and advice to the message. */
export const fetchFailure = (source: Fetcher.Source, error: FetchError): Failure => {
  const hint = hints[error.reason]
  // removes the advice about the library's options, which have other names in the command
  const message = error.message.replace(/; set the authentication option$/, "")
  return new Failure({
    message: `${label(source)}: ${message}${hint === undefined ? "" : `\nhint: ${hint}`}`,
    exitCode: exitCodes.source
  })
}

export const read = (options: Options): Effect.Effect<Content, Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const config = yield* settings(options)
    const layer = Fetcher.layerPolling(fetcherOptions(config)).pipe(
      Layer.provide(connection(options, config)),
      Layer.provide(noRetries)
    )
    const fetcher = Context.get(yield* Effect.mapError(Layer.build(layer), fromFlipt), Fetcher.Fetcher)
    const bytes = yield* Effect.mapError(fetch(fetcher), (error) => fetchFailure(fetcher.source, error))
    return { label: label(fetcher.source), namespace: fetcher.source.namespace, bytes, isSeed: false }
  })
