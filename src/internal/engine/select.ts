/**
 * Which engine runs.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { globalValue } from "effect/GlobalValue"
import * as MutableRef from "effect/MutableRef"
import * as Option from "effect/Option"
import * as Native from "#native"
import type * as Engine from "../../Engine.js"
import { EngineError } from "../../FliptError.js"
import { portable } from "./portable/engine.js"

const settings = Effect.mapError(
  Config.all({
    engine: Config.option(Config.literal("native", "portable")("FLIPT_ENGINE")),
    path: Config.option(Config.nonEmptyString("FLIPT_ENGINE_PATH"))
  }),
  (cause) =>
    new EngineError({
      reason: "Load",
      message: `FLIPT_ENGINE must be native or portable, and FLIPT_ENGINE_PATH the path of a library: ${cause}`,
      cause
    })
)

/** The native engine; `FLIPT_ENGINE_PATH` says where it is. */
export const native: Effect.Effect<Engine.Service, EngineError> = Effect.flatMap(settings, ({ path }) =>
  Native.load(Option.getOrUndefined(path))
)

/** Whether the fallback has been logged. Process-wide, like the library that is missing: many layers share one message. */
const logged = globalValue("flipt-client-effect/Engine/fallbackLogged", () => MutableRef.make(false))

const logFallback = (error: EngineError): Effect.Effect<void> =>
  Effect.suspend(() =>
    Native.supported && MutableRef.compareAndSet(logged, false, true)
      ? Effect.logInfo(
          `Flipt: the portable engine runs, since ${error.message}. Evaluation is as fast; loading more than some 10,000 flags holds the event loop longer. FLIPT_ENGINE=portable omits this message`
        )
      : Effect.void
  )

/** The native engine, or the portable one where that does not load; `FLIPT_ENGINE` overrides. */
export const best: Effect.Effect<Engine.Service, EngineError> = Effect.gen(function* () {
  const { engine } = yield* settings
  switch (Option.getOrUndefined(engine)) {
    case "portable":
      return portable
    case "native":
      return yield* native
    default:
      return yield* Effect.catchAll(native, (error) => Effect.as(logFallback(error), portable))
  }
})
