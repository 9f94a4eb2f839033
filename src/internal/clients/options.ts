import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { clientFields } from "../client/options.js"
import { DurationInput, issueMessage, makeDecoder } from "../util/decodeOptions.js"

const idleTimeToLive = Schema.optionalWith(DurationInput, { default: () => Duration.minutes(5) })

export const notHere = (problem: string) => Schema.optional(Schema.Undefined.annotations(issueMessage(problem)))

export const clientsFields = {
  ...clientFields,
  environment: notHere("is not one of many clients: get and provide are given it"),
  namespace: notHere("is not one of many clients: get and provide are given it"),
  snapshot: notHere("is not one of many clients: it is the state of one namespace"),
  idleTimeToLive
}

export const Sharing = Schema.Struct({
  client: Schema.Unknown.pipe(
    Schema.filter((client) => typeof client === "function"),
    Schema.annotations(issueMessage("must be a function from a target to the layer of its client"))
  ),
  idleTimeToLive
})

export const Clients = Schema.Struct(clientsFields)

export const decodeClients = makeDecoder(Clients)

export const decodeSharing = makeDecoder(Sharing)
