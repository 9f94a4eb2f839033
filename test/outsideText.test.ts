/**
 * Text from outside is escaped and shortened in every message.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Engine from "../src/Engine.js"
import { printable, quoted } from "../src/internal/util/outsideText.js"
import { booleanFlag, makeDocument } from "./support/documents.js"
import { engines } from "./support/engines.js"
import { failureOf, makeFetcher, never } from "./support/fetching.js"

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
