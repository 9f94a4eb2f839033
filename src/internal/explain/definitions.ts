/**
 * The definitions behind a Snapshot. Snapshots of custom engines have them only in their seed.
 */
import * as Effect from "effect/Effect"
import { EvaluationError } from "../../FliptError.js"
import type { Snapshot } from "../../Snapshot.js"
import type * as Definition from "../document/definition.js"
import { decodeAndReadSeed } from "../document/seed/read.js"
import { type Defined, definitions } from "../snapshot/definitions.js"

/** All flags of a Snapshot, in the document's order. Fails if the Snapshot is closed. */
export const definitionsOf = (
  snapshot: Snapshot & Defined
): Effect.Effect<ReadonlyArray<Definition.Flag>, EvaluationError> =>
  (snapshot[definitions] ?? Effect.map(snapshot.seed, (seed) => decodeAndReadSeed(seed, snapshot.namespace))).pipe(
    Effect.mapError((cause) => new EvaluationError({ reason: "Closed", message: cause.message, cause }))
  )
