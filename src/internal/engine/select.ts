/**
 * Selects the engine from the configuration.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Native from "#native"
import type * as Engine from "../../Engine.js"
import { EngineError } from "../../FliptError.js"
import { printable } from "../util/outsideText.js"
import * as Automatic from "./automatic.js"
import { portable } from "./portable/engine.js"

const options = Config.all({
  engine: Config.option(Config.literal("native", "portable")("FLIPT_ENGINE")),
  path: Config.option(Config.nonEmptyString("FLIPT_ENGINE_PATH"))
})

/** The options of a process, so a ConfigProvider that does not have them, such as a nested one, does not hide them. */
const config = Effect.mapError(
  Effect.zipWith(
    options,
    Effect.suspend(() => Effect.withConfigProvider(options, ConfigProvider.fromEnv())),
    (configured, environment) => ({
      engine: Option.orElse(configured.engine, () => environment.engine),
      path: Option.orElse(configured.path, () => environment.path)
    })
  ),
  (cause) =>
    new EngineError({
      reason: "Load",
      message: `FLIPT_ENGINE must be native or portable, and FLIPT_ENGINE_PATH must be the path of a library: ${printable(String(cause), 1000)}`,
      cause
    })
)

/** The native engine, loaded from `FLIPT_ENGINE_PATH` if it is set. */
export const native: Effect.Effect<Engine.Service, EngineError> = Effect.flatMap(config, ({ path }) =>
  Native.load(Option.getOrUndefined(path))
)

/**
 * The engine that `FLIPT_ENGINE` names, or else one that chooses for each document. The native engine is loaded early only
 * if it is named, so that a missing library is reported at startup. Worker threads use the portable engine by default, for
 * large documents too.
 */
export const best: Effect.Effect<Engine.Service, EngineError> = Effect.gen(function* () {
  const { engine, path } = yield* config
  switch (Option.getOrUndefined(engine)) {
    case "portable":
      return portable
    case "native":
      return yield* native
    default:
      return yield* Automatic.make(
        Effect.suspend(() => (Native.preferred() ? Native.load(Option.getOrUndefined(path)) : Effect.succeed(portable)))
      )
  }
})
