import * as Headers from "@effect/platform/Headers"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Auth from "../Auth.js"
import { ValidationError } from "../FliptError.js"

export const none: Auth.Service = {
  authorize: Effect.succeed(Headers.empty),
  invalidate: () => Effect.void
}

/** What may stand in a header's value as a token: visible ASCII. */
const tokenPattern = /^[\x21-\x7e]+$/

const invalid = (name: string, problem: string) =>
  new ValidationError({
    reason: "Option",
    path: `authentication.${name}`,
    message: `the option authentication.${name} ${problem}`
  })

/** The service for a credential that does not change. */
export const make = (authentication: Auth.Authentication | undefined): Effect.Effect<Auth.Service, ValidationError> =>
  Effect.suspend(() => {
    if (authentication === undefined) {
      return Effect.succeed(none)
    }
    const [name, scheme, token] =
      "clientToken" in authentication
        ? (["clientToken", "Bearer", authentication.clientToken] as const)
        : (["jwtToken", "JWT", authentication.jwtToken] as const)
    if (!Redacted.isRedacted(token)) {
      return Effect.fail(invalid(name, "must be the token made by Redacted.make"))
    }
    const text: unknown = Redacted.value(token)
    if (typeof text !== "string") {
      return Effect.fail(invalid(name, `is a Redacted ${text === null ? "null" : typeof text}, not a text`))
    }
    if (text === "") {
      return Effect.fail(invalid(name, "is empty; leave it out to send no credential"))
    }
    if (!tokenPattern.test(text)) {
      return Effect.fail(
        invalid(name, "has a blank, a line break or another character that cannot stand in a header; trim it")
      )
    }
    const headers = Effect.sync(() => Headers.fromInput({ authorization: `${scheme} ${text}` }))
    return Effect.succeed({ authorize: headers, invalidate: () => Effect.void })
  })

/** `FLIPT_CLIENT_TOKEN` or `FLIPT_JWT_TOKEN`, or neither. */
export const config: Config.Config<Auth.Authentication | undefined> = Config.all({
  clientToken: Config.option(Config.redacted(Config.nonEmptyString("FLIPT_CLIENT_TOKEN"))),
  jwtToken: Config.option(Config.redacted(Config.nonEmptyString("FLIPT_JWT_TOKEN")))
}).pipe(
  Config.mapOrFail(({ clientToken, jwtToken }) => {
    if (Option.isSome(clientToken) && Option.isSome(jwtToken)) {
      return Either.left(
        ConfigError.InvalidData(["FLIPT_JWT_TOKEN"], "FLIPT_CLIENT_TOKEN and FLIPT_JWT_TOKEN are both set; keep one")
      )
    }
    return Either.right(
      Option.isSome(clientToken)
        ? { clientToken: clientToken.value }
        : Option.isSome(jwtToken)
          ? { jwtToken: jwtToken.value }
          : undefined
    )
  })
)
