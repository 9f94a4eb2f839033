import type * as Effect from "effect/Effect"
import type { EngineError } from "../../FliptError.js"
import type * as Definition from "../document/definition.js"

/** The key of a Snapshot's definitions. Not part of the public interface, and absent from Snapshots of other engines. */
export const definitions: unique symbol = Symbol.for("flipt-client-effect/internal/snapshot/definitions")

/** The key of a Snapshot's flags that have a list with an escape. Not part of the public interface. */
export const escapedLists: unique symbol = Symbol.for("flipt-client-effect/internal/snapshot/escapedLists")

/** All flags as they are defined, in the document's order. A seed has the same, but takes ten times as long to read. */
export interface Defined {
  readonly [escapedLists]?: ReadonlyArray<string> | undefined
  readonly [definitions]?: Effect.Effect<ReadonlyArray<Definition.Flag>, EngineError> | undefined
}
