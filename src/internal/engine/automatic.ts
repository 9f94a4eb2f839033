/**
 * Chooses an engine for each document by its size.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as MutableRef from "effect/MutableRef"
import type * as Scope from "effect/Scope"
import type * as Engine from "../../Engine.js"
import type { EngineError } from "../../FliptError.js"
import type { Snapshot } from "../../Snapshot.js"
import { globalValue } from "../util/globalValue.js"
import { HoldTimer } from "../util/holdTimer.js"
import { sizeOf } from "../util/slices.js"
import { makePortable, portable } from "./portable/engine.js"

/**
 * The native engine loads documents of at least this size. The portable engine takes about 50 ms of the main thread per
 * megabyte, in slices of a few milliseconds, which a service does not notice. For smaller documents, loading the library
 * would take longer than it saves, and the portable engine evaluates faster.
 */
export const LARGE_DOCUMENT_BYTES = 1024 * 1024

/** Whether the fallback has been logged. Process-wide, like the library that is missing: many layers share one message. */
const logged = globalValue("flipt-client-effect/Engine/fallbackLogged", () => MutableRef.make(false))

const formatMillis = (millis: number): string => `${Math.round(millis)} ms`

const logFallback = (what: string, bytes: number, timer: HoldTimer, error: EngineError): Effect.Effect<void> =>
  Effect.suspend(() =>
    MutableRef.compareAndSet(logged, false, true)
      ? Effect.logInfo(
          `Flipt: loaded a ${what} of ${(bytes / 1e6).toFixed(1)} MB with the portable engine, which held the event loop for ${formatMillis(timer.total)}, at most ${formatMillis(timer.longest)} at a time, because ${error.message}. With the native engine, a document of this size loads on another thread. FLIPT_ENGINE=portable silences this message`
        )
      : Effect.void
  )

/**
 * An engine that compiles small documents with the portable engine and large ones with the native engine, which is
 * loaded for the first of them. The portable engine also compiles large documents if the native engine does not load.
 */
export const make = (native: Effect.Effect<Engine.Service, EngineError>): Effect.Effect<Engine.Service> =>
  Effect.map(Effect.makeSemaphore(1), (permit) => {
    let loaded: Either.Either<Engine.Service, EngineError> | undefined
    // not `Effect.cached`: if its first caller is interrupted, the later ones are too (Effect 3.22)
    const loadNative = Effect.suspend(() =>
      loaded === undefined
        ? Effect.map(Effect.either(native), (result) => {
            loaded = result
            return result
          })
        : Effect.succeed(loaded)
    ).pipe(permit.withPermits(1))

    const choose = <E>(
      what: string,
      bytes: number,
      compile: (engine: Engine.Service) => Effect.Effect<Snapshot, E, Scope.Scope>
    ): Effect.Effect<Snapshot, E, Scope.Scope> =>
      bytes < LARGE_DOCUMENT_BYTES
        ? compile(portable)
        : Effect.flatMap(
            loadNative,
            Either.match({
              onLeft: (error) =>
                Effect.clockWith((clock) => {
                  const timer = new HoldTimer(clock)
                  return Effect.tap(compile(makePortable(timer)), logFallback(what, bytes, timer, error))
                }),
              onRight: compile
            })
          )

    return {
      name: "automatic",
      compile: (namespace, document) =>
        choose("document", sizeOf(document), (engine) => engine.compile(namespace, document)),
      restore: (namespace, seed) => choose("seed", seed.length, (engine) => engine.restore(namespace, seed))
    }
  })
