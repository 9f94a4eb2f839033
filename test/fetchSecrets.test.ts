/**
 * No secret that was sent appears in an error.
 */
import * as Http from "node:http"
import * as Headers from "@effect/platform/Headers"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Auth from "../src/Auth.js"
import { failureOf, http, serve } from "./support/fetching.js"
import { listen } from "./support/Listener.js"

describe("a server that repeats the request", () => {
  const token = "flipt_0123456789+/="
  const auth = Auth.layerClientToken(Redacted.make(token))

  /** Answers with a status and a text computed from the request's headers. */
  const echo = (text: (headers: Http.IncomingHttpHeaders) => string) =>
    Effect.map(
      listen(Http.createServer(({ headers }, response) => void response.writeHead(418).end(text(headers)))),
      http
    )

  const forms: Readonly<Record<string, (headers: Http.IncomingHttpHeaders) => string>> = {
    "in plain text": (headers) => Object.values(headers).join(" "),
    "in the form of Flipt's errors": (headers) => JSON.stringify({ message: Object.values(headers).join(" ") }),
    "in a page": (headers) =>
      `<ul>${Object.entries(headers).map(([name, value]) => `<li>${name}\n\t${value}</li>`)}</ul>`,
    "more than once": ({ authorization, "x-key": key }) => `${authorization}${authorization}${key}${key}`,
    "just the token": ({ authorization }) => `${authorization}`.replace("Bearer ", ""),
    "where the message is cut": ({ authorization, "x-key": key }) =>
      `${"x".repeat(280)}${authorization} ${"x".repeat(280)}${key}`
  }

  for (const [form, text] of Object.entries(forms)) {
    it.scopedLive(`does not reveal a secret in the error: ${form}`, () =>
      Effect.gen(function* () {
        const url = yield* echo(text)
        const error = yield* failureOf({ url, headers: { "X-Key": Redacted.make("sesame street") } }, { auth })
        expect(error.message).not.toContain("flipt_")
        expect(error.message).not.toContain("sesame")
        expect(error.message).toContain("status 418")
      })
    )
  }

  it.scopedLive("may reveal values that are not secret", () =>
    Effect.gen(function* () {
      const url = yield* echo((headers) => `no tenant ${headers["x-tenant"]}`)
      const error = yield* failureOf({ url, headers: { "X-Tenant": "blue" } }, { auth })
      expect(error.message).toContain("no tenant blue")
    })
  )

  const folded = { "several blanks": "sesame  street\t7", "an invisible character": "sesame\u00adstreet\u00857" }

  for (const [what, secret] of Object.entries(folded)) {
    it.scopedLive(`does not reveal a secret with ${what} in the error`, () =>
      Effect.gen(function* () {
        const url = yield* echo((headers) => `got ${headers["x-key"]}`)
        const error = yield* failureOf({ url, headers: { "X-Key": Redacted.make(secret) } }, { auth })
        expect(error.message).not.toContain("sesame")
      })
    )
  }

  it.scopedLive("does not reveal a secret that starts like another one in the error", () =>
    Effect.gen(function* () {
      const url = yield* echo((headers) => `got ${headers["x-b"]}`)
      const headers = { "X-A": Redacted.make("sesame"), "X-B": Redacted.make("sesame-street") }
      expect((yield* failureOf({ url, headers }, { auth })).message).not.toContain("street")
    })
  )

  const encodings: Readonly<Record<string, (text: string) => string>> = {
    unchanged: (text) => text,
    "percent-encoded": encodeURIComponent,
    "percent-encoded in lower case": (text) =>
      encodeURIComponent(text).replaceAll(/%../g, (code) => code.toLowerCase()),
    "form-encoded": (text) => `${new URLSearchParams({ as: text })}`
  }

  for (const [how, encoding] of Object.entries(encodings)) {
    it.scopedLive(`does not reveal a secret in the error through a redirect: ${how}`, () =>
      Effect.gen(function* () {
        const port = yield* listen(
          Http.createServer(({ headers, url }, response) => {
            const location = `/login?${encoding(headers.authorization?.slice(7) ?? "")}`
            return url?.startsWith("/login")
              ? void response.writeHead(404).end()
              : void response.writeHead(302, { location }).end()
          })
        )
        expect((yield* failureOf({ url: http(port) }, { auth })).message).not.toContain("flipt_")
      })
    )
  }
})

describe("a credential without a secret", () => {
  it.scopedLive("leaves the error readable", () =>
    Effect.gen(function* () {
      const server = yield* serve({ token: { kind: "client", value: "right" } })
      const headers = Headers.fromInput({ authorization: "Bearer " })
      const auth = Layer.succeed(Auth.Auth, { authorize: Effect.succeed(headers), invalidate: () => Effect.void })
      expect((yield* failureOf({ url: server.url }, { auth })).message).toContain("request was not authenticated")
    })
  )
})
