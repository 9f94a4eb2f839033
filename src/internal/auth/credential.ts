/**
 * Checks credentials, and derives their headers and expiry. No message contains a token.
 */
import * as Headers from "@effect/platform/Headers"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Auth from "../../Auth.js"
import { AMBIGUOUS_DURATION, isAmbiguousDuration } from "../util/decodeOptions.js"

/** The characters of a token: visible ASCII. */
const tokenPattern = /^[\x21-\x7e]+$/

/** Why a credential cannot be used. The problem follows the name of the field. */
interface CredentialProblem {
  readonly field: "clientToken" | "jwtToken"
  readonly problem: string
}

const decodeToken = (token: unknown): Either.Either<string, string> => {
  if (!Redacted.isRedacted(token)) {
    return Either.left("must be the token made by Redacted.make")
  }
  const text = Redacted.value(token)
  if (typeof text !== "string") {
    return Either.left(`is a Redacted ${text === null ? "null" : typeof text}, not a string`)
  }
  if (text === "") {
    return Either.left("is empty; leave it out to send no credential")
  }
  return tokenPattern.test(text)
    ? Either.right(text)
    : Either.left("contains a blank, a line break or another character that a header cannot contain; trim it")
}

export const toHeaders = (authentication: Auth.Authentication): Either.Either<Headers.Headers, CredentialProblem> => {
  const [field, scheme, token] =
    "clientToken" in authentication
      ? (["clientToken", "Bearer", authentication.clientToken] as const)
      : (["jwtToken", "JWT", authentication.jwtToken] as const)
  return Either.mapBoth(decodeToken(token), {
    onLeft: (problem) => ({ field, problem }),
    onRight: (text) => Headers.fromInput({ authorization: `${scheme} ${text}` })
  })
}

/** Checked headers with their expiry, in milliseconds since 1970. Infinity means that none is known. */
export interface ExpiringCredential {
  readonly headers: Headers.Headers
  readonly expiresAt: number
}

const parseJson = Option.liftThrowable((text: string): unknown => JSON.parse(text))

const claimMillis = (payload: object, claim: "exp" | "iat"): number | undefined => {
  const seconds: unknown = (payload as Record<string, unknown>)[claim]
  return typeof seconds === "number" ? seconds * 1000 : undefined
}

/** How far the clock of an issuer may differ from the clock of this machine. */
export const MAX_CLOCK_SKEW_MILLIS = 5 * 60 * 1000

/**
 * When a JWT expires, without verifying the signature, which only the server can do. A token that cannot be parsed has
 * no known expiry. `exp` and `iat` are times of the issuer's clock. If that clock is ahead, `iat` is in the future, and
 * the lifetime counts from now. If it is behind by up to `maxSkew`, a new token can seem expired: it gets its full
 * lifetime, and the server decides.
 */
const jwtExpiry = (token: string, now: number, maxSkew: number): number | undefined => {
  const payload = Either.getRight(Encoding.decodeBase64UrlString(token.split(".")[1] ?? "")).pipe(
    Option.flatMap(parseJson),
    Option.getOrUndefined
  )
  if (typeof payload !== "object" || payload === null) {
    return undefined
  }
  const expiresAt = claimMillis(payload, "exp")
  const issuedAt = claimMillis(payload, "iat")
  if (expiresAt === undefined) {
    return undefined
  }
  const lifetime = issuedAt === undefined || issuedAt >= expiresAt ? Number.POSITIVE_INFINITY : expiresAt - issuedAt
  return expiresAt <= now && expiresAt > now - maxSkew ? now + lifetime : Math.min(expiresAt, now + lifetime)
}

/** Dates cover a smaller range than numbers. */
export const formatInstant = (millis: number): string => {
  const date = new Date(millis)
  return Number.isNaN(date.getTime()) ? `${millis} ms after 1970` : date.toISOString()
}

/**
 * Checks a credential just acquired, and returns its headers and expiry or the problem. A JWT that expired less than
 * `maxSkew` milliseconds ago is accepted.
 */
export const decodeCredential = (
  credential: Auth.Credential,
  now: number,
  maxSkew = 0
): Either.Either<ExpiringCredential, string> => {
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
        if (isAmbiguousDuration(credential.expiresIn)) {
          return Either.left(`expiresIn ${AMBIGUOUS_DURATION}`)
        }
        const lifetime = Option.getOrUndefined(Duration.decodeUnknown(credential.expiresIn))
        return lifetime === undefined || !Duration.greaterThan(lifetime, Duration.zero)
          ? Either.left("expiresIn must be a duration greater than zero; a number is milliseconds")
          : Either.right({ headers, expiresAt: now + Duration.toMillis(lifetime) })
      }
      const expiresAt =
        ("clientToken" in credential ? undefined : jwtExpiry(Redacted.value(credential.jwtToken), now, maxSkew)) ??
        Number.POSITIVE_INFINITY
      return expiresAt > now
        ? Either.right({ headers, expiresAt })
        : Either.left(
            `jwtToken expired at ${formatInstant(expiresAt)}, and the time here is ${formatInstant(now)}; ` +
              "check that this machine's clock is right"
          )
    }
  )
}
