/**
 * The HttpClients as a program may use them for requests of its own, such as asking for a token.
 */
import * as Http from "node:http"
import { fileURLToPath } from "node:url"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Esbuild from "esbuild"
import * as Browser from "../src/internal/platform/default.js"
import * as Tls from "../src/Tls.js"
import { http, small } from "./support/fetching.js"
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

describe("a client in a browser", () => {
  const source = (path: string) => fileURLToPath(new URL(`../src/${path}`, import.meta.url))

  /** Connects a client made from the sources for browsers. Here it runs on Node, with Node's `fetch`. */
  const bundled = Effect.promise(async () => {
    const { outputFiles } = await Esbuild.build({
      stdin: {
        contents: `
          import * as Effect from "effect/Effect"
          import * as FliptClient from "./FliptClient.js"
          export const connect = (options: FliptClient.Options) =>
            FliptClient.make({ ...options, fetchMode: "streaming" }).pipe(
              Effect.flatMap(({ status }) =>
                Effect.repeat(Effect.delay(status, "2 millis"), { until: ({ connected }) => connected })
              ),
              Effect.scoped,
              Effect.runPromise
            )
        `,
        loader: "ts",
        resolveDir: source("")
      },
      alias: {
        "#platform": source("internal/platform/default.ts"),
        "#native": source("internal/engine/native/default.ts")
      },
      bundle: true,
      tsconfigRaw: "{}",
      format: "esm",
      platform: "browser",
      write: false
    })
    const bundle: { readonly connect: (options: object) => Promise<unknown> } = await import(
      `data:text/javascript;base64,${Buffer.from(outputFiles[0]!.contents).toString("base64")}`
    )
    return bundle
  })

  it.scopedLive("leaves User-Agent to the browser, unless the option headers has it", () =>
    Effect.gen(function* () {
      const agents: Array<string> = []
      const port = yield* listen(
        Http.createServer(({ headers, url = "" }, response) => {
          const isStream = url.includes("/stream")
          agents.push(`${isStream ? "stream" : "snapshot"}: ${headers["user-agent"]}`)
          response.writeHead(200, { "content-type": "application/json" })
          isStream ? response.flushHeaders() : response.end(JSON.stringify(small))
        })
      )
      const { connect } = yield* bundled
      yield* Effect.promise(() => fetch(http(port)))
      // what this runtime sends on its own
      const [own] = agents.splice(0)
      expect(own).toMatch(/^snapshot: (?!flipt)/)
      yield* Effect.promise(() => connect({ url: http(port) }))
      expect(agents.splice(0)).toEqual([own, own?.replace("snapshot", "stream")])
      yield* Effect.promise(() => connect({ url: http(port), headers: { "User-Agent": "shop/3" } }))
      expect(agents).toEqual(["snapshot: shop/3", "stream: shop/3"])
    })
  )
})
