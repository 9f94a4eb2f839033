/**
 * Keeps certificates and keys from files current: reads them again when a connection is opened, at most once per
 * interval. Connections that are open keep their certificates.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as SynchronizedRef from "effect/SynchronizedRef"
import type { ValidationError } from "../../FliptError.js"
import type * as Tls from "../../Tls.js"
import type { PemTexts } from "../net/tlsMaterial.js"

/** What the files contained, or why they could not be read. Equal contents need no second check. */
const contentsOf = (texts: Either.Either<PemTexts, ValidationError>): string =>
  Either.match(texts, {
    onLeft: ({ message }) => message,
    onRight: ({ ca, cert, key }) => JSON.stringify([ca?.text, cert?.text, key?.text])
  })

interface State {
  readonly options: Tls.ConnectionOptions
  readonly contents: string
  readonly readAt: number
  /**
   * False while the files cannot be used. Then every new connection reads them again, because a renewal may replace
   * them one by one.
   */
  readonly isValid: boolean
}

export const reload = (settings: {
  readonly options: Tls.ConnectionOptions
  readonly texts: PemTexts
  readonly read: Effect.Effect<PemTexts, ValidationError>
  readonly toOptions: (texts: PemTexts) => Effect.Effect<Tls.ConnectionOptions, ValidationError>
  readonly intervalMillis: number
}): Effect.Effect<Effect.Effect<Tls.ConnectionOptions>> =>
  Effect.gen(function* () {
    const { intervalMillis, read, toOptions } = settings
    const state = yield* SynchronizedRef.make<State>({
      options: settings.options,
      contents: contentsOf(Either.right(settings.texts)),
      readAt: yield* Clock.currentTimeMillis,
      isValid: true
    })
    const refresh = (current: State): Effect.Effect<State> =>
      Effect.gen(function* () {
        const readAt = yield* Clock.currentTimeMillis
        const age = readAt - current.readAt
        // If the clock was set back, the age is unknown and the files are read.
        if (current.isValid && age >= 0 && age < intervalMillis) {
          return current
        }
        const texts = yield* Effect.either(read)
        const contents = contentsOf(texts)
        if (contents === current.contents) {
          return { ...current, readAt }
        }
        const options = yield* Effect.either(Effect.flatMap(texts, toOptions))
        if (Either.isLeft(options)) {
          yield* Effect.logWarning(`Flipt: ${options.left.message}; until then, new connections use the previous ones`)
          return { ...current, contents, readAt, isValid: false }
        }
        yield* Effect.logInfo("Flipt: the certificates have changed; new connections use the new ones")
        return { options: options.right, contents, readAt, isValid: true }
      })
    return Effect.map(SynchronizedRef.updateAndGetEffect(state, refresh), ({ options }) => options)
  })
