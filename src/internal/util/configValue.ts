/**
 * Values of Effect's Config, and the errors of invalid ones.
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"

/** A text. An empty variable counts as unset. */
export const text = (name: string): Config.Config<string> => Config.nonEmptyString(name)

/** A text that is never printed. An empty variable counts as unset. */
export const secret = (name: string): Config.Config<Redacted.Redacted> => Config.redacted(Config.nonEmptyString(name))

/** A text that a function parses. If it cannot, it returns what it expected. */
export const parsed = <A>(name: string, parse: (text: string) => Either.Either<A, string>): Config.Config<A> =>
  Config.mapOrFail(text(name), (value) =>
    Either.mapLeft(parse(value), (expected) => ConfigError.InvalidData([], `expected ${expected}`))
  )

/** Checks several values together. If they are invalid, the function returns the problem and the variable to blame. */
export const checked = <A, B>(
  config: Config.Config<A>,
  check: (value: A) => Either.Either<B, { readonly name: string; readonly problem: string }>
): Config.Config<B> =>
  Config.mapOrFail(config, (value) =>
    Either.mapLeft(check(value), ({ name, problem }) => ConfigError.InvalidData([name], problem))
  )
