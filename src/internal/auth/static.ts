/**
 * Credentials that do not change.
 */
import * as Headers from "@effect/platform/Headers"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Auth from "../../Auth.js"
import { ValidationError } from "../../FliptError.js"
import { checked, secret } from "../util/configValue.js"
import { toHeaders } from "./credential.js"

export const none: Auth.Service = {
  authorize: Effect.succeed(Headers.empty),
  invalidate: () => Effect.void
}

export const make = (authentication: Auth.Authentication | undefined): Effect.Effect<Auth.Service, ValidationError> =>
  Effect.suspend(() =>
    authentication === undefined
      ? Effect.succeed(none)
      : Either.mapBoth(toHeaders(authentication), {
          onLeft: ({ field, problem }) =>
            new ValidationError({
              reason: "Option",
              path: `authentication.${field}`,
              message: `the option authentication.${field} ${problem}`
            }),
          // `Effect.sync`, because printing an `Effect.succeed` shows its value.
          onRight: (headers) => ({ authorize: Effect.sync(() => headers), invalidate: () => Effect.void })
        })
  )

/** Reads `FLIPT_CLIENT_TOKEN` or `FLIPT_JWT_TOKEN`. Fails if both are set. */
export const config: Config.Config<Auth.Authentication | undefined> = Config.all({
  clientToken: Config.option(secret("FLIPT_CLIENT_TOKEN")),
  jwtToken: Config.option(secret("FLIPT_JWT_TOKEN"))
}).pipe((tokens) =>
  checked(tokens, ({ clientToken, jwtToken }) =>
    Option.isSome(clientToken) && Option.isSome(jwtToken)
      ? Either.left({
          name: "FLIPT_JWT_TOKEN",
          problem: "FLIPT_CLIENT_TOKEN and FLIPT_JWT_TOKEN are both set; keep one"
        })
      : Either.right(
          Option.isSome(clientToken)
            ? { clientToken: clientToken.value }
            : Option.isSome(jwtToken)
              ? { jwtToken: jwtToken.value }
              : undefined
        )
  )
)
