/**
 * How the command fails: one line on standard error, and an exit code that scripts can rely on.
 */
import * as Data from "effect/Data"
import type {
  AuthError,
  EngineError,
  EvaluationError,
  FetchError,
  ValidationError
} from "flipt-client-effect/FliptError"

export const exitCodes = {
  /** `diff` found differences, `lint` findings, or `doctor` a problem. */
  found: 1,
  /** The command line, an option or a variable is wrong. */
  usage: 2,
  /** There is no such flag, or it cannot be evaluated. */
  evaluation: 3,
  /** The flags cannot be fetched or read. */
  source: 4,
  /** The flags were read but are not valid. */
  document: 5,
  /** A fault of this program. */
  defect: 70,
  /** Ctrl-C. */
  interrupted: 130
} as const

/** Ends the command. `message` is escaped; an empty one prints nothing. */
export class Failure extends Data.TaggedError("Failure")<{ readonly message: string; readonly exitCode: number }> {}

export const usage = (message: string): Failure => new Failure({ message, exitCode: exitCodes.usage })

/** Ends the command with only an exit code. */
export const exit = (exitCode: number): Failure => new Failure({ message: "", exitCode })

/** The messages of the library's errors are escaped, contain no secrets, and say what to do. */
export const fromFlipt = (error: AuthError | EngineError | EvaluationError | FetchError | ValidationError): Failure => {
  const { message } = error
  switch (error._tag) {
    case "AuthError":
    case "FetchError":
      return new Failure({ message, exitCode: exitCodes.source })
    case "EngineError":
      return new Failure({ message, exitCode: exitCodes.document })
    case "EvaluationError":
      return new Failure({ message, exitCode: exitCodes.evaluation })
    case "ValidationError":
      return new Failure({ message, exitCode: error.reason === "Seed" ? exitCodes.document : exitCodes.usage })
  }
}
