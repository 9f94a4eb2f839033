/**
 * The definitions behind a Snapshot. The seed is the one form of a state that every engine gives whole.
 */
import * as Effect from "effect/Effect"
import { EvaluationError } from "../../FliptError.js"
import type { Snapshot } from "../../Snapshot.js"
import type * as Definition from "../document/definition.js"
import { readSeedOf } from "../document/seed/read.js"

/** All flags of a Snapshot, in the document's order. Fails if the Snapshot is closed. */
export const definitionsOf = (snapshot: Snapshot): Effect.Effect<ReadonlyArray<Definition.Flag>, EvaluationError> =>
  snapshot.seed.pipe(
    Effect.mapError((cause) => new EvaluationError({ reason: "Closed", message: cause.message, cause })),
    Effect.map((seed) => readSeedOf(seed, snapshot.namespace))
  )
