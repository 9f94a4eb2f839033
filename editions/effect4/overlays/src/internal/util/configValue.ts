// Written after sha256:11baa389cc369178 of the same path
/**
 * Values of Effect's Config, and the errors of invalid ones.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

/** A text. An empty variable counts as unset. */
export const text = (name: string): Config.Config<string> => Config.NonEmptyString(name)

/** A text that is never printed. An empty variable counts as unset. */
export const secret = (name: string): Config.Config<Redacted.Redacted> =>
  Config.map(text(name), (value) => Redacted.make(value))

const invalid = (message: string): Config.ConfigError =>
  new Config.ConfigError(new ConfigProvider.SourceError({ message }))

/** A text that a function parses. If it cannot, it returns what it expected. */
export const parsed = <A>(name: string, parse: (text: string) => Result.Result<A, string>): Config.Config<A> =>
  Config.mapEffect(text(name), (value) =>
    Effect.fromResult(Result.mapError(parse(value), (expected) => invalid(`${name}: expected ${expected}`)))
  )

/** Checks several values together. If they are invalid, the function returns the problem and the variable to blame. */
export const checked = <A, B>(
  config: Config.Config<A>,
  check: (value: A) => Result.Result<B, { readonly name: string; readonly problem: string }>
): Config.Config<B> =>
  Config.mapEffect(config, (value) =>
    Effect.fromResult(Result.mapError(check(value), ({ name, problem }) => invalid(`${name}: ${problem}`)))
  )
