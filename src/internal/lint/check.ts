import * as Effect from "effect/Effect"
import type { EvaluationError } from "../../FliptError.js"
import type { Finding } from "../../Lint.js"
import type { Snapshot } from "../../Snapshot.js"
import { definitionsOf } from "../explain/definitions.js"
import { checkFlag } from "./flag.js"

export const check = (snapshot: Snapshot): Effect.Effect<ReadonlyArray<Finding>, EvaluationError> =>
  Effect.map(definitionsOf(snapshot), (flags) => flags.flatMap(checkFlag))
