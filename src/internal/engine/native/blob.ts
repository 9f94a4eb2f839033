/**
 * Reads texts that the native library makes of a Snapshot.
 */
import * as Either from "effect/Either"
import { EngineError } from "../../../FliptError.js"
import { Code, type Library } from "./library.js"

/** The error for a code that the library returned. */
export const engineFailure = (action: string, code: number): EngineError =>
  new EngineError({
    reason: code === Code.closed ? "Closed" : "Panic",
    message: `the native engine failed to ${action} (code ${code})`
  })

/** Reads a text from the library; `undefined` if the flag does not exist. */
export const readBlob = (
  library: Library,
  snapshot: number,
  kind: number,
  flagKey: string
): Either.Either<string | undefined, EngineError> => {
  const key = new TextEncoder().encode(flagKey)
  const blob = library.snapshotBlob(snapshot, kind, key, key.length)
  if (blob === Code.noFlag) {
    return Either.right(undefined)
  }
  if (blob < 0) {
    return Either.left(engineFailure("return a text", blob))
  }
  const length = library.blobLength(blob)
  const text = new Uint8Array(Math.max(0, length))
  const code = length < 0 ? length : library.blobRead(blob, 0, text, length)
  library.blobFree(blob)
  return code < 0 ? Either.left(engineFailure("return a text", code)) : Either.right(new TextDecoder().decode(text))
}
