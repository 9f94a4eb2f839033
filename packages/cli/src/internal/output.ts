/**
 * Writes results to standard output and everything else to standard error. Colors and other decorations appear only on a
 * terminal.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import * as Text from "./text.js"

export type Color = "bold" | "dim" | "red" | "green" | "yellow"

const codes: Readonly<Record<Color, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39]
}

export interface Service {
  /** Whether results are JSON. */
  readonly isJson: boolean
  /** The number of columns; `undefined` if the output is not a terminal. */
  readonly width: number | undefined
  readonly color: (color: Color, text: string) => string
  /** Writes a result. The text must be escaped. */
  readonly print: (text: string) => Effect.Effect<void>
  /** Writes a result as JSON: indented, or on one line. */
  readonly printJson: (value: unknown, isLine?: boolean) => Effect.Effect<void>
  /** Writes a message to standard error. The text must be escaped. */
  readonly message: (text: string) => Effect.Effect<void>
  /** Runs an effect, and shows progress if it takes longer than half a second. */
  readonly waiting: <A, E, R>(label: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export class Output extends Context.Tag("@flipt-client-effect/cli/Output")<Output, Service>() {}

const SPINNER_DELAY = Duration.millis(500)
const SPINNER_INTERVAL = Duration.millis(100)
const FRAMES = ["|", "/", "-", "\\"]
const DEFAULT_WIDTH = 80

/** Whether a stream is a terminal that shows colors. See https://no-color.org. */
export const hasColor = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY === true && (process.env.NO_COLOR ?? "") === "" && process.env.TERM !== "dumb"

const write = (stream: NodeJS.WriteStream, text: string): Effect.Effect<void> => Effect.sync(() => stream.write(text))

const spin = (label: string): Effect.Effect<void, never, Scope.Scope> => {
  const stream = process.stderr
  const draw = (frame: number): Effect.Effect<never> =>
    write(
      stream,
      `\r${FRAMES[frame % FRAMES.length]} ${Text.plain(label, (stream.columns ?? DEFAULT_WIDTH) - 4)}`
    ).pipe(Effect.zipRight(Effect.sleep(SPINNER_INTERVAL)), Effect.zipRight(Effect.suspend(() => draw(frame + 1))))
  return Effect.sleep(SPINNER_DELAY).pipe(
    Effect.zipRight(Effect.ensuring(draw(0), write(stream, "\r\u001b[K"))),
    Effect.forkScoped,
    Effect.asVoid
  )
}

export const make = (isJson: boolean): Service => {
  const isColored = hasColor(process.stdout)
  const width = process.stdout.isTTY === true ? (process.stdout.columns ?? DEFAULT_WIDTH) : undefined
  const print = (text: string) => write(process.stdout, `${text}\n`)
  return {
    isJson,
    width,
    color: (color, text) => (isColored ? `\u001b[${codes[color][0]}m${text}\u001b[${codes[color][1]}m` : text),
    print,
    printJson: (value, isLine = false) => print(Text.json(value, isLine ? undefined : 2)),
    message: (text) => write(process.stderr, `${text}\n`),
    waiting: (label, effect) =>
      process.stderr.isTTY === true && process.env.TERM !== "dumb"
        ? Effect.scoped(Effect.zipRight(spin(label), effect))
        : effect
  }
}

/** Writes the library's log to standard error, with one line per message. */
export const logger: Logger.Logger<unknown, void> = Logger.make(({ logLevel, message }) => {
  const parts = Array.isArray(message) ? message : [message]
  const text = parts.map((part) => (typeof part === "string" ? part : Text.json(part))).join(" ")
  const label = LogLevel.greaterThanEqual(logLevel, LogLevel.Error)
    ? "error"
    : LogLevel.greaterThanEqual(logLevel, LogLevel.Warning)
      ? "warning"
      : logLevel.label.toLowerCase()
  process.stderr.write(`${label}: ${Text.plain(text.replace(/^Flipt: /, ""), 4000)}\n`)
})
