/**
 * Credentials: the headers that they are sent in, and when they run out. No message repeats a token.
 */
import * as Headers from "@effect/platform/Headers"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Auth from "../../Auth.js"

/** What may stand in a header's value as a token: visible ASCII. */
const tokenPattern = /^[\x21-\x7e]+$/

/** What is wrong with a credential, said after the name of where it stands. */
export interface Problem {
  readonly field: "clientToken" | "jwtToken"
  readonly problem: string
}

const textOf = (token: unknown): Either.Either<string, string> => {
  if (!Redacted.isRedacted(token)) {
    return Either.left("must be the token made by Redacted.make")
  }
  const text = Redacted.value(token)
  if (typeof text !== "string") {
    return Either.left(`is a Redacted ${text === null ? "null" : typeof text}, not a text`)
  }
  if (text === "") {
    return Either.left("is empty; leave it out to send no credential")
  }
  return tokenPattern.test(text)
    ? Either.right(text)
    : Either.left("has a blank, a line break or another character that cannot stand in a header; trim it")
}

/** The headers that a credential is sent in. */
export const toHeaders = (authentication: Auth.Authentication): Either.Either<Headers.Headers, Problem> => {
  const [field, scheme, token] =
    "clientToken" in authentication
      ? (["clientToken", "Bearer", authentication.clientToken] as const)
      : (["jwtToken", "JWT", authentication.jwtToken] as const)
  return Either.mapBoth(textOf(token), {
    onLeft: (problem) => ({ field, problem }),
    onRight: (text) => Headers.fromInput({ authorization: `${scheme} ${text}` })
  })
}

/** A credential that is good until an instant, which is infinite where none is known. */
export interface Held {
  readonly headers: Headers.Headers
  readonly expiresAt: number
}

const parseJson = Option.liftThrowable((text: string): unknown => JSON.parse(text))

/** When a JWT says that it runs out. Its signature is the server's to check, and what cannot be read says nothing. */
const jwtExpiry = (token: string): number | undefined => {
  const payload = Either.getRight(Encoding.decodeBase64UrlString(token.split(".")[1] ?? "")).pipe(
    Option.flatMap(parseJson),
    Option.getOrUndefined
  )
  return typeof payload === "object" && payload !== null && "exp" in payload && typeof payload.exp === "number"
    ? payload.exp * 1000
    : undefined
}

/** Dates end before the numbers do. */
export const formatInstant = (millis: number): string => {
  const date = new Date(millis)
  return Number.isNaN(date.getTime()) ? `${millis} ms after 1970` : date.toISOString()
}

/** A credential as it is acquired: what it is sent in and until when, or why it cannot be used. */
export const hold = (credential: Auth.Credential, now: number): Either.Either<Held, string> => {
  if (
    typeof credential !== "object" ||
    credential === null ||
    !("clientToken" in credential || "jwtToken" in credential)
  ) {
    return Either.left("must be { clientToken } or { jwtToken }, the token made by Redacted.make")
  }
  return Either.flatMap(
    Either.mapLeft(toHeaders(credential), ({ field, problem }) => `${field} ${problem}`),
    (headers) => {
      if (credential.expiresIn !== undefined) {
        const life = Option.getOrUndefined(Duration.decodeUnknown(credential.expiresIn))
        return life === undefined || !Duration.greaterThan(life, Duration.zero)
          ? Either.left("expiresIn must be a duration greater than zero; a number is milliseconds")
          : Either.right({ headers, expiresAt: now + Duration.toMillis(life) })
      }
      const expiresAt =
        ("clientToken" in credential ? undefined : jwtExpiry(Redacted.value(credential.jwtToken))) ??
        Number.POSITIVE_INFINITY
      return expiresAt > now
        ? Either.right({ headers, expiresAt })
        : Either.left(
            `jwtToken has run out already, at ${formatInstant(expiresAt)}, and it is ${formatInstant(now)} here; ` +
              "check that this machine's clock is right"
          )
    }
  )
}
