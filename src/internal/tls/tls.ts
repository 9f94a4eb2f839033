/**
 * What connections are secured with: read and checked when it is made, and again when a connection is opened some time
 * after.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as SynchronizedRef from "effect/SynchronizedRef"
import * as Platform from "#platform"
import { ValidationError } from "../../FliptError.js"
import type * as Tls from "../../Tls.js"
import type { Checked, Text, Texts } from "../net/material.js"
import { messageOf } from "../util/errorMessage.js"
import { reveal } from "../util/reveal.js"
import type { TlsSettings } from "./options.js"

const RELOAD_INTERVAL = Duration.minutes(1)

/** The platform's own settings. */
export const system: Tls.Service = { connectionOptions: Effect.succeed({}) }

const invalid = (reason: "Option" | "Certificate", path: string, problem: string, cause?: unknown): ValidationError =>
  new ValidationError({
    reason,
    path,
    message: `the option ${path} ${problem}`,
    ...(cause === undefined ? {} : { cause })
  })

/** What is nothing alone: a certificate, a key, a passphrase, and `onlyCustomCa`. */
const checkPairs = (settings: TlsSettings, prefix: string): Effect.Effect<void, ValidationError> => {
  const { clientCertData, clientCertFile, clientKeyData, clientKeyFile, keyPassphrase } = settings
  const cert = clientCertData !== undefined ? "clientCertData" : clientCertFile !== undefined ? "clientCertFile" : ""
  const key = clientKeyData !== undefined ? "clientKeyData" : clientKeyFile !== undefined ? "clientKeyFile" : ""
  const missing = (absent: string, present: string) => {
    const path = prefix + absent
    return Effect.fail(invalid("Certificate", path, `is not set, but ${prefix}${present} is; set both, or neither`))
  }
  if (settings.onlyCustomCa === true && settings.caCertData === undefined && settings.caCertFile === undefined) {
    return Effect.fail(
      invalid("Option", `${prefix}onlyCustomCa`, "would leave nobody to trust; set caCertFile or caCertData too")
    )
  }
  return cert !== "" && key === ""
    ? missing(cert.replace("Cert", "Key"), cert)
    : cert === "" && key !== ""
      ? missing(key.replace("Key", "Cert"), key)
      : keyPassphrase !== undefined && key === ""
        ? missing("clientKeyFile", "keyPassphrase")
        : Effect.void
}

const readFile = (option: string, path: string): Effect.Effect<Text, ValidationError> =>
  Effect.tryPromise({
    try: () => Platform.readFile(path),
    catch: (cause) =>
      invalid(
        "Certificate",
        option,
        `names a file that cannot be read: ${messageOf(cause)}; ` +
          "check that it is there and that this process may read it",
        cause
      )
  }).pipe(Effect.map(({ bytes }) => ({ option, text: new TextDecoder().decode(bytes) })))

/** Data goes before a file, which is then not even opened. */
const readText = (
  prefix: string,
  [dataOption, data]: readonly [string, string | Redacted.Redacted | undefined],
  [fileOption, file]: readonly [string, string | undefined]
): Effect.Effect<Text | undefined, ValidationError> =>
  data !== undefined
    ? Effect.succeed({ option: prefix + dataOption, text: reveal(data) })
    : file !== undefined
      ? readFile(prefix + fileOption, file)
      : Effect.succeed(undefined)

const readTexts = (settings: TlsSettings, prefix: string): Effect.Effect<Texts, ValidationError> =>
  Effect.all({
    ca: readText(prefix, ["caCertData", settings.caCertData], ["caCertFile", settings.caCertFile]),
    cert: readText(prefix, ["clientCertData", settings.clientCertData], ["clientCertFile", settings.clientCertFile]),
    key: readText(prefix, ["clientKeyData", settings.clientKeyData], ["clientKeyFile", settings.clientKeyFile])
  })

const readsFiles = (settings: TlsSettings): boolean =>
  (settings.caCertFile !== undefined && settings.caCertData === undefined) ||
  (settings.clientCertFile !== undefined && settings.clientCertData === undefined) ||
  (settings.clientKeyFile !== undefined && settings.clientKeyData === undefined)

