/**
 * Reads client options from Effect's Config.
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Auth from "../../Auth.js"
import type * as FliptClient from "../../FliptClient.js"
import type * as Tls from "../../Tls.js"
import { config as authentication } from "../auth/static.js"
import { parsed, secret, text } from "../util/configValue.js"

/** A duration in an environment variable: `30 seconds`, a plain number of seconds, or `infinity`. */
const duration = (name: string): Config.Config<Duration.Duration> =>
  parsed(name, (value) => {
    const trimmed = value.trim().toLowerCase()
    const decoded = /^\d+(?:\.\d+)?$/.test(trimmed)
      ? Option.some(Duration.seconds(Number(trimmed)))
      : trimmed === "infinity"
        ? Option.some(Duration.infinity)
        : Duration.decodeUnknown(trimmed)
    return Either.fromOption(decoded, () => 'a duration such as "30 seconds", 30 (seconds) or infinity')
  })

const optional = <A>(config: Config.Config<A>): Config.Config<A | undefined> =>
  Config.map(Config.option(config), Option.getOrUndefined)

/** Like `Config.boolean`, but treats an empty variable as unset. */
const boolean = (name: string): Config.Config<boolean> =>
  parsed(name, (value) =>
    Either.fromOption(Option.fromNullable(booleans[value.trim().toLowerCase()]), () => "true or false")
  )

const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  1: true,
  false: false,
  no: false,
  off: false,
  0: false
}

/** Like `Config.literal`, but treats an empty variable as unset. */
const oneOf =
  <const A extends ReadonlyArray<string>>(...words: A) =>
  (name: string): Config.Config<A[number]> =>
    parsed(name, (value) =>
      Either.fromOption(Option.fromNullable(words.find((word) => word === value)), () => words.join(" or "))
    )

/** One variable per TLS option. */
const tlsConfig: Config.Config<Tls.Options | undefined> = Config.all({
  caCertFile: optional(text("FLIPT_CA_CERT_FILE")),
  caCertData: optional(text("FLIPT_CA_CERT_DATA")),
  onlyCustomCa: optional(boolean("FLIPT_ONLY_CUSTOM_CA")),
  insecureSkipVerify: optional(boolean("FLIPT_INSECURE_SKIP_VERIFY")),
  insecureSkipHostnameVerify: optional(boolean("FLIPT_INSECURE_SKIP_HOSTNAME_VERIFY")),
  clientCertFile: optional(text("FLIPT_CLIENT_CERT_FILE")),
  clientKeyFile: optional(text("FLIPT_CLIENT_KEY_FILE")),
  clientCertData: optional(text("FLIPT_CLIENT_CERT_DATA")),
  clientKeyData: optional(secret("FLIPT_CLIENT_KEY_DATA")),
  keyPassphrase: optional(secret("FLIPT_KEY_PASSPHRASE")),
  serverName: optional(text("FLIPT_TLS_SERVER_NAME")),
  minVersion: optional(oneOf("TLSv1.2", "TLSv1.3")("FLIPT_TLS_MIN_VERSION")),
  proxy: optional(text("FLIPT_PROXY")),
  http2: optional(boolean("FLIPT_HTTP2")),
  reloadInterval: optional(duration("FLIPT_TLS_RELOAD_INTERVAL"))
}).pipe(Config.map((options) => (Object.values(options).every((value) => value === undefined) ? undefined : options)))

/** The variables that `layerConfig` reads by default. */
export const environment: Config.Config<FliptClient.Options> = Config.all({
  url: optional(text("FLIPT_URL")),
  environment: optional(text("FLIPT_ENVIRONMENT")),
  namespace: optional(text("FLIPT_NAMESPACE")),
  reference: optional(text("FLIPT_REFERENCE")),
  authentication,
  fetchMode: optional(oneOf("polling", "streaming")("FLIPT_FETCH_MODE")),
  updateInterval: optional(duration("FLIPT_UPDATE_INTERVAL")),
  requestTimeout: optional(duration("FLIPT_REQUEST_TIMEOUT")),
  errorStrategy: optional(oneOf("fail", "fallback")("FLIPT_ERROR_STRATEGY")),
  snapshot: optional(text("FLIPT_SNAPSHOT")),
  tlsConfig
})

/** Unwraps the argument of `layerConfig`: a Config of options, or options that contain Configs. */
export const fromOptions = (options: FliptClient.ConfigOptions): Config.Config<FliptClient.Options> => {
  if (Config.isConfig(options)) {
    return options as Config.Config<FliptClient.Options>
  }
  const { authentication, ...rest } = options
  return Config.all({
    rest: Config.unwrap<Omit<FliptClient.Options, "authentication">>(rest),
    // each form is a Config or an object of one Config
    authentication: Config.unwrap<Auth.Authentication | undefined>(
      (authentication ?? Config.succeed(undefined)) as Config.Config<Auth.Authentication | undefined>
    )
  }).pipe(Config.map(({ authentication, rest }) => ({ ...rest, authentication })))
}
