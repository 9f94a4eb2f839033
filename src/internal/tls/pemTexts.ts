/**
 * Reads the certificates and keys that the options name, as text or in files.
 */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Platform from "#platform"
import type { ValidationError } from "../../FliptError.js"
import type { PemText, PemTexts } from "../net/tlsMaterial.js"
import { errorMessage } from "../util/errorMessage.js"
import { reveal } from "../util/reveal.js"
import { optionError } from "./optionError.js"
import type { TlsSettings } from "./options.js"

const readFile = (option: string, path: string): Effect.Effect<PemText, ValidationError> =>
  Effect.tryPromise({
    try: () => Platform.readFile(path),
    catch: (cause) =>
      optionError(
        "Certificate",
        option,
        `names a file that cannot be read: ${errorMessage(cause)}; ` +
          "check that it exists and that this process may read it",
        cause
      )
  }).pipe(Effect.map((bytes) => ({ option, text: new TextDecoder().decode(bytes) })))

/** Data takes precedence over a file, which is then not read. */
const readText = (
  prefix: string,
  [dataOption, data]: readonly [string, string | Redacted.Redacted | undefined],
  [fileOption, file]: readonly [string, string | undefined]
): Effect.Effect<PemText | undefined, ValidationError> =>
  data !== undefined
    ? Effect.succeed({ option: prefix + dataOption, text: reveal(data) })
    : file !== undefined
      ? readFile(prefix + fileOption, file)
      : Effect.succeed(undefined)

export const readPemTexts = (settings: TlsSettings, prefix: string): Effect.Effect<PemTexts, ValidationError> =>
  Effect.all({
    ca: readText(prefix, ["caCertData", settings.caCertData], ["caCertFile", settings.caCertFile]),
    cert: readText(prefix, ["clientCertData", settings.clientCertData], ["clientCertFile", settings.clientCertFile]),
    key: readText(prefix, ["clientKeyData", settings.clientKeyData], ["clientKeyFile", settings.clientKeyFile])
  })

/** Whether any certificate or key comes from a file, which may be renewed. */
export const readsFiles = (settings: TlsSettings): boolean =>
  (settings.caCertFile !== undefined && settings.caCertData === undefined) ||
  (settings.clientCertFile !== undefined && settings.clientCertData === undefined) ||
  (settings.clientKeyFile !== undefined && settings.clientKeyData === undefined)
