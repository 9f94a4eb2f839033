// Written after sha256:358175ddcb5b301d of the same path
/**
 * Captures log lines.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"

export interface Line {
  readonly level: string
  readonly message: string
}

/** Runs an effect, and captures its log lines instead of printing them. */
export const captured = <A, E, R>(
  use: (lines: ReadonlyArray<Line>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const lines: Array<Line> = []
    const logger = Logger.make(({ cause, fiber, logLevel, message }) => {
      const annotations = Object.entries(fiber.getRef(References.CurrentLogAnnotations))
      const parts = [message, annotations, cause.reasons.length === 0 ? "" : cause]
      lines.push({ level: logLevel.toUpperCase(), message: parts.flat().map(String).join(" ").trim() })
    })
    return use(lines).pipe(
      Effect.provide(Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "All")))
    )
  })
