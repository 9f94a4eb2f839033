/**
 * Spans exist for the effects with I/O that a program runs itself, but not for evaluations, polls and requests.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import * as FliptClients from "../src/FliptClients.js"
import { on } from "./support/clients.js"
import { onDocument } from "./support/documents.js"
import * as FliptServer from "./support/FliptServer.js"
import { turn, until } from "./support/wait.js"

interface Made {
  readonly name: string
  readonly parent: string | undefined
  readonly attributes: Record<string, unknown>
}

/** Runs an effect in a span named `request`, and records all spans. */
const recorded = <A, E, R>(use: (spans: ReadonlyArray<Made>) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const spans: Array<Made> = []
    const tracer = Effect.runSync(Effect.tracer)
    const recording = Tracer.make({
      span: (name, parent, ...rest) => {
        const span = tracer.span(name, parent, ...rest)
        spans.push({
          name,
          parent: Option.getOrUndefined(Option.map(parent, (it) => (it._tag === "Span" ? it.name : it.spanId))),
          get attributes() {
            return Object.fromEntries(span.attributes)
          }
        })
        return span
      },
      context: (f) => f()
    })
    return use(spans).pipe(Effect.withSpan("request"), Effect.withTracer(recording))
  })

const named = (spans: ReadonlyArray<Made>, name: string) => spans.filter((span) => span.name === name)

describe("spans", () => {
  it.scoped("exist for building a client and for a refresh, as children of the caller's span", () =>
    recorded((spans) =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
        const client = yield* FliptClient.make({ url: server.url, namespace: "default", updateInterval: "1 minute" })
        expect(spans.map(({ name }) => name)).toEqual(["request", "FliptClient.make"])
        yield* client.refresh
        expect(spans.slice(1)).toEqual([
          { name: "FliptClient.make", parent: "request", attributes: {} },
          {
            name: "FliptClient.refresh",
            parent: "request",
            attributes: { "flipt.environment": "default", "flipt.namespace": "default" }
          }
        ])
      })
    )
  )

  it.scoped("do not exist for evaluations and polls", () =>
    recorded((spans) =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
        const client = yield* FliptClient.make({ url: server.url, updateInterval: "1 minute" })
        const before = spans.length
        yield* client.evaluateBoolean(on)
        yield* client.evaluateBatch([on])
        yield* client.pinned
        yield* client.snapshot
        const polled = server.snapshots.length
        yield* Effect.repeat(Effect.zipRight(turn, TestClock.adjust("1 minute")), {
          until: () => server.snapshots.length > polled + 1
        })
        expect(spans.slice(before)).toEqual([])
      })
    )
  )

  it.scoped("of a program contain its own fetches, but not the polls", () =>
    recorded((spans) =>
      Effect.gen(function* () {
        const parents: Array<string | undefined> = []
        const fetcher = Fetcher.layerEffect({
          updateInterval: "1 minute",
          fetch: () =>
            Effect.map(Effect.option(Effect.currentSpan), (span) => {
              parents.push(Option.getOrUndefined(Option.map(span, ({ name }) => name)))
              return JSON.stringify(onDocument(true))
            })
        })
        const client = Context.get(
          yield* Layer.build(
            FliptClient.layerWithoutDependencies().pipe(Layer.provide([fetcher, Engine.layerPortable]))
          ).pipe(Effect.provideService(Fetcher.RetryPolicy, Schedule.stop)),
          FliptClient.FliptClient
        )
        yield* client.refresh
        expect(parents).toEqual(["FliptClient.make", "FliptClient.refresh"])
        yield* Effect.zipRight(
          TestClock.adjust("1 minute"),
          until(() => parents.length > 2)
        )
        expect(parents.slice(2)).toEqual(parents.slice(2).map(() => undefined))
        expect(named(spans, "FliptClient.refresh")).toHaveLength(1)
      })
    )
  )

  it.scoped("of a shared client start their own trace", () =>
    recorded((spans) =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
        const clients = Context.get(
          yield* Layer.build(FliptClients.layer({ url: server.url })),
          FliptClients.FliptClients
        )
        yield* clients.get({})
        expect(named(spans, "FliptClients.make")).toMatchObject([{ parent: "request" }])
        expect(named(spans, "FliptClient.make")).toMatchObject([{ parent: undefined }])
      })
    )
  )
})
