/**
 * A plain HTTP client for the tests of the stand-in server.
 */
import * as Http from "node:http"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as FliptServer from "./FliptServer.js"
import { awhile } from "./wait.js"

export interface Outcome {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly rawHeaders: ReadonlyArray<string>
  readonly body: Buffer
  /** The code of the error that ended the body early. */
  readonly broken: string | undefined
}

interface Ask {
  readonly headers?: Http.OutgoingHttpHeaders
  readonly method?: string
  readonly agent?: Http.Agent
}

/** Fails with the error's code if there is no response. An interruption closes the connection. */
export const ask = (server: FliptServer.Server, path: string, options: Ask = {}): Effect.Effect<Outcome, string> =>
  Effect.async<Outcome, string>((resume) => {
    const request = Http.request({
      host: "127.0.0.1",
      port: server.port,
      path,
      method: options.method ?? "GET",
      headers: options.headers ?? {},
      agent: options.agent ?? false
    })
    request.on("error", (error: NodeJS.ErrnoException) => resume(Effect.fail(error.code ?? error.message)))
    request.on("response", (response) => {
      const chunks: Array<Buffer> = []
      const end = (broken: string | undefined) =>
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            body: Buffer.concat(chunks),
            broken
          })
        )
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () => end(undefined))
      response.on("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
    })
    request.end()
    return Effect.sync(() => request.destroy())
  })

export const parse = (outcome: Outcome): unknown => JSON.parse(outcome.body.toString())

export const path = (namespace = "default") => `/internal/v1/evaluation/snapshot/namespace/${namespace}`

export const clientPath = (environment: string, namespace: string, what = "snapshot") =>
  `/client/v2/environments/${environment}/namespaces/${namespace}/${what}`

export const error = (code: number, message: string) => ({ code, message, details: [] })

/** Opens a stream. Returns its status and headers as soon as they arrive, and then one line after the other. */
export const open = (
  server: FliptServer.Server,
  target = clientPath("default", "default", "stream"),
  headers: Http.OutgoingHttpHeaders = {}
) =>
  Effect.gen(function* () {
    const heads = yield* Queue.unbounded<Http.IncomingMessage>()
    const frames = yield* Queue.unbounded<string>()
    const request = yield* Effect.acquireRelease(
      Effect.sync(() => Http.get({ host: "127.0.0.1", port: server.port, path: target, headers, agent: false })),
      (request) => Effect.sync(() => request.destroy())
    )
    request.on("error", () => frames.unsafeOffer("end"))
    request.on("response", (response) => {
      heads.unsafeOffer(response)
      let rest = ""
      response.setEncoding("utf8").on("data", (chunk: string) => {
        const lines = (rest + chunk).split("\n")
        rest = lines.pop()!
        for (const line of lines) frames.unsafeOffer(line)
      })
      response.on("error", () => {}).on("close", () => frames.unsafeOffer("end"))
    })
    return {
      head: Queue.take(heads),
      frame: Effect.map(Queue.take(frames), (line): unknown => (line === "end" ? line : JSON.parse(line))),
      silent: awhile.pipe(
        Effect.zipRight(Effect.all([Queue.size(heads), Queue.size(frames)])),
        Effect.map(([head, frame]) => head === 0 && frame === 0)
      )
    }
  })
