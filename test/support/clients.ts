/**
 * Clients with every engine and error strategy, each with its own log.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Auth from "../../src/Auth.js"
import type * as Engine from "../../src/Engine.js"
import * as Fetcher from "../../src/Fetcher.js"
import * as FliptClient from "../../src/FliptClient.js"
import type { EvaluateError, StartError } from "../../src/FliptError.js"
import * as Tls from "../../src/Tls.js"
import { engines } from "./engines.js"
import { captured, type Line } from "./logs.js"
import { untilOf } from "./wait.js"

export type Strategy = "fail" | "fallback"

export interface Kind {
  readonly name: string
  readonly strategy: Strategy
  readonly engine: Layer.Layer<Engine.Engine>
}

export const strategies: ReadonlyArray<Strategy> = ["fail", "fallback"]

/** Every engine with every strategy. */
export const kinds: ReadonlyArray<Kind> = engines.flatMap(([name, engine]) =>
  strategies.map((strategy) => ({ name: `${name}, ${strategy}`, strategy, engine }))
)

/** One engine, with every strategy. */
export const kindsOfOneEngine: ReadonlyArray<Kind> = kinds.slice(0, strategies.length)

const httpClient = Layer.provide(Tls.layerHttpClient, Tls.layerSystem)

/** A client over real sockets that does not retry. */
export const layer = (
  { engine, strategy }: Kind,
  options: Fetcher.Options & { readonly fetchMode?: "polling" | "streaming" }
): Layer.Layer<FliptClient.FliptClient, StartError> => {
  const { fetchMode, ...fetcher } = options
  return FliptClient.layerWithoutDependencies({ errorStrategy: strategy }).pipe(
    Layer.provide([engine, fetchMode === "polling" ? Fetcher.layerPolling(fetcher) : Fetcher.layerStreaming(fetcher)]),
    Layer.provide([httpClient, Auth.layerNone]),
    Layer.provide(Layer.succeed(Fetcher.RetryPolicy, Schedule.stop))
  )
}

export const make = (
  kind: Kind,
  options: Fetcher.Options & { readonly fetchMode?: "polling" | "streaming" }
): Effect.Effect<FliptClient.Service, StartError, Scope.Scope> =>
  Effect.map(Layer.build(layer(kind, options)), Context.get(FliptClient.FliptClient))

/** Runs a scenario once for each kind of client, all at the same time, each with its own log. */
export const forEach = <A, E>(
  some: ReadonlyArray<Kind>,
  scenario: (kind: Kind, log: ReadonlyArray<Line>) => Effect.Effect<A, E, Scope.Scope>
): Effect.Effect<void, E> =>
  Effect.forEach(
    some,
    (kind) =>
      captured((log) => Effect.scoped(scenario(kind, log))).pipe(
        Effect.annotateSpans("kind", kind.name),
        Effect.withSpan(kind.name)
      ),
    { concurrency: "unbounded", discard: true }
  )

export const warnings = (log: ReadonlyArray<Line>): ReadonlyArray<string> =>
  log.filter(({ level }) => level === "WARN" || level === "ERROR").map(({ message }) => message)

export const on = { flagKey: "on", entityId: "user-1" } as const

/** Waits until the flag `on` is `enabled`. Failed evaluations in between are ignored. */
export const awaitOn = (client: FliptClient.Service, enabled: boolean): Effect.Effect<void> =>
  Effect.asVoid(untilOf(isOn(client), (value) => value === enabled))

/** Whether the flag `on` is enabled, or the reason of the error. */
export const isOn = (client: FliptClient.Service): Effect.Effect<boolean | EvaluateError["reason"]> =>
  Effect.match(client.evaluateBoolean(on), { onFailure: ({ reason }) => reason, onSuccess: ({ enabled }) => enabled })
