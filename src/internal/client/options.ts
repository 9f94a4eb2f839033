/**
 * The options of a client.
 */
import * as Schema from "effect/Schema"
import { Authentication } from "../auth/options.js"
import { fetcherFields } from "../fetch/options.js"
import { TlsOptions } from "../tls/options.js"
import { issueMessage, makeDecoder, nonEmptyString } from "../util/decodeOptions.js"

const stateFields = {
  errorStrategy: Schema.optionalWith(
    Schema.Literal("fail", "fallback").annotations(issueMessage('must be "fail" or "fallback"')),
    { default: () => "fail" as const }
  ),
  snapshot: Schema.optional(nonEmptyString("must be the base64 text that getSnapshot returned, not empty"))
}

export const clientFields = {
  ...fetcherFields,
  ...stateFields,
  authentication: Schema.optional(Authentication),
  fetchMode: Schema.optionalWith(
    Schema.Literal("polling", "streaming").annotations(issueMessage('must be "polling" or "streaming"')),
    { default: () => "polling" as const }
  ),
  tlsConfig: Schema.optional(TlsOptions)
}

const State = Schema.Struct(stateFields)
const Client = Schema.Struct(clientFields)
/** The decoded options of the client without its dependencies. */
export type StateSettings = typeof State.Type
/** The decoded options of the client with its dependencies. */
export type ClientSettings = typeof Client.Type

export const decodeState = makeDecoder(State)
export const decodeClient = makeDecoder(Client)
