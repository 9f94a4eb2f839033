/**
 * The options of FliptClients.
 */
import * as Duration from "effect/Duration"
import { clientFields } from "../client/options.js"
import {
  type Decoder,
  decodeWith,
  duration,
  guard,
  optional,
  reject,
  struct,
  withDefault
} from "../util/decodeOptions.js"

const idleTimeToLive = withDefault(duration, Duration.minutes(5))

const notAllowed = (problem: string): Decoder<undefined> => optional(() => reject(problem))

const clients = struct({
  ...clientFields,
  environment: notAllowed("does not apply to FliptClients: pass it to get or provide"),
  namespace: notAllowed("does not apply to FliptClients: pass it to get or provide"),
  snapshot: notAllowed("does not apply to FliptClients: it is the state of one namespace"),
  idleTimeToLive
})

const clientMap = struct({
  client: guard(
    (value): value is (target: never) => unknown => typeof value === "function",
    "must be a function that returns the client's layer for a target"
  ),
  idleTimeToLive
})

export const decodeClients = decodeWith(clients)

export const decodeClientMap = decodeWith(clientMap)
