/**
 * Options that a Fetcher rejects.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Fetcher from "../src/Fetcher.js"
import { ValidationError } from "../src/FliptError.js"
import { makeFetcher } from "./support/fetching.js"

describe("an invalid option", () => {
  const refused = (options: unknown) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(makeFetcher(options as Fetcher.Options)))
      expect(error).toBeInstanceOf(ValidationError)
      expect(error.reason).toBe("Option")
      expect(error.message).toContain(error.path.replaceAll("\r", "\\r").replaceAll("\n", "\\n"))
      return error
    })

  const wrong: { readonly [option: string]: ReadonlyArray<unknown> } = {
    url: [
      "",
      "localhost",
      "not a url",
      "/relative",
      "//host/path",
      "localhost:8080",
      "ftp://host",
      "file:///etc/passwd",
      "javascript:alert(1)",
      "http://",
      "http://[",
      "http://host:99999",
      "http://user:password@host",
      "http://user@host",
      "http://:password@host",
      "http://host?a=b",
      "http://host/?",
      "http://host#part",
      "http://host/#",
      null,
      5,
      ["http://host"],
      new URL("http://host"),
      Redacted.make("http://host")
    ],
    environment: ["", " ", "\t\n", "..", ".", "a b", "a\nb", "m\u00fcnchen", null, 5, {}],
    namespace: ["", " ", "\u3000", "..", ".", "\ud800", null, 5, ["default"]],
    reference: ["", "\udc00", null, 5, {}],
    maxBodySize: [0, -1, Number.NaN, Number.NEGATIVE_INFINITY, "1024", 1024n, null, {}],
    requestTimeout: [
      0,
      -1,
      Number.NaN,
      "soon",
      "",
      "0 seconds",
      "-1 seconds",
      Number.NEGATIVE_INFINITY,
      null,
      {},
      true
    ],
    updateInterval: [0, -1, Number.NaN, "soon", "", "0 millis", "-1 minutes", 0n, null, [], Duration.zero],
    headers: [null, 5, "a: b", [], [["a", "b"]]]
  }

  for (const [option, values] of Object.entries(wrong)) {
    it.effect(`is named: ${option}`, () =>
      Effect.gen(function* () {
        for (const value of values) {
          expect((yield* refused({ [option]: value })).path, String(value)).toBe(option)
        }
      })
    )
  }

  const badHeaders: { readonly [problem: string]: readonly [name: string, value: unknown] } = {
    "a name with a blank": ["a b", "c"],
    "a name with a colon": ["a:", "c"],
    "a name with a line break": ["a\r\nb", "c"],
    "an empty name": ["", "c"],
    "a name that is not ASCII": ["\u00e4", "c"],
    "a value with a line break": ["x-a", "b\r\nc: d"],
    "a value with NUL": ["x-a", "b\0c"],
    "a value that is empty": ["x-a", ""],
    "a value with blanks around it": ["x-a", " b "],
    "a value beyond Latin-1": ["x-a", "\u20ac"],
    "a value that is a number": ["x-a", 5],
    "a value that is null": ["x-a", null],
    "a value that is undefined": ["x-a", undefined],
    "a value that is a list": ["x-a", ["b"]],
    "a Redacted value with a line break": ["x-a", Redacted.make("b\nc")],
    "a Redacted value that is not a string": ["x-a", Redacted.make(5)]
  }

  for (const [problem, [name, value]] of Object.entries(badHeaders)) {
    it.effect(`is named: a header with ${problem}`, () =>
      Effect.gen(function* () {
        const error = yield* refused({ headers: { "x-fine": "fine", [name]: value } })
        expect(error.path).toMatch(/^headers(\.|$)/)
      })
    )
  }

  const taken = [
    "Accept",
    "Connection",
    "Content-Length",
    "If-None-Match",
    "Transfer-Encoding",
    "Expect",
    "Host",
    "Keep-Alive",
    "Upgrade"
  ]

  for (const name of taken) {
    it.effect(`is named: a header that cannot be set, ${name}`, () =>
      Effect.gen(function* () {
        expect((yield* refused({ headers: { [name]: "sesame" } })).path).toMatch(/^headers(\.|$)/)
      })
    )
  }

  it.effect("is named including the header, and the message says what is wrong with it", () =>
    Effect.gen(function* () {
      const error = yield* refused({ headers: { "x-fine": "fine", "x-a": Redacted.make("b\nc") } })
      expect(error.path).toBe("headers.x-a")
      expect(error.message).toContain("no line breaks")
    })
  )

  it.effect("is named if it does not exist", () =>
    Effect.gen(function* () {
      const error = yield* refused({ url: "http://host", updateIntervall: 5 })
      expect(error.path).toBe("updateIntervall")
      expect(error.message).toContain("is not known")
      expect((yield* refused({ clientToken: "sesame" })).message).not.toContain("sesame")
    })
  )

  it.effect("can be the whole options object", () =>
    Effect.gen(function* () {
      for (const options of ["http://host", 5, true, [], [{}]]) {
        expect((yield* refused(options)).path).toBe("options")
      }
    })
  )

  it.effect("can be null instead of the options object", () =>
    Effect.gen(function* () {
      expect((yield* refused(null)).path).toBe("options")
    })
  )

  it.effect("is not repeated if it could be a secret", () =>
    Effect.gen(function* () {
      const secrets = [
        { url: "http://user:sesame@host" },
        { url: "http://sesame@host" },
        { url: "http://host?token=sesame" },
        { url: "sesame" },
        { url: Redacted.make("sesame") },
        { headers: { "x-key": "sesame\n" } },
        { headers: { "x-key": Redacted.make("sesame\n") } },
        { headers: { "x-key": ["sesame"] } },
        { headers: { "x-key": { value: "sesame" } } },
        { headers: "sesame" },
        { headers: ["sesame"] },
        { authentication: { clientToken: Redacted.make("sesame") } },
        { token: "sesame" },
        { environment: "sesame sesame" },
        { requestTimeout: "sesame" },
        { maxBodySize: "sesame" }
      ]
      for (const options of secrets) {
        const error = yield* refused(options)
        expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`, JSON.stringify(options)).not.toContain(
          "sesame"
        )
      }
    })
  )

  it.effect("does not include the smallest and largest valid values", () =>
    Effect.gen(function* () {
      const right: ReadonlyArray<Fetcher.Options> = [
        { url: "HTTP://Host:8080/a/b/" },
        { url: "https://[::1]:8443" },
        { environment: "..." },
        { namespace: " a " },
        { reference: "refs/heads/main" },
        { maxBodySize: 1 },
        { requestTimeout: "1 nanos" },
        { requestTimeout: 5n },
        { updateInterval: [1, 0] },
        { updateInterval: Duration.infinity },
        { headers: {} },
        { headers: { "!#$%&'*+-.^_`|~": "a\tb" } },
        { url: undefined, headers: undefined, maxBodySize: undefined, requestTimeout: undefined }
      ]
      for (const options of right) {
        yield* Effect.scoped(makeFetcher(options))
      }
    })
  )
})
