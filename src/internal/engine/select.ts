/**
 * Which engine runs.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
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

/** The native engine, else the portable one; `FLIPT_ENGINE` overrules. */
export const best: Effect.Effect<Engine.Service, EngineError> = Effect.gen(function* () {
  const { engine } = yield* settings
  switch (Option.getOrUndefined(engine)) {
    case "portable":
      return portable
    case "native":
      return yield* native
    default:
      return yield* Effect.catchAll(native, (error) =>
        Effect.as(
          Effect.logWarning(
            `Flipt: the portable engine runs, since ${error.message}. FLIPT_ENGINE=portable spares this warning, FLIPT_ENGINE_PATH names the library's file`
          ),
          portable
        )
      )
  }
})
