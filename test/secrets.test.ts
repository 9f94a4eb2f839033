/**
 * A table of secrets and outputs: nothing that was sent as a secret appears, whatever the server does with it.
 */
import * as Http from "node:http"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as FliptClient from "../src/FliptClient.js"
import { onDocument } from "./support/documents.js"
import { exposed, shown } from "./support/Exposure.js"
import { http } from "./support/fetching.js"
import { listen } from "./support/Listener.js"
import { until } from "./support/wait.js"

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

interface Answer {
  readonly status?: number
  readonly body?: string | Buffer
  /** Whether the connection ends before the body does. */
  readonly isTruncated?: boolean
}

type Output = (headers: Http.IncomingHttpHeaders) => Answer

const echo =
  (form: (secret: string) => string | Buffer): Output =>
  (headers) => ({
    body: Buffer.concat(received(headers).flatMap((secret) => [Buffer.from(form(secret)), Buffer.from(" ; ")]))
  })

const escaped = (text: string): string =>
  text.replaceAll(/[^ ]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)

const outputs: Readonly<Record<string, Output>> = {
  "all headers as JSON": (headers) => ({ body: JSON.stringify(headers) }),
  "all headers in a message": (headers) => ({ body: JSON.stringify({ message: Object.values(headers).join(" ") }) }),
  "in UTF-8": echo((secret) => secret),
  "in Latin-1": echo(latin1),
  "in UTF-8, read as Latin-1": echo((secret) => Buffer.from(secret).toString("latin1")),
  "in base64": echo((secret) => Buffer.from(secret).toString("base64")),
  "in base64url": echo((secret) => Buffer.from(secret).toString("base64url")),
  "in base64 of Latin-1": echo((secret) => latin1(secret).toString("base64")),
  "percent-encoded": echo(encodeURIComponent),
  "as a form": echo((secret) => `${new URLSearchParams({ secret })}`),
  "escaped in truncated JSON": (headers) => ({
    body: `{"a":"${escaped(received(headers).join(" "))}${" ".repeat(20_000)}`
  }),
  "cut where the client stops reading": ({ authorization = "" }) => ({
    body: `${" ".repeat(16 * 1024 - 35)}${authorization.slice("Bearer ".length)} and more`
  }),
  "status 204": () => ({ status: 204 }),
  "status 304 to an unconditional request": () => ({ status: 304 }),
  "a truncated error body": (headers) => ({ body: received(headers).join(" "), isTruncated: true })
}

const respond = ({ body = "", isTruncated = false, status = 418 }: Answer, response: Http.ServerResponse): void => {
  if (isTruncated) {
    response.writeHead(status, { "content-length": 10_000 })
    response.write(body, () => response.destroy())
  } else {
    response.writeHead(status).end(body)
  }
}

/** An error frame with the same bytes in its message. */
const errorFrame = ({ body = "" }: Answer): Buffer =>
  Buffer.from(`{"error":{"message":${JSON.stringify(Buffer.from(body).toString("latin1"))}}}\n`, "latin1")

/** What fails, and what the server does with the request for a stream. */
const failures: Readonly<
  Record<string, { readonly stream?: (answer: Answer, response: Http.ServerResponse) => void; readonly log: RegExp }>
> = {
  polling: { log: /not up to date, .*status (?:418|204|304)/ },
  "streaming, the stream is refused": {
    stream: respond,
    log: /the stream ended and will be opened again: .*\/stream\S*: status (?:418|204)/
  },
  "streaming, the stream ends with an error": {
    stream: (answer, response) => void response.writeHead(200).end(errorFrame(answer)),
    log: /the stream ended and will be opened again: .*\/stream\S*: the server ended the stream: ./
  },
  "streaming, only the request beside the stream fails": {
    stream: (_, response) => response.writeHead(200).flushHeaders(),
    log: /not up to date, .*status (?:418|204)/
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
        encodeURIComponent(secret).slice(0, 9),
        escaped(secret).slice(0, 6 * 7)
      ]
)

/** The short secret, as a word of its own, also in base64. Parts of other words are not secret. */
const shortTrace = /(?<![\p{L}\p{N}])(?:k9|azk)(?![\p{L}\p{N}])/u

describe("a secret", () => {
  for (const [output, answerTo] of Object.entries(outputs)) {
    for (const [failure, { log, stream }] of Object.entries(failures)) {
      const { body, status } = answerTo({})
      // Once a state is loaded, status 304 is no failure. Without a body, an error frame has nothing to say.
      if (stream !== undefined && (status === 304 || (failure.endsWith("an error") && body === undefined))) {
        continue
      }
      it.scopedLive(`appears in no error, log, span or status: ${output}, ${failure}`, () =>
        exposed((exposure) =>
          Effect.gen(function* () {
            let requests = 0
            let streams = 0
            const sent: Array<ReadonlyArray<string>> = []
            const server = Http.createServer(({ headers, url }, response) => {
              sent.push(received(headers))
              const answer = answerTo(headers)
              if (stream !== undefined && url?.includes("/client/v2/")) {
                streams++
                stream(answer, response)
              } else if (stream !== undefined && requests++ === 0) {
                response.writeHead(200, { etag: "1" }).end(JSON.stringify(onDocument(true)))
              } else {
                respond(answer, response)
              }
            })
            const proxy = new URL(http(yield* listen(server)))
            const [username = "", password = ""] = secrets["proxy-authorization"].split(":")
            const client = yield* FliptClient.make({
              url: "http://flipt.test",
              fetchMode: stream === undefined ? "polling" : "streaming",
              errorStrategy: stream === undefined ? "fallback" : "fail",
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
            if (stream !== undefined) {
              // The stream has ended or, if only the request beside it is to fail, is open.
              yield* log.source.includes("the stream ended")
                ? until(() => exposure.log.some((line) => log.test(line)))
                : until(Effect.map(client.status, ({ connected }) => connected))
              expect(streams).toBe(1)
            }
            const error = yield* Effect.flip(client.refresh)
            const evaluated = yield* Effect.flip(client.evaluateBoolean({ flagKey: "on", entityId: "b" }))
            const status = yield* client.status
            for (const each of sent) {
              expect(each).toEqual(Object.values(secrets))
            }
            expect(error.message).toMatch(/status (418|204|304)/)
            expect(status).toMatchObject({
              _tag: stream === undefined ? "Failed" : "Stale",
              error: { _tag: "FetchError" }
            })
            expect(exposure.log.join("\n")).toMatch(log)
            const texts = [shown(error), shown(evaluated), shown(status), ...exposure.log, ...exposure.trace]
            for (const trace of traces) {
              expect(
                texts.filter((text) => text.includes(trace)),
                trace
              ).toEqual([])
            }
            expect(texts.filter((text) => shortTrace.test(text))).toEqual([])
            expect(texts.filter((text) => text.includes("<redac<"))).toEqual([])
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
