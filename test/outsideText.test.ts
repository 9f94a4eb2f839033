/**
 * Text from outside is escaped and shortened in every message.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as Flag from "../src/Flag.js"
import * as FliptClient from "../src/FliptClient.js"
import { FetchError } from "../src/FliptError.js"
import { printable, quoted } from "../src/internal/util/outsideText.js"
import { booleanFlag, makeDocument } from "./support/documents.js"
import { engines } from "./support/engines.js"
import { failureOf, makeFetcher, never } from "./support/fetching.js"
import { captured } from "./support/logs.js"
import { constraint, distribution, segment, variantFlagOf } from "./support/rules.js"
import { awaitSleepOf } from "./support/wait.js"

/** NUL, BEL, ESC, line breaks, DEL, CSI, NEL, zero width, directions, separators, a lone surrogate. */
const hostile = [
  "\0",
  "\x07",
  "\x1b",
  "\r",
  "\n",
  "\x7f",
  "\x9b",
  "\x85",
  "\u200b",
  "\u200f",
  "\u202e",
  "\u2066",
  "\u2028",
  "\u2029",
  "\ufeff",
  "\ud800"
]

const forbidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u

/** Much longer than any message may be. */
const MAX_MESSAGE = 6000

describe("a text from outside", () => {
  it("is unchanged if it is short and printable", () => {
    for (const text of ["", "flag-1", "ключ", "f😀", 'a "b" \\c']) {
      expect(printable(text)).toBe(text)
    }
    expect(quoted('a "b" \\c')).toBe('"a \\"b\\" \\\\c"')
  })

  it("is escaped", () => {
    for (const character of hostile) {
      expect(printable(`a${character}b`)).toMatch(/^a\\(?:[nrt]|u[0-9a-f]{4})b$/)
      expect(quoted(`a${character}b`)).toMatch(/^"a\\(?:[nrt]|u[0-9a-f]{4})b"$/)
    }
    expect(printable("\u{e0001}")).toBe("\\u{e0001}")
  })

  it("is shortened without splitting a character", () => {
    expect(printable("x".repeat(1000), 10)).toBe(`${"x".repeat(10)}…`)
    expect(printable("😀".repeat(1000), 5)).toBe("😀😀…")
    expect(printable("\x1b".repeat(1000), 13)).toBe("\\u001b\\u001b…")
    expect(quoted("x".repeat(1000), 10)).toBe(`"${"x".repeat(10)}…"`)
  })

  it("is shortened in constant time", () => {
    let read = 0
    const text = Object.assign(Object("x".repeat(30_000_000)), {
      *[Symbol.iterator]() {
        for (;;) {
          read++
          yield "x"
        }
      }
    }) as string
    printable(text, 100)
    expect(read).toBe(101)
  })
})

describe("messages", () => {
  const texts = [...hostile.map((character) => `key${character}key`), "k".repeat(1_000_000)]

  for (const [name, engine] of engines) {
    const compile = (namespace: string, document: string) =>
      Effect.flatMap(Engine.Engine, ({ compile }) => compile(namespace, [new TextEncoder().encode(document)])).pipe(
        Effect.provide(engine)
      )

    it.scoped(`are clean, from the ${name} engine`, () =>
      Effect.gen(function* () {
        for (const text of texts) {
          // longer keys are refused
          const key = text.slice(0, 1024)
          const snapshot = yield* compile(
            "n",
            JSON.stringify(makeDocument([booleanFlag(key.toWellFormed(), true)], "n"))
          )
          const request = { flagKey: key, entityId: "e" }
          const errors: ReadonlyArray<Either.Either<Error, unknown>> = [
            Either.flip(snapshot.boolean({ ...request, flagKey: `${text}?` })),
            Either.flip(snapshot.variant(request)),
            Either.flip(snapshot.boolean({ ...request, context: { [text]: null } as never })),
            yield* Effect.either(Effect.flip(compile(`${text}!`, JSON.stringify(makeDocument([], "n"))))),
            yield* Effect.either(
              Effect.flip(compile("n", `{"namespace":{"key":"n"},"flags":[{"key":${JSON.stringify(text)},"rules":7}]}`))
            ),
            yield* Effect.either(Effect.flip(compile("n", text)))
          ]
          for (const error of errors) {
            const { message } = Either.getOrThrow<Error, unknown>(error)
            expect(message).not.toMatch(forbidden)
            expect(message.length).toBeLessThan(MAX_MESSAGE)
          }
        }
      })
    )
  }

  it.scopedLive("are clean, from Fetchers and options", () =>
    Effect.gen(function* () {
      for (const text of texts.filter((text) => text.isWellFormed())) {
        const url = "http://127.0.0.1:1"
        const errors = [
          yield* failureOf({ url, namespace: text }, never),
          yield* failureOf({ url, reference: text }, never),
          yield* Effect.flip(makeFetcher({ url, [text]: 1 } as never))
        ]
        for (const { message } of errors) {
          expect(message).not.toMatch(forbidden)
          expect(message.length).toBeLessThan(MAX_MESSAGE)
        }
      }
    })
  )
})

