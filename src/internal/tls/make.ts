/**
 * The Tls service: checks the options and the certificates they name when it is built.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Platform from "#platform"
import type { ValidationError } from "../../FliptError.js"
import type * as Tls from "../../Tls.js"
import type { CheckedMaterial, PemTexts } from "../net/tlsMaterial.js"
import { optionError } from "./optionError.js"
import type { TlsSettings } from "./options.js"
import { readPemTexts, readsFiles } from "./pemTexts.js"
import { reload } from "./reload.js"

const RELOAD_INTERVAL = Duration.minutes(1)

/** The platform's defaults. */
export const system: Tls.Service = { connectionOptions: Effect.succeed({}) }

/** Checks the options that depend on others: certificate and key, passphrase, and `onlyCustomCa`. */
const checkPairs = (settings: TlsSettings, prefix: string): Effect.Effect<void, ValidationError> => {
  const { clientCertData, clientCertFile, clientKeyData, clientKeyFile, keyPassphrase } = settings
  const cert = clientCertData !== undefined ? "clientCertData" : clientCertFile !== undefined ? "clientCertFile" : ""
  const key = clientKeyData !== undefined ? "clientKeyData" : clientKeyFile !== undefined ? "clientKeyFile" : ""
  const missing = (absent: string, present: string) => {
    const path = prefix + absent
    return Effect.fail(optionError("Certificate", path, `is not set, but ${prefix}${present} is; set both or neither`))
  }
  if (settings.onlyCustomCa === true && settings.caCertData === undefined && settings.caCertFile === undefined) {
    return Effect.fail(
      optionError("Option", `${prefix}onlyCustomCa`, "leaves no authority to trust; also set caCertFile or caCertData")
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

const toConnectionOptions = (settings: TlsSettings, { ca, cert, key }: CheckedMaterial): Tls.ConnectionOptions => ({
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

const warnInsecure = (settings: TlsSettings, prefix: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (settings.insecureSkipVerify === true) {
      yield* warn(
        `${prefix}insecureSkipVerify is on: the server's certificate is not verified, so anyone between client and ` +
          "server can read and change everything; set caCertFile to trust the server's authority instead"
      )
    }
    if (settings.insecureSkipHostnameVerify === true) {
      yield* warn(
        `${prefix}insecureSkipHostnameVerify is on: a certificate for any host is accepted, so anyone who has one ` +
          "from a trusted authority can read and change everything; set serverName instead"
      )
    }
  })

export const make = (settings: TlsSettings, prefix: string): Effect.Effect<Tls.Service, ValidationError> =>
  Effect.gen(function* () {
    const firstOption = Object.entries(settings).find(([, value]) => value !== undefined)
    if (firstOption !== undefined && !Platform.supportsTls) {
      return yield* optionError(
        "Option",
        prefix + firstOption[0],
        "cannot be set in a browser: the browser controls TLS and proxies; remove the option"
      )
    }
    if (firstOption === undefined) {
      return system
    }
    yield* checkPairs(settings, prefix)
    const read = readPemTexts(settings, prefix)
    const passphrase = settings.keyPassphrase && {
      option: `${prefix}keyPassphrase`,
      value: settings.keyPassphrase
    }
    const toOptions = (texts: PemTexts): Effect.Effect<Tls.ConnectionOptions, ValidationError> =>
      Platform.checkCertificates({ ...texts, passphrase, onlyCustomCa: settings.onlyCustomCa === true }).pipe(
        Effect.tap(({ warnings }) => Effect.forEach(warnings, warn, { discard: true })),
        Effect.map((checked) => toConnectionOptions(settings, checked))
      )
    const texts = yield* read
    const options = yield* toOptions(texts)
    yield* warnInsecure(settings, prefix)

    const intervalMillis = Duration.toMillis(settings.reloadInterval ?? RELOAD_INTERVAL)
    if (!readsFiles(settings) || intervalMillis === Number.POSITIVE_INFINITY) {
      return { connectionOptions: Effect.succeed(options) }
    }
    return {
      connectionOptions: yield* reload({
        options,
        texts,
        read,
        toOptions,
        intervalMillis
      })
    }
  })
