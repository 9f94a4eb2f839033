/**
 * Messages of errors whose cause is easily mistaken for another one.
 */
import * as Http from "node:http"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Engine from "../src/Engine.js"
import { classify } from "../src/internal/net/transportError.js"
import { noResponseHint } from "../src/internal/platform/default.js"
import { booleanFlag, makeDocument, variantFlag } from "./support/documents.js"
import { engines } from "./support/engines.js"
import { failureOf, http, never } from "./support/fetching.js"
import { listen } from "./support/Listener.js"

const answering = (status: number, headers: Http.OutgoingHttpHeaders, body = "") =>
  Effect.map(listen(Http.createServer((_, response) => void response.writeHead(status, headers).end(body))), http)

describe("the error of a request", () => {
  it.scopedLive("names the scheme of a redirect to a URL that is not http or https", () =>
    Effect.gen(function* () {
      const url = yield* answering(302, { location: "file:///etc/passwd" })
      const { message } = yield* failureOf({ url }, never)
      expect(message).toContain("the redirect leads to a file: URL, and only http and https URLs can be fetched")
      expect(message).not.toContain("null")
    })
  )

  it.scopedLive("names the URL that answered with a page", () =>
    Effect.gen(function* () {
      const url = yield* answering(200, { "content-type": "text/html; charset=utf-8" }, "<!doctype html>")
      const error = yield* failureOf({ url }, never)
      expect(error).toMatchObject({ reason: "Body", status: 200, retryable: true })
      expect(error.message).toContain(
        `GET ${url}/internal/v1/evaluation/snapshot/namespace/default: status 200: the response is text/html, not a snapshot`
      )
    })
  )

  it.scopedLive("names an unsupported content encoding", () =>
    Effect.gen(function* () {
      const url = yield* answering(200, { "content-encoding": "lzma" }, "{}")
      const error = yield* failureOf({ url }, never)
      expect(error).toMatchObject({ reason: "Body", retryable: false })
      expect(error.message).toContain('the content encoding "lzma" is unknown')
    })
  )

  it("names each address that refused the connection", () => {
    const refused = (address: string) =>
      Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: "ECONNREFUSED" })
    const all = Object.assign(new AggregateError([refused("::1:8080"), refused("127.0.0.1:8080")]), {
      code: "ECONNREFUSED"
    })
    const { code, message } = classify(new TypeError("fetch failed", { cause: all }))
    expect(code).toBe("ECONNREFUSED")
    expect(message).toBe("connect ECONNREFUSED ::1:8080, connect ECONNREFUSED 127.0.0.1:8080")
  })

  it("mentions CORS in a browser, and the headers that the server must allow", () => {
    expect(noResponseHint(["accept", "authorization", "x-flipt-environment"])).toBe(
      "; in a browser, also check that the server allows this page's origin by CORS, with the request headers authorization, x-flipt-environment"
    )
  })

  it.scopedLive("does not mention CORS on Node", () =>
    Effect.gen(function* () {
      expect((yield* failureOf({ url: "http://127.0.0.1:1" }, never)).message).not.toContain("CORS")
    })
  )
})

describe("the error of an evaluation", () => {
  for (const [name, engine] of engines) {
    it.scoped(`starts with the official text and explains it (${name} engine)`, () =>
      Effect.gen(function* () {
        const document = makeDocument([booleanFlag("on", true), variantFlag("theme", "dark")], "n")
        const { compile } = yield* Engine.Engine
        const snapshot = yield* compile("n", [new TextEncoder().encode(JSON.stringify(document))])
        const messageOf = (result: Either.Either<unknown, Error>) => Either.getOrThrow(Either.flip(result)).message
        expect(messageOf(snapshot.boolean({ flagKey: "nope", entityId: "e" }))).toBe(
          "invalid request: failed to get flag information n/nope; none of the 2 flags of the namespace has this key"
        )
        expect(messageOf(snapshot.boolean({ flagKey: "theme", entityId: "e" }))).toBe(
          "invalid request: theme is not a boolean flag; it is a variant flag, so use evaluateVariant"
        )
        expect(messageOf(snapshot.variant({ flagKey: "on", entityId: "e" }))).toBe(
          "invalid request: on is not a variant flag; it is a boolean flag, so use evaluateBoolean"
        )
        expect(messageOf(snapshot.boolean({ flagKey: "on", entityId: undefined as never }))).toBe(
          "entityId cannot be empty, and it is undefined"
        )
        expect(messageOf(snapshot.boolean({ flagKey: "on", entityId: "" }))).toBe("entityId cannot be empty")
      }).pipe(Effect.provide(engine))
    )

    it.scoped(`has no stack trace if later callers get it too (${name} engine)`, () =>
      Effect.gen(function* () {
        const document = makeDocument([booleanFlag("on", true)], "n")
        const { compile } = yield* Engine.Engine
        const snapshot = yield* compile("n", [new TextEncoder().encode(JSON.stringify(document))])
        const limit = Error.stackTraceLimit
        const errorOf = (flagKey: string) =>
          Either.getOrThrow(Either.flip(snapshot.variant({ flagKey, entityId: "e" })))
        for (const flagKey of ["nope", "on"]) {
          const error = errorOf(flagKey)
          expect(errorOf(flagKey)).toBe(error)
          expect(error.stack).not.toMatch(/^ +at /m)
        }
        expect(Error.stackTraceLimit).toBe(limit)
        expect(new Error().stack).toMatch(/^ +at /m)
      }).pipe(Effect.provide(engine))
    )
  }
})
