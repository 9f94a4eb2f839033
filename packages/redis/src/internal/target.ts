/**
 * Environment and namespace, with the client's own checks and defaults.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Fetcher from "flipt-client-effect/Fetcher"
import type { ValidationError } from "flipt-client-effect/FliptError"
import type { Target } from "flipt-client-effect/Model"
import type * as SnapshotStore from "flipt-client-effect/SnapshotStore"

export const targetOf = ({ environment, namespace }: Target): Effect.Effect<SnapshotStore.Target, ValidationError> =>
  Layer.build(Fetcher.layerStatic(undefined, { environment, namespace })).pipe(
    Effect.scoped,
    Effect.map((context) => {
      const { source } = Context.get(context, Fetcher.Fetcher)
      return { environment: source.environment, namespace: source.namespace }
    })
  )
