/**
 * Checks the options and applies their defaults. Messages do not repeat values, which could be secrets.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { ValidationError } from "flipt-client-effect/FliptError"

const invalid = (path: string, message: string): Effect.Effect<never, ValidationError> =>
  new ValidationError({ reason: "Option", path, message: `the option ${path} ${message}` })

/** Returns the options without undefined ones. Fails if there is an unknown one. */
export const known = <A extends object>(
  options: A | undefined,
  names: ReadonlyArray<keyof A & string>
): Effect.Effect<Partial<A>, ValidationError> => {
  if (options !== undefined && (typeof options !== "object" || options === null || Array.isArray(options))) {
    return new ValidationError({ reason: "Option", path: "options", message: "the options must be an object" })
  }
  const given = Object.entries(options ?? {}).filter(([, value]) => value !== undefined)
  const unknown = given.find(([name]) => !names.some((known) => known === name))
  return unknown === undefined
    ? Effect.succeed(Object.fromEntries(given) as Partial<A>)
    : invalid(unknown[0], "is not known; check the spelling")
}

/** Like in the client, small plain numbers are rejected, because they are probably meant as seconds. */
const MIN_PLAIN_NUMBER = 1000

const isAmbiguous = (value: unknown): boolean => typeof value === "number" && value > 0 && value < MIN_PLAIN_NUMBER

/** A duration of at least a millisecond, in whole milliseconds. */
export const duration = (
  path: string,
  value: unknown,
  fallback: Duration.Duration,
  options?: { readonly mayBeInfinite?: boolean }
): Effect.Effect<Duration.Duration, ValidationError> => {
  if (value === undefined) {
    return Effect.succeed(fallback)
  }
  if (isAmbiguous(value)) {
    return invalid(
      path,
      `must not be a plain number below ${MIN_PLAIN_NUMBER}, which would be milliseconds; give the unit, such as "30 seconds"`
    )
  }
  return Option.match(Duration.decodeUnknown(value), {
    onNone: () => invalid(path, 'must be a duration, such as "30 seconds"'),
    onSome: (decoded) =>
      Duration.toMillis(decoded) < 1
        ? invalid(path, 'must be a duration of at least a millisecond, such as "30 seconds"')
        : !Duration.isFinite(decoded)
          ? options?.mayBeInfinite === true
            ? Effect.succeed(Duration.infinity)
            : invalid(path, "must not be infinite")
          : Effect.succeed(Duration.millis(Math.round(Duration.toMillis(decoded))))
  })
}

export const boolean = (path: string, value: unknown, fallback: boolean): Effect.Effect<boolean, ValidationError> =>
  value === undefined
    ? Effect.succeed(fallback)
    : typeof value === "boolean"
      ? Effect.succeed(value)
      : invalid(path, "must be true or false")

const MAX_BODY_SIZE = 256 * 1024 * 1024

export const maxBodySize = (value: unknown): Effect.Effect<number, ValidationError> =>
  value === undefined
    ? Effect.succeed(MAX_BODY_SIZE)
    : typeof value === "number" && value > 0
      ? Effect.succeed(value)
      : invalid("maxBodySize", "must be a number of bytes greater than zero")

/** Braces would change the hash tag of the keys. */
export const prefix = (value: unknown): Effect.Effect<string, ValidationError> =>
  value === undefined
    ? Effect.succeed("flipt")
    : typeof value === "string" && /^[^\s{}]{1,200}$/.test(value)
      ? Effect.succeed(value)
      : invalid("prefix", "must be a string of 1 to 200 characters without white space and braces")

export interface ReadSettings {
  readonly staleAfter: Duration.Duration
  readonly updateInterval: Duration.Duration
  readonly maxBodySize: number
}

/** The options of all readers. */
export const read = (options: {
  readonly staleAfter?: unknown
  readonly updateInterval?: unknown
  readonly maxBodySize?: unknown
}): Effect.Effect<ReadSettings, ValidationError> =>
  Effect.all({
    staleAfter: duration("staleAfter", options.staleAfter, Duration.seconds(20)),
    updateInterval: duration("updateInterval", options.updateInterval, Duration.seconds(10)),
    maxBodySize: maxBodySize(options.maxBodySize)
  })
