/**
 * Converts the options of callers without Effect to those of the client, which checks them.
 */
import { DefaultLogger, type Logger as OpenFeatureLogger } from "@openfeature/server-sdk"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as FliptClient from "flipt-client-effect/FliptClient"
import { ValidationError } from "flipt-client-effect/FliptError"
import type { Options } from "../FliptProvider.js"
import type { Source } from "./connection.js"

/** Leaves anything but a string unchanged: the client rejects it. */
const redact = (value: string | undefined): Redacted.Redacted | undefined =>
  typeof value === "string" ? Redacted.make(value) : value

const redactAll = (values: object | undefined): never | undefined =>
  typeof values === "object" && values !== null
    ? (Object.fromEntries(Object.entries(values).map(([name, value]) => [name, redact(value)])) as never)
    : values

const clientOptions = (options: Omit<Options, "logger" | "nestedContext">): FliptClient.Options => {
  const { authentication, headers, tlsConfig } = options
  return {
    ...options,
    errorStrategy: options.errorStrategy ?? "fallback",
    authentication: redactAll(authentication),
    headers: redactAll(headers),
    tlsConfig:
      typeof tlsConfig === "object" && tlsConfig !== null
        ? {
            ...tlsConfig,
            clientKeyData: redact(tlsConfig.clientKeyData),
            keyPassphrase: redact(tlsConfig.keyPassphrase)
          }
        : tlsConfig
  }
}

/** Rejects other values here, because the client's message would ask for a Redacted value. */
const checkSecrets = ({ authentication, tlsConfig }: Options): Effect.Effect<void, ValidationError> => {
  const required = Object.entries(authentication ?? {}).map(
    ([name, value]) => [`authentication.${name}`, value] as const
  )
  const optional = [
    ["tlsConfig.clientKeyData", tlsConfig?.clientKeyData],
    ["tlsConfig.keyPassphrase", tlsConfig?.keyPassphrase]
  ] as const
  for (const [path, value] of [...required, ...optional.filter(([, value]) => value !== undefined)]) {
    if (typeof value !== "string" && !Redacted.isRedacted(value)) {
      const message = `the option ${path} must be a string, not ${value === undefined ? "undefined; check that its variable is set" : `a ${typeof value}`}`
      return Effect.fail(new ValidationError({ reason: "Option", path, message }))
    }
  }
  return Effect.void
}

const textOf = (message: unknown): string =>
  Arr.ensure(message)
    .map((part) => Inspectable.toStringUnknown(part))
    .join(" ")

const makeLogger = (logger: OpenFeatureLogger): Logger.Logger<unknown, void> =>
  Logger.make(({ cause, logLevel, message }) => {
    const text = Cause.isEmpty(cause) ? textOf(message) : `${textOf(message)}: ${Cause.pretty(cause)}`
    if (LogLevel.greaterThanEqual(logLevel, LogLevel.Error)) {
      logger.error(text)
    } else if (LogLevel.greaterThanEqual(logLevel, LogLevel.Warning)) {
      logger.warn(text)
    } else if (LogLevel.greaterThanEqual(logLevel, LogLevel.Info)) {
      logger.info(text)
    } else {
      logger.debug(text)
    }
  })

export const fromPlain = ({ logger = new DefaultLogger(), nestedContext, ...options }: Options): Source => ({
  client: Effect.suspend(() => Effect.zipRight(checkSecrets(options), FliptClient.make(clientOptions(options)))).pipe(
    Effect.provide(Logger.replace(Logger.defaultLogger, makeLogger(logger)))
  ),
  environment: options.environment ?? "default",
  nestedContext: nestedContext ?? "reject"
})
