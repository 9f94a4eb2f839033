/**
 * Clients whose Fetcher returns the document, or fails with the error, that the test provided last.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Engine from "../../src/Engine.js"
import * as Fetcher from "../../src/Fetcher.js"
import * as FliptClient from "../../src/FliptClient.js"
import type { FetchError, StartError } from "../../src/FliptError.js"

export interface Handed {
  readonly client: FliptClient.Service
  /** Sets the result of all later fetches. The client loads it with its next `refresh`. */
  readonly put: (document: object | FetchError | "not modified") => Effect.Effect<void>
}

export interface Options {
  readonly first: object | FetchError
  readonly source?: Partial<Fetcher.Source>
  readonly strategy?: "fail" | "fallback"
  readonly events?: Stream.Stream<Fetcher.Event>
  readonly engine?: Layer.Layer<Engine.Engine>
}

export const source: Fetcher.Source = { kind: "handed", environment: "default", namespace: "default" }

const isError = (document: object): document is FetchError => "_tag" in document

/** Makes a client, with the References of the current context. */
export const make = ({
  engine = Engine.layerPortable,
  events = Stream.never,
  first,
  source: own,
  strategy = "fallback"
}: Options): Effect.Effect<Handed, StartError, Scope.Scope> =>
  Effect.suspend(() => {
    let next: object | FetchError | "not modified" = first
    let version = 0
    const client = FliptClient.makeWithoutDependencies({ errorStrategy: strategy }).pipe(
      Effect.provide(engine),
      Effect.provideService(Fetcher.Fetcher, {
        source: { ...source, ...own },
        fetch: () =>
          Effect.suspend(
            (): Effect.Effect<Fetcher.Update, FetchError> =>
              typeof next === "string"
                ? Effect.succeed(Fetcher.NotModified())
                : isError(next)
                  ? Effect.fail(next)
                  : Effect.succeed(
                      Fetcher.Document({
                        bytes: [new TextEncoder().encode(JSON.stringify(next))],
                        version: Option.some(`v${++version}`)
                      })
                    )
          ),
        events: () => events
      })
    )
    return Effect.map(client, (client) => ({
      client,
      put: (document) =>
        Effect.sync(() => {
          next = document
        })
    }))
  })
