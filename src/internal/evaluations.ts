/**
 * How a client evaluates: what is done with the Snapshot of now in the fiber that asks.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as FliptClient from "../FliptClient.js"
import type { View } from "./view.js"

export type Evaluations = Pick<FliptClient.Service, "evaluateBatch" | "evaluateBoolean" | "evaluateVariant">

/** Nothing but the evaluation, as plain as can be: these are what a program does all day. */
export const plain = ({ current }: View): Evaluations => ({
  evaluateVariant: (request) =>
    Effect.suspend(() => {
      const now = current()
      return Either.isRight(now) ? now.right.variant(request) : Effect.fail(now.left)
    }),
  evaluateBoolean: (request) =>
    Effect.suspend(() => {
      const now = current()
      return Either.isRight(now) ? now.right.boolean(request) : Effect.fail(now.left)
    }),
  evaluateBatch: (requests) => Effect.suspend(() => Either.flatMap(current(), (it) => it.batch(requests)))
})
