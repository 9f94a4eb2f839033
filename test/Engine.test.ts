import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as Engine from "../src/Engine.js"
import { corpus, decodeSeed, encode, normalize, normalizeEntry } from "./support/corpus.js"

const byKey = (a: { readonly key: string }, b: { readonly key: string }) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)

const engines: ReadonlyArray<readonly [string, Layer.Layer<Engine.Engine>]> = [["portable", Engine.layerPortable]]

describe.each(engines)("the %s engine", (_name, layer) => {
  const engine = Engine.Engine.pipe(Effect.provide(layer))

  it.scoped("gives the official engine's answer to every evaluation of the corpus", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      let evaluations = 0
      for (const { cases, document, namespace } of corpus) {
        const snapshot = yield* compile(namespace, encode(document))
        for (const { expected, kind, request } of cases) {
          const result = snapshot[kind](request)
          const answer = Either.match(result as Either.Either<never, Error>, {
            onLeft: (error): unknown => ({ error: error.message }),
            onRight: (value) => ({ ok: normalize(value) })
          })
          expect(answer, JSON.stringify({ kind, request })).toEqual(expected)
          evaluations++
        }
      }
      expect(evaluations).toBe(2400)
    })
  )

  it.scoped("gives the official engine's answer to every batch of the corpus", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      for (const { batch, document, namespace } of corpus) {
        const snapshot = yield* compile(namespace, encode(document))
        const entries = yield* snapshot.batch(batch.requests)
        expect({ ok: entries.map(normalizeEntry) }).toEqual(batch.expected)
      }
    })
  )

  it.scoped("lists the flags of the corpus, in the document's order", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      for (const { document, flags, namespace } of corpus) {
        const snapshot = yield* compile(namespace, encode(document))
        const listed = yield* snapshot.flags
        expect([...listed].sort(byKey)).toEqual([...flags].sort(byKey))
      }
    })
  )

  it.scoped("exports the official engine's seed, and restores it", () =>
    Effect.gen(function* () {
      const { compile, restore } = yield* engine
      for (const { cases, document, namespace, snapshot: official } of corpus) {
        const snapshot = yield* compile(namespace, encode(document))
        const seed = yield* snapshot.seed
        expect(decodeSeed(seed)).toEqual(official)
        const restored = yield* restore(namespace, Buffer.from(JSON.stringify(official)).toString("base64"))
        expect(decodeSeed(yield* restored.seed)).toEqual(official)
        for (const { kind, request } of cases) {
          const pair = [snapshot[kind](request), restored[kind](request)].map((result) =>
            Either.match(result as Either.Either<never, Error>, {
              onLeft: (error): unknown => error.message,
              onRight: normalize
            })
          )
          expect(pair[1]).toEqual(pair[0])
        }
      }
    })
  )

  it.scoped("loads a document of a v1 server", () =>
    Effect.gen(function* () {
      const { compile } = yield* engine
      const document = readFileSync(new URL("./fixtures/state.json", import.meta.url), "utf8")
      const snapshot = yield* compile("default", encode(document))
      const variant = yield* snapshot.variant({ flagKey: "flag1", entityId: "entity", context: { fizz: "buzz" } })
      expect(variant).toMatchObject({ match: true, variantKey: "variant1", segmentKeys: ["segment1"] })
      const boolean = yield* snapshot.boolean({
        flagKey: "flag_boolean",
        entityId: "entity",
        context: { fizz: "buzz" }
      })
      expect(boolean).toMatchObject({ enabled: true, reason: "MATCH_EVALUATION_REASON" })
    })
  )
})
