/**
 * Options from the configuration.
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Auth from "../Auth.js"
import type * as FliptClient from "../FliptClient.js"
import { config as authentication } from "./auth.js"

/**
 * A duration as it stands in an environment variable: `30 seconds`, a bare number of seconds, or `infinity`.
 */
const duration = (name: string): Config.Config<Duration.Duration> =>
  Config.mapOrFail(Config.nonEmptyString(name), (text) => {
    const trimmed = text.trim().toLowerCase()
    const decoded = /^\d+(?:\.\d+)?$/.test(trimmed)
      ? Option.some(Duration.seconds(Number(trimmed)))
      : trimmed === "infinity"
        ? Option.some(Duration.infinity)
        : Duration.decodeUnknown(trimmed)
    return Either.fromOption(decoded, () =>
      ConfigError.InvalidData([], `expected a duration such as "30 seconds", 30 (seconds) or infinity`)
    )
  })

const optional = <A>(config: Config.Config<A>): Config.Config<A | undefined> =>
  Config.map(Config.option(config), Option.getOrUndefined)

/** The variables that `layerConfig` reads when it is given nothing. */
export const environment: Config.Config<FliptClient.Options> = Config.all({
  url: optional(Config.nonEmptyString("FLIPT_URL")),
  environment: optional(Config.nonEmptyString("FLIPT_ENVIRONMENT")),
  namespace: optional(Config.nonEmptyString("FLIPT_NAMESPACE")),
  reference: optional(Config.nonEmptyString("FLIPT_REFERENCE")),
  authentication,
  fetchMode: optional(Config.literal("polling", "streaming")("FLIPT_FETCH_MODE")),
  updateInterval: optional(duration("FLIPT_UPDATE_INTERVAL")),
  requestTimeout: optional(duration("FLIPT_REQUEST_TIMEOUT")),
  errorStrategy: optional(Config.literal("fail", "fallback")("FLIPT_ERROR_STRATEGY")),
  snapshot: optional(Config.nonEmptyString("FLIPT_SNAPSHOT"))
})

/** What `layerConfig` is given: a config of the options, or options of configs. */
export const fromOptions = (options: FliptClient.ConfigOptions): Config.Config<FliptClient.Options> => {
  if (Config.isConfig(options)) {
    return options as Config.Config<FliptClient.Options>
  }
  const { authentication, ...rest } = options
  return Config.all({
    rest: Config.unwrap<Omit<FliptClient.Options, "authentication">>(rest),
    // each form of it is a Config, or an object of one
    authentication: Config.unwrap<Auth.Authentication | undefined>(
      (authentication ?? Config.succeed(undefined)) as Config.Config<Auth.Authentication | undefined>
    )
  }).pipe(Config.map(({ authentication, rest }) => ({ ...rest, authentication })))
}