const toConnectionOptions = (settings: TlsSettings, { ca, cert, key }: Checked): Tls.ConnectionOptions => ({
  ...(ca === undefined ? {} : { ca }),
  ...(cert === undefined || key === undefined ? {} : { cert, key }),
  ...(settings.keyPassphrase === undefined ? {} : { passphrase: settings.keyPassphrase }),
  ...(settings.insecureSkipVerify === undefined ? {} : { rejectUnauthorized: !settings.insecureSkipVerify }),
  ...(settings.insecureSkipHostnameVerify === true ? { checkServerIdentity: () => undefined } : {}),
  ...(settings.serverName === undefined ? {} : { servername: settings.serverName }),
  ...(settings.minVersion === undefined ? {} : { minVersion: settings.minVersion }),
  ...(settings.proxy === undefined ? {} : { proxy: Redacted.make(settings.proxy) }),
  ...(settings.http2 === undefined ? {} : { allowH2: settings.http2 })
})

const warn = (message: string): Effect.Effect<void> => Effect.logWarning(`Flipt: ${message}`)

const warnOfInsecure = (settings: TlsSettings, prefix: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (settings.insecureSkipVerify === true) {
      yield* warn(
        `${prefix}insecureSkipVerify is on: the server's certificate is not checked, so whoever is in between can ` +
          "read and change everything; trust the server's authority by caCertFile instead"
      )
    }
    if (settings.insecureSkipHostnameVerify === true) {
      yield* warn(
        `${prefix}insecureSkipHostnameVerify is on: a certificate for any host is taken, so whoever has one of a ` +
          "trusted authority can read and change everything; set serverName instead"
      )
    }
  })

/** What tells one reading from the next. */
const fingerprint = (texts: Either.Either<Texts, ValidationError>): string =>
  Either.match(texts, {
    onLeft: ({ message }) => message,
    onRight: ({ ca, cert, key }) => JSON.stringify([ca?.text, cert?.text, key?.text])
  })

interface State {
  readonly options: Tls.ConnectionOptions
  readonly seen: string
  readonly readAt: number
  /** False while the files are no good: then the next connection looks again, for a renewal may take several steps. */
  readonly isSound: boolean
}

export const make = (settings: TlsSettings, prefix: string): Effect.Effect<Tls.Service, ValidationError> =>
  Effect.gen(function* () {
    const given = Object.entries(settings).find(([, value]) => value !== undefined)
    if (given !== undefined && !Platform.hasTls) {
      return yield* invalid(
        "Option",
        prefix + given[0],
        "cannot be set here: in a browser TLS and proxies are the browser's; leave it out"
      )
    }
    if (given === undefined) {
      return system
    }
    yield* checkPairs(settings, prefix)
    const read = readTexts(settings, prefix)
    const passphrase = settings.keyPassphrase && {
      option: `${prefix}keyPassphrase`,
      value: settings.keyPassphrase
    }
    const toOptions = (texts: Texts): Effect.Effect<Tls.ConnectionOptions, ValidationError> =>
      Platform.checkCertificates({ ...texts, passphrase, onlyCustomCa: settings.onlyCustomCa === true }).pipe(
        Effect.tap(({ warnings }) => Effect.forEach(warnings, warn, { discard: true })),
        Effect.map((checked) => toConnectionOptions(settings, checked))
      )
    const texts = yield* read
    const options = yield* toOptions(texts)
    yield* warnOfInsecure(settings, prefix)

    const interval = Duration.toMillis(settings.reloadInterval ?? RELOAD_INTERVAL)
    if (!readsFiles(settings) || interval === Number.POSITIVE_INFINITY) {
      return { connectionOptions: Effect.succeed(options) }
    }
    const state = yield* SynchronizedRef.make<State>({
      options,
      seen: fingerprint(Either.right(texts)),
      readAt: yield* Clock.currentTimeMillis,
      isSound: true
    })
    const renew = (current: State): Effect.Effect<State> =>
      Effect.gen(function* () {
        const readAt = yield* Clock.currentTimeMillis
        const age = readAt - current.readAt
        // a clock that was put back does not keep old certificates
        if (current.isSound && age >= 0 && age < interval) {
          return current
        }
        const renewed = yield* Effect.either(read)
        const seen = fingerprint(renewed)
        if (seen === current.seen) {
          return { ...current, readAt }
        }
        const checked = yield* Effect.either(Effect.flatMap(renewed, toOptions))
        if (Either.isLeft(checked)) {
          yield* warn(`${checked.left.message}; until then connections are opened with what was read before`)
          return { ...current, seen, readAt, isSound: false }
        }
        yield* Effect.logInfo("Flipt: the certificates have changed; new connections are opened with the new ones")
        return { options: checked.right, seen, readAt, isSound: true }
      })
    return {
      connectionOptions: Effect.map(SynchronizedRef.updateAndGetEffect(state, renew), (current) => current.options)
    }
  })
