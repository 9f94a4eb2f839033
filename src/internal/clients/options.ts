/**
 * The options of FliptClients.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { clientFields } from "../client/options.js"
import { DurationInput, issueMessage, makeDecoder } from "../util/decodeOptions.js"

const idleTimeToLive = Schema.optionalWith(DurationInput, { default: () => Duration.minutes(5) })

const notAllowed = (problem: string) => Schema.optional(Schema.Undefined.annotations(issueMessage(problem)))

const clientsFields = {
  ...clientFields,
  environment: notAllowed("does not apply to FliptClients: pass it to get or provide"),
  namespace: notAllowed("does not apply to FliptClients: pass it to get or provide"),
  snapshot: notAllowed("does not apply to FliptClients: it is the state of one namespace"),
  idleTimeToLive
}

export const ClientMap = Schema.Struct({
  client: Schema.Unknown.pipe(
    Schema.filter((client) => typeof client === "function"),
    Schema.annotations(issueMessage("must be a function that returns the client's layer for a target"))
  ),
  idleTimeToLive
})

export const Clients = Schema.Struct(clientsFields)

export const decodeClients = makeDecoder(Clients)

export const decodeClientMap = makeDecoder(ClientMap)
