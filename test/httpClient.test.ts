/**
 * The HttpClients as a program may use them for requests of its own, such as asking for a token.
 */
import * as Http from "node:http"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Browser from "../src/internal/platform/default.js"
import * as Tls from "../src/Tls.js"
import { http } from "./support/fetching.js"
import { listen } from "./support/Listener.js"

/** A server that returns what it receives, as a JSON text, and the number of requests to it. */
const echo = Effect.gen(function* () {
  let requests = 0
  const port = yield* listen(
    Http.createServer(async (request, response) => {
      requests++
      const body = Buffer.concat(await request.toArray()).toString()
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify({ type: request.headers["content-type"], body }))
    })
  )
  return { url: http(port), requests: () => requests }
})

const form = () => {
  const data = new FormData()
  data.append("grant", "ключ")
  return data
}

const bodies: ReadonlyArray<{ readonly name: string; readonly body: () => HttpBody.HttpBody; readonly type: RegExp }> =
  [
    { name: "a text", body: () => HttpBody.text("grant=ключ"), type: /^text\/plain$/ },
    { name: "a FormData", body: () => HttpBody.formData(form()), type: /^multipart\/form-data; boundary=./ },
    {
      name: "what fetch knows how to send",
      body: () => HttpBody.raw(new URLSearchParams({ grant: "ключ" })),
      type: /^application\/x-www-form-urlencoded/
    },
    {
      name: "a Stream",
      body: () => HttpBody.stream(Stream.make(new TextEncoder().encode("grant="), new TextEncoder().encode("ключ"))),
      type: /^application\/octet-stream$/
    }
  ]

describe("the HttpClient of Tls.layerHttpClient", () => {
  const provided = Effect.provide(Layer.provide(Tls.layerHttpClient, Tls.layerSystem))

  for (const { body, name, type } of bodies) {
    it.scopedLive(`sends ${name}, with its type`, () =>
      Effect.gen(function* () {
        const { url } = yield* echo
        const response = yield* HttpClient.execute(HttpClientRequest.post(url, { body: body() }))
        const received = (yield* response.json) as { readonly type: string; readonly body: string }
        expect(received.type).toMatch(type)
        const text = name === "what fetch knows how to send" ? decodeURIComponent(received.body) : received.body
        expect(text).toContain("grant")
        expect(text).toContain("ключ")
      }).pipe(provided)
    )
  }

  it.scopedLive("prints a response as @effect/platform does", () =>
    Effect.gen(function* () {
      const { url } = yield* echo
      const response = yield* HttpClient.get(url)
      yield* response.text
      const theirs = HttpClientResponse.fromWeb(response.request, new Response(null, { status: 200 }))
      expect(response.toJSON()).toMatchObject({
        _id: (theirs.toJSON() as { readonly _id: string })._id,
        request: response.request.toJSON(),
        status: 200
      })
    }).pipe(provided)
  )
})

describe("the HttpClient for browsers", () => {
  it.scopedLive("does not follow a redirect, whose target nobody has checked", () =>
    Effect.gen(function* () {
      const target = yield* echo
      const port = yield* listen(
        Http.createServer((_, response) => response.writeHead(302, { location: target.url }).end())
      )
      yield* Effect.exit(HttpClient.get(http(port)))
      expect(target.requests()).toBe(0)
      yield* HttpClient.get(target.url)
      expect(target.requests()).toBe(1)
    }).pipe(Effect.provide(Browser.layerHttpClient({})))
  )
})
