/**
 * The options of a client.
 */
import { authentication } from "../auth/options.js"
import { fetcherFields } from "../fetch/options.js"
import { tlsOptions } from "../tls/options.js"
import {
  type Decoded,
  decodeWith,
  literal,
  nonEmptyString,
  optional,
  struct,
  withDefault
} from "../util/decodeOptions.js"

export const stateFields = {
  errorStrategy: withDefault(literal("fail", "fallback"), "fail"),
  snapshot: optional(nonEmptyString("must be the base64 text that getSnapshot returned, not empty"))
}

export const clientFields = {
  ...fetcherFields,
  ...stateFields,
  authentication: optional(authentication),
  fetchMode: withDefault(literal("polling", "streaming"), "polling"),
  tlsConfig: optional(tlsOptions)
}

const state = struct(stateFields)
const client = struct(clientFields)
/** The decoded options of the client without its dependencies. */
export type StateSettings = Decoded<typeof state>
/** The decoded options of the client with its dependencies. */
export type ClientSettings = Decoded<typeof client>

export const decodeState = decodeWith(state)
export const decodeClient = decodeWith(client)
