/**
 * Clients of many namespaces: with everything that they need, or by a layer for each.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as FliptClient from "../../FliptClient.js"
import type * as FliptClients from "../../FliptClients.js"
import type { EngineError, StartError, ValidationError } from "../../FliptError.js"
import { fromParts, makeParts } from "../client/defaultClient.js"
import type { TargetSettings } from "../util/target.js"
import * as Sharing from "./clientMap.js"
import { decodeClients, decodeSharing } from "./options.js"

export const make = (
  options: FliptClients.Options | undefined
): Effect.Effect<FliptClients.Service, ValidationError | EngineError, Scope.Scope> =>
  Effect.gen(function* () {
    const settings = yield* decodeClients(options)
    const parts = yield* makeParts(
      settings,
      (part) =>
        `FliptClients: the ${part} in the context is not used, since layer brings its own; ` +
        "use layerWithoutDependencies to put it in"
    )
    return yield* Sharing.make(
      (target) => Effect.provide(fromParts({ ...settings, ...target, snapshot: undefined }), parts),
      settings.idleTimeToLive
    )
  })

export const makeWithoutDependencies = <R>(options: {
  readonly client: (target: TargetSettings) => Layer.Layer<FliptClient.FliptClient, StartError, R>
}): Effect.Effect<FliptClients.Service, ValidationError, R | Scope.Scope> =>
  Effect.gen(function* () {
    const { idleTimeToLive } = yield* decodeSharing(options)
    return yield* Sharing.make(
      (target) => Effect.map(Layer.build(options.client(target)), Context.get(FliptClient.FliptClient)),
      idleTimeToLive
    )
  })
