/**
 * Clients for many namespaces: with shared dependencies, or with one layer per client.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as FliptClient from "../../FliptClient.js"
import type * as FliptClients from "../../FliptClients.js"
import type { EngineError, StartError, ValidationError } from "../../FliptError.js"
import { fromParts, makeParts } from "../client/defaultClient.js"
import * as tags from "../client/tags.js"
import type { TargetSettings } from "../util/target.js"
import * as ClientMap from "./clientMap.js"
import { decodeClientMap, decodeClients } from "./options.js"

export const make = (
  options: FliptClients.Options | undefined
): Effect.Effect<FliptClients.Service, ValidationError | EngineError, Scope.Scope> =>
  Effect.gen(function* () {
    const settings = yield* decodeClients(options)
    const parts = yield* makeParts(
      settings,
      (part) =>
        `FliptClients: the ${part} in the context is ignored because layer provides its own; ` +
        "use layerWithoutDependencies to supply it"
    )
    return yield* ClientMap.make(
      (target) =>
        fromParts({ ...settings, ...target, snapshot: undefined }).pipe(
          Effect.provide(parts),
          Effect.withSpan("FliptClient.make", { captureStackTrace: false })
        ),
      settings.idleTimeToLive
    )
  }).pipe(Effect.withSpan("FliptClients.make", { captureStackTrace: false }))

export const makeWithoutDependencies = <R>(options: {
  readonly client: (target: TargetSettings) => Layer.Layer<FliptClient.FliptClient, StartError, R>
}): Effect.Effect<FliptClients.Service, ValidationError, R | Scope.Scope> =>
  Effect.gen(function* () {
    const { idleTimeToLive } = yield* decodeClientMap(options)
    return yield* ClientMap.make(
      (target) => Effect.map(Layer.build(options.client(target)), Context.get(tags.FliptClient)),
      idleTimeToLive
    )
  })
