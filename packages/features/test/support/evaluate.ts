/**
 * The client's answers for a document.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Engine from "flipt-client-effect/Engine"
import type { EvaluationRequest } from "flipt-client-effect/Model"

/** The answer to a request, or the error's message, for example for a flag of the other type. */
export type Answer = (kind: "variant" | "boolean", request: EvaluationRequest) => unknown

export const answering = (namespace: string, document: Uint8Array | string) =>
  Effect.gen(function* () {
    const engine = yield* Engine.Engine
    const bytes = typeof document === "string" ? new TextEncoder().encode(document) : document
    const snapshot = yield* engine.compile(namespace, [bytes])
    const answer: Answer = (kind, request) => {
      const result = Either.match(snapshot[kind](request) as Either.Either<object, { readonly message: string }>, {
        onLeft: ({ message }): object => ({ message }),
        onRight: (result) => result
      })
      const { requestDurationMillis: _, timestamp: __, ...rest } = result as Record<string, unknown>
      return rest
    }
    return answer
  }).pipe(Effect.provide(Engine.layerPortable))
