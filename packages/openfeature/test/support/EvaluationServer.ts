/**
 * Flipt's server-side evaluation, which the remote provider uses: `/evaluate/v1/boolean` and `/evaluate/v1/variant`,
 * https://docs.flipt.io/v1/reference/evaluation/variant-evaluation. The answers come from this library's engine, which
 * other tests compare with the official one. Requests are validated like on the server.
 */
import * as Http from "node:http"
import type * as Net from "node:net"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Engine from "flipt-client-effect/Engine"
import type { EvaluateError } from "flipt-client-effect/FliptError"
import type { BooleanResult, EvaluationRequest, VariantResult } from "flipt-client-effect/Model"
import type { Snapshot } from "flipt-client-effect/Snapshot"

interface Answer {
  readonly status: number
  readonly body: object
}

const invalid = (message: string): Answer => ({ status: 400, body: { code: 3, message, details: [] } })

const answer = (snapshot: Snapshot, path: string | undefined, body: string): Answer => {
  const { context, entityId, flagKey } = JSON.parse(body) as EvaluationRequest
  if (flagKey === "") return invalid("invalid field flagKey: must not be empty")
  if (entityId === "") return invalid("invalid field entityId: must not be empty")
  if (Object.values(context ?? {}).some((value) => typeof value !== "string")) {
    return invalid("proto: syntax error: invalid value for string type")
  }
  const request = { flagKey, entityId, context }
  const result: Either.Either<BooleanResult | VariantResult, EvaluateError> | undefined =
    path === "/evaluate/v1/boolean"
      ? snapshot.boolean(request)
      : path === "/evaluate/v1/variant"
        ? snapshot.variant(request)
        : undefined
  if (result === undefined) return { status: 404, body: { code: 5, message: "Not Found", details: [] } }
  if (Either.isRight(result)) {
    const { _tag: _, ...fields } = result.right
    return { status: 200, body: { variantAttachment: "", ...fields } }
  }
  return result.left.reason === "FlagNotFound"
    ? { status: 404, body: { code: 5, message: `flag "default/${flagKey}" not found`, details: [] } }
    : invalid(result.left.message)
}

/** Starts a server with the flags of a document, and returns its URL. */
export const make = (document: object): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const engine = yield* Effect.provide(Engine.Engine, Engine.layerPortable)
    const snapshot = yield* engine.compile("default", [new TextEncoder().encode(JSON.stringify(document))])
    const server = Http.createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const { body, status } = answer(snapshot, request.url, Buffer.concat(chunks).toString())
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
      })
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    return `http://127.0.0.1:${(server.address() as Net.AddressInfo).port}`
  }).pipe(Effect.orDie)
