/**
 * Collects what a program can expose as text: its values, its log and its trace.
 */
import { inspect } from "node:util"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Tracer from "effect/Tracer"

const stringified = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? ""
  } catch (error) {
    return `no JSON: ${error}`
  }
}

/** A value in every form in which programs print values. */
export const shown = (value: unknown): string =>
  [
    String(value),
    inspect(value),
    inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null, maxArrayLength: null }),
    stringified(value),
    value instanceof Error ? `${value.message} ${value.stack} ${shown(value.cause)}` : "",
    Exit.isExit(value) && Exit.isFailure(value) ? Cause.pretty(value.cause, { renderErrorCause: true }) : ""
  ].join("\n")

export interface Exposure {
  /** All log lines so far, at every level and in every format. */
  readonly log: ReadonlyArray<string>
  /** Everything recorded in spans so far. */
  readonly trace: ReadonlyArray<string>
}

/** Runs an effect, and collects everything that it logs and traces instead of printing it. */
export const exposed = <A, E, R>(use: (exposure: Exposure) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const log: Array<string> = []
    const trace: Array<string> = []
    const formats = [Logger.stringLogger, Logger.logfmtLogger, Logger.jsonLogger]
    const logger = Logger.make<unknown, void>((line) => {
      log.push(...formats.map((format) => format.log(line)), shown(line.message), shown(Exit.failCause(line.cause)))
    })
    const tracer = Tracer.make({
      span: (name, parent, context, links, startTime, kind) => {
        const attributes = new Map<string, unknown>()
        trace.push(name)
        return {
          _tag: "Span",
          spanId: String(trace.length),
          traceId: "trace",
          sampled: true,
          status: { _tag: "Started", startTime },
          name,
          parent,
          context,
          links,
          kind,
          attributes,
          attribute: (key, value) => {
            attributes.set(key, value)
            trace.push(`${key} ${shown(value)}`)
          },
          event: (event, _, more) => void trace.push(`${event} ${shown(more)}`),
          addLinks: (more) => void trace.push(shown(more)),
          end: (_, exit) => void trace.push(shown(exit))
        }
      },
      context: (run) => run()
    })
    return use({ log, trace }).pipe(
      Effect.withSpan("test", { root: true }),
      Effect.withTracer(tracer),
      Effect.withTracerEnabled(true),
      Effect.provide(Layer.merge(Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(LogLevel.All)))
    )
  })
