/**
 * Captures log lines.
 */
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"

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
    const logger = Logger.make(({ annotations, cause, logLevel, message }) => {
      const parts = [message, [...HashMap.entries(annotations)], cause._tag === "Empty" ? "" : cause]
      lines.push({ level: logLevel.label, message: parts.flat().map(String).join(" ").trim() })
    })
    return use(lines).pipe(
      Effect.provide(Layer.merge(Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(LogLevel.All)))
    )
  })