describe("log lines", () => {
  /** Hostile and long texts, and what a line shows of each. */
  const texts = {
    "control characters": { text: "a\x9bb\u202ec\u2028d\x7fe", shown: "a\\u009bb\\u202ec\\u2028d\\u007fe" },
    "30,000 characters": { text: "k".repeat(30_000), shown: `${"k".repeat(300)}…` },
    "30,000 control characters": {
      text: "\x9b\u202e\u2028\x7f".repeat(7500),
      shown: `${"\\u009b\\u202e\\u2028\\u007f".repeat(12)}\\u009b\\u202e…`
    }
  }

  /** One line shows at most three such texts of 300 characters, and a sentence about them. */
  const MAX_LINE = 1500

  for (const [name, engine] of engines) {
    for (const [what, { shown, text }] of Object.entries(texts)) {
      it.scoped(
        `are clean and short with ${what} in namespace, environment and flag key, from the ${name} engine`,
        () =>
          captured((lines) =>
            Effect.gen(function* () {
              const escapedList = segment("s", "ALL", [constraint("STRING", "team", "isoneof", '["R\\u0026D"]')])
              // longer keys are refused
              const document = makeDocument(
                [
                  variantFlagOf(text.slice(0, 1024), [
                    { segments: [escapedList], distributions: [distribution("v", 100)] }
                  ])
                ],
                text
              )
              const loaded = Fetcher.Document({
                bytes: [new TextEncoder().encode(JSON.stringify(document))],
                version: Option.some("1")
              })
              let answer: Effect.Effect<Fetcher.Update, FetchError> = Effect.delay(Effect.succeed(loaded), "3 seconds")
              const starting = yield* Effect.fork(
                FliptClient.makeWithoutDependencies().pipe(
                  Effect.provide(engine),
                  Effect.provideService(Fetcher.Fetcher, {
                    source: { kind: text, namespace: text, environment: text },
                    fetch: () => Effect.suspend(() => answer),
                    events: () => Stream.never
                  })
                )
              )
              yield* awaitSleepOf(3000)
              yield* TestClock.adjust("3 seconds")
              const client = yield* Fiber.join(starting)
              const flag = Flag.boolean(`${text}?`, { default: true })
              expect(yield* Effect.provideService(flag.get({ entityId: "e" }), FliptClient.FliptClient, client)).toBe(
                true
              )
              answer = Effect.fail(new FetchError({ reason: "Network", retryable: false, message: "no response" }))
              yield* Effect.flip(client.refresh)
              answer = Effect.succeed(Fetcher.NotModified())
              yield* client.refresh

              const logged = lines.filter(({ level }) => level !== "DEBUG").map(({ message }) => message)
              const label = `Flipt namespace ${shown} (environment ${shown}): `
              expect(logged).toEqual([
                expect.stringContaining(`${label}still waiting for the first state from ${shown};`),
                expect.stringContaining(`Flipt: namespace "${shown}": a list in a constraint of the flags "${shown}"`),
                expect.stringContaining(
                  `Flipt: flag ${text.length > 300 ? shown : `${shown}?`} falls back to its default: `
                ),
                expect.stringContaining(`${label}not up to date, evaluations fail: no response`),
                expect.stringContaining(`${label}up to date again`)
              ])
              for (const { message } of lines) {
                expect(message).not.toMatch(forbidden)
                expect(message.length).toBeLessThan(MAX_LINE)
              }
            })
          )
      )
    }
  }
})
