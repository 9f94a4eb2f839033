/**
 * Converts the bodies of requests for Node.
 */
import type { Readable } from "node:stream"
import type { ReadableStream as NodeReadableStream } from "node:stream/web"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

interface RequestBody {
  readonly content: Uint8Array | Readable | undefined
  readonly contentType?: string
}

const fromWeb = (stream: ReadableStream): Readable =>
  process.getBuiltinModule("node:stream").Readable.fromWeb(stream as NodeReadableStream)

/** A body that the platform knows how to send, such as a text or a form. */
const fromBodyInit = (body: BodyInit): RequestBody => {
  const { body: stream, headers } = new Response(body)
  const contentType = headers.get("content-type")
  return {
    content: stream === null ? undefined : fromWeb(stream),
    ...(contentType === null ? {} : { contentType })
  }
}

export const toRequestBody = (body: HttpBody.HttpBody): Effect.Effect<RequestBody> => {
  switch (body._tag) {
    case "Empty":
      return Effect.succeed({ content: undefined })
    case "Uint8Array":
      return Effect.succeed({ content: body.body })
    case "Raw":
      return Effect.sync(() => fromBodyInit(body.body as BodyInit))
    case "FormData":
      return Effect.sync(() => fromBodyInit(body.formData))
    case "Stream":
      return Effect.map(Stream.toReadableStreamEffect(body.stream), (stream) => ({ content: fromWeb(stream) }))
  }
}
