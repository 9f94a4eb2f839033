/**
 * Credentials over plain http cause one warning if others could read them.
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Auth from "../src/Auth.js"
import * as Fetcher from "../src/Fetcher.js"
import { AuthError } from "../src/FliptError.js"
import { onDocument } from "./support/documents.js"
import { exposed } from "./support/Exposure.js"
import { upToDate } from "./support/listeners.js"
import { captured, type Line } from "./support/logs.js"
import { turn } from "./support/wait.js"

const SECRET = "t0p-s3cret"

const token = Auth.layerClientToken(Redacted.make(SECRET))

/** An HttpClient that answers without sending anything. */
const answering = (status = 200) => {
  const sent: Array<Headers.Headers> = []
  const client = HttpClient.make((request) =>
    Effect.sync(() => {
      sent.push(request.headers)
      return HttpClientResponse.fromWeb(request, new Response(JSON.stringify(onDocument(true)), { status }))
    })
  )
  return { sent, layer: Layer.succeed(HttpClient.HttpClient, client) }
}

const makeFetcher = <E>(
  options: Fetcher.Options,
  auth: Layer.Layer<Auth.Auth, E>,
  http = answering().layer,
  layer = Fetcher.layerPolling
) =>
  Effect.provide(Fetcher.Fetcher, Layer.provide(layer(options), [http, auth])).pipe(
    Effect.provideService(Fetcher.RetryPolicy, Schedule.stop)
  )

const warningsIn = (lines: ReadonlyArray<Line>) =>
  lines.filter(({ level }) => level === "WARN").map(({ message }) => message)

/** The warnings of a Fetcher after three fetches. */
const warningsOf = (options: Fetcher.Options, auth: Layer.Layer<Auth.Auth, unknown> = token) =>
  captured((lines) =>
    Effect.gen(function* () {
      const fetcher = yield* makeFetcher(options, auth)
      expect(lines).toEqual([])
      yield* Effect.repeatN(fetcher.fetch(Option.none()), 2)
      return warningsIn(lines)
    })
  )

describe("a credential over http", () => {
  it.effect.each([
    "http://flipt.example.com",
    "http://flipt.example.com:8080/path",
    "http://flipt",
    "http://10.0.0.1:8080",
    "http://128.0.0.1",
    "http://[::2]",
    "http://[fe80::1]",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "http://mylocalhost",
    "http://0.0.0.0"
  ])("to %s causes one warning, which names the host and says what to do", (url) =>
    Effect.gen(function* () {
      const warnings = yield* warningsOf({ url })
      expect(warnings).toEqual([expect.stringContaining(`a credential is sent to ${new URL(url).host} over http`)])
      expect(warnings[0]).toContain("set url to an https URL")
    })
  )

  it.effect.each([
    "http://localhost:8080",
    "http://LOCALHOST",
    "http://localhost.:8080",
    "http://flipt.localhost",
    "http://127.0.0.1:8080",
    "http://127.1",
    "http://127.255.255.254",
    "http://[::1]:8080",
    "http://[0:0::1]",
    "https://flipt.example.com",
    "https://10.0.0.1"
  ])("to %s causes no warning", (url) =>
    Effect.gen(function* () {
      expect(yield* warningsOf({ url })).toEqual([])
    })
  )

  const url = "http://flipt.example.com"

  it.effect.each<readonly [string, Fetcher.Options]>([
    ["Authorization", { headers: { Authorization: `Bearer ${SECRET}` } }],
    ["AUTHORIZATION, Redacted", { headers: { AUTHORIZATION: Redacted.make(`Bearer ${SECRET}`) } }],
    ["any Redacted header", { headers: { "x-key": Redacted.make(SECRET) } }]
  ])("can be in the option headers: %s", ([, options]) =>
    Effect.gen(function* () {
      expect(yield* warningsOf({ url, ...options }, Auth.layerNone)).toHaveLength(1)
    })
  )

  it.effect("does not include other headers", () =>
    Effect.gen(function* () {
      expect(yield* warningsOf({ url, headers: { "x-team": "checkout" } }, Auth.layerNone)).toEqual([])
      expect(yield* warningsOf({ url }, Auth.layerNone)).toEqual([])
    })
  )

  it.effect("can be any header of Auth", () =>
    Effect.gen(function* () {
      const auth = Layer.succeed(Auth.Auth, {
        authorize: Effect.succeed(Headers.fromInput({ "x-api-key": SECRET })),
        invalidate: () => Effect.void
      })
      expect(yield* warningsOf({ url }, auth)).toHaveLength(1)
    })
  )

  it.effect("causes a warning once it is sent, but not while it is unavailable", () =>
    captured((lines) =>
      Effect.gen(function* () {
        let fails = true
        const http = answering()
        const auth = Layer.succeed(Auth.Auth, {
          authorize: Effect.suspend(() =>
            fails
              ? Effect.fail(new AuthError({ reason: "Acquire", message: "not yet" }))
              : Effect.succeed(Headers.fromInput({ authorization: SECRET }))
          ),
          invalidate: () => Effect.void
        })
        const fetcher = yield* makeFetcher({ url }, auth, http.layer)
        expect(yield* Effect.flip(fetcher.fetch(Option.none()))).toMatchObject({ reason: "Auth" })
        expect([http.sent, warningsIn(lines)]).toEqual([[], []])
        fails = false
        yield* fetcher.fetch(Option.none())
        expect(http.sent).toHaveLength(1)
        expect(warningsIn(lines)).toHaveLength(1)
      })
    )
  )

  it.effect("causes one warning per Fetcher, even with concurrent requests and a refused credential", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const http = answering(401)
        for (const count of [1, 2]) {
          const fetcher = yield* makeFetcher({ url }, token, http.layer)
          yield* Effect.all(
            Array.from({ length: 10 }, () => Effect.flip(fetcher.fetch(Option.none()))),
            { concurrency: "unbounded" }
          )
          expect(warningsIn(lines)).toHaveLength(count)
        }
      })
    )
  )

  it.scoped("causes a warning even if only a stream sends it", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const http = answering()
        const fetcher = yield* makeFetcher({ url }, token, http.layer, Fetcher.layerStreaming)
        yield* fetcher.events(upToDate).pipe(Stream.runDrain, Effect.forkScoped)
        yield* Effect.repeat(turn, { until: () => http.sent.length > 0 })
        yield* fetcher.fetch(Option.none())
        expect(http.sent).toHaveLength(2)
        expect(warningsIn(lines).filter((message) => message.includes("over http"))).toHaveLength(1)
      })
    )
  )

  it.effect("does not appear in the log or in spans", () =>
    exposed(({ log, trace }) =>
      Effect.gen(function* () {
        const fetcher = yield* makeFetcher({ url, headers: { "x-key": Redacted.make(`${SECRET}-2`) } }, token)
        yield* fetcher.fetch(Option.none())
        expect(log.join("\n")).toContain("over http")
        expect([...log, ...trace].join("\n")).not.toContain(SECRET)
      })
    )
  )
})
