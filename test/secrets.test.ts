/**
 * A table of secrets and outputs: nothing that was sent as a secret appears, whatever the server does with it.
 */
import * as Http from "node:http"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as FliptClient from "../src/FliptClient.js"
import { exposed, shown } from "./support/Exposure.js"
import { http } from "./support/fetching.js"
import { listen } from "./support/Listener.js"

const secrets = {
  authorization: "flipt_0123456789+/=abcdefghijklmnopqrstuvw",
  "x-latin": "Schlüsselwörter",
  "x-quoted": 'ses"ame  street\\7',
  "x-short": "k9",
  "proxy-authorization": "proxyuser:p@ss/wörd"
} as const

const latin1 = (text: string) => Buffer.from(text, "latin1")

/** The secrets as the server receives them. */
const received = (headers: Http.IncomingHttpHeaders): ReadonlyArray<string> => [
  String(headers.authorization).slice("Bearer ".length),
  String(headers["x-latin"]),
  String(headers["x-quoted"]),
  String(headers["x-short"]),
  Buffer.from(String(headers["proxy-authorization"]).slice("Basic ".length), "base64").toString()
]

type Respond = (headers: Http.IncomingHttpHeaders, response: Http.ServerResponse) => void

const echo =
  (form: (secret: string) => string | Buffer): Respond =>
  (headers, response) => {
    const parts = received(headers).flatMap((secret) => [Buffer.from(form(secret)), Buffer.from(" ; ")])
    response.writeHead(418).end(Buffer.concat(parts))
  }

const outputs: Readonly<Record<string, Respond>> = {
  "all headers as JSON": (headers, response) => void response.writeHead(418).end(JSON.stringify(headers)),
  "all headers in a message": (headers, response) =>
    void response.writeHead(418).end(JSON.stringify({ message: Object.values(headers).join(" ") })),
  "in UTF-8": echo((secret) => secret),
  "in Latin-1": echo(latin1),
  "in UTF-8, read as Latin-1": echo((secret) => Buffer.from(secret).toString("latin1")),
  "in base64": echo((secret) => Buffer.from(secret).toString("base64")),
  "in base64url": echo((secret) => Buffer.from(secret).toString("base64url")),
  "in base64 of Latin-1": echo((secret) => latin1(secret).toString("base64")),
  "percent-encoded": echo(encodeURIComponent),
  "as a form": echo((secret) => `${new URLSearchParams({ secret })}`),
  "escaped in truncated JSON": (headers, response) =>
    void response.writeHead(418).end(
      `{"a":"${received(headers)
        .join(" ")
        .replaceAll(
          /[^ ]/g,
          (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
        )}${" ".repeat(20_000)}`
    ),
  "cut where the client stops reading": ({ authorization = "" }, response) =>
    void response.writeHead(418).end(`${" ".repeat(16 * 1024 - 35)}${authorization.slice("Bearer ".length)} and more`),
  "status 204": (_, response) => void response.writeHead(204).end(),
  "status 304 to an unconditional request": (_, response) => void response.writeHead(304).end(),
  "a truncated error body": (headers, response) => {
    response.writeHead(418, { "content-length": 10_000 })
    response.write(received(headers).join(" "), () => response.destroy())
  }
}

/** Every form in which a secret must not appear. A prefix stands for a truncated secret. */
const traces = Object.values(secrets).flatMap((secret) =>
  secret.length < 4
    ? []
    : [
        secret.slice(0, 7),
        latin1(secret).toString("utf8").slice(0, 7),
        Buffer.from(secret).toString("latin1").slice(0, 7),
        Buffer.from(secret).toString("base64").slice(0, 12),
        latin1(secret).toString("base64").slice(0, 12),
        encodeURIComponent(secret).slice(0, 9)
      ]
)

describe("a secret", () => {
  for (const [output, respond] of Object.entries(outputs)) {
    for (const fetchMode of ["polling", "streaming"] as const) {
      it.scopedLive(`appears in no error, log, span or status: ${output}, ${fetchMode}`, () =>
        exposed((exposure) =>
          Effect.gen(function* () {
            const server = Http.createServer(({ headers }, response) => respond(headers, response))
            const proxy = new URL(http(yield* listen(server)))
            const [username = "", password = ""] = secrets["proxy-authorization"].split(":")
            const client = yield* FliptClient.make({
              url: "http://flipt.test",
              fetchMode,
              errorStrategy: "fallback",
              authentication: { clientToken: Redacted.make(secrets.authorization) },
              headers: {
                "X-Latin": Redacted.make(secrets["x-latin"]),
                "X-Quoted": Redacted.make(secrets["x-quoted"]),
                "X-Short": Redacted.make(secrets["x-short"])
              },
              tlsConfig: {
                proxy: `http://${encodeURIComponent(username)}:${encodeURIComponent(password)}@${proxy.host}`
              }
            })
            const error = yield* Effect.flip(client.refresh)
            const evaluated = yield* Effect.flip(client.evaluateBoolean({ flagKey: "a", entityId: "b" }))
            const status = yield* client.status
            expect(error.message).toMatch(/status (418|204|304)/)
            expect(exposure.log.join("\n")).toContain("status")
            const texts = [shown(error), shown(evaluated), shown(status), ...exposure.log, ...exposure.trace]
            for (const trace of traces) {
              expect(
                texts.filter((text) => text.includes(trace)),
                trace
              ).toEqual([])
            }
            expect(error.message).not.toMatch(/\bk9\b/)
            expect(error.message).not.toContain("<redac<")
          })
        )
      )
    }
  }

  it.scopedLive("that is short does not change words that contain it", () =>
    Effect.gen(function* () {
      const server = Http.createServer((_, response) => void response.writeHead(418).end("a banana is a fruit"))
      const client = yield* FliptClient.make({
        url: http(yield* listen(server)),
        errorStrategy: "fallback",
        headers: { "X-Key": Redacted.make("a") }
      })
      const error = yield* Effect.flip(client.refresh)
      expect(error.message).toContain("(<redacted> banana is <redacted> fruit)")
    })
  )
})
