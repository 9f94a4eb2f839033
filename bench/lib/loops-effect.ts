/**
 * The loops of the Effect benchmark, with a copy of this module per subject, like loops.ts. The loops do not share code,
 * because V8 would optimize a shared call for several of them.
 */
import type { FliptClient as Official } from "@flipt-io/flipt-client-js"
import * as Effect from "effect/Effect"
import type { Service } from "flipt-client-effect/FliptClient"
import type { Snapshot } from "flipt-client-effect/Snapshot"

/** An entity of workload (a). */
export interface Prepared {
  readonly entityId: string
  readonly context: Record<string, string>
}

export const synchronous = (
  snapshot: Snapshot,
  flagKey: string,
  entities: ReadonlyArray<Prepared>,
  from: number,
  count: number
): number => {
  const mask = entities.length - 1
  let seen = 0
  for (let i = from; i < from + count; i++) {
    const { context, entityId } = entities[i & mask]!
    const result = snapshot.boolean({ flagKey, entityId, context })
    if (result._tag === "Right" && result.right.enabled) {
      seen++
    }
  }
  return seen
}

/** In one fiber, with a `yield*` per evaluation. */
export const inFiber = (
  client: Service,
  flagKey: string,
  entities: ReadonlyArray<Prepared>,
  from: number,
  count: number
): number =>
  Effect.runSync(
    Effect.gen(function* () {
      const mask = entities.length - 1
      let seen = 0
      for (let i = from; i < from + count; i++) {
        const { context, entityId } = entities[i & mask]!
        const result = yield* client.evaluateBoolean({ flagKey, entityId, context })
        if (result.enabled) {
          seen++
        }
      }
      return seen
    })
  )

/** A hundred evaluations per span: after 128 events in a span, telemetry records no more. */
export const inSpans = (
  client: Service,
  flagKey: string,
  entities: ReadonlyArray<Prepared>,
  from: number,
  count: number
): number =>
  Effect.runSync(
    Effect.gen(function* () {
      const mask = entities.length - 1
      let seen = 0
      for (let i = from; i < from + count; i += 100) {
        seen += yield* Effect.withSpan(
          Effect.gen(function* () {
            let inThis = 0
            for (let j = i; j < i + 100; j++) {
              const { context, entityId } = entities[j & mask]!
              const result = yield* client.evaluateBoolean({ flagKey, entityId, context })
              if (result.enabled) {
                inThis++
              }
            }
            return inThis
          }),
          "request"
        )
      }
      return seen
    })
  )

/** In one fiber, without a generator. */
export const inLoop = (
  client: Service,
  flagKey: string,
  entities: ReadonlyArray<Prepared>,
  from: number,
  count: number
): number => {
  const mask = entities.length - 1
  let seen = 0
  let i = from
  Effect.runSync(
    Effect.whileLoop({
      while: () => i < from + count,
      body: () => {
        const { context, entityId } = entities[i++ & mask]!
        return client.evaluateBoolean({ flagKey, entityId, context })
      },
      step: (result) => {
        if (result.enabled) {
          seen++
        }
      }
    })
  )
  return seen
}

/** The cost of a `yield*` without an evaluation. */
export const nothing = (entities: ReadonlyArray<Prepared>, from: number, count: number): number =>
  Effect.runSync(
    Effect.gen(function* () {
      const mask = entities.length - 1
      let seen = 0
      for (let i = from; i < from + count; i++) {
        const { entityId } = entities[i & mask]!
        const result = yield* Effect.suspend(() => Effect.succeed(entityId))
        if (result.length > 0) {
          seen++
        }
      }
      return seen
    })
  )

/** Unknown flags, one per key. Every error is caught. */
export const unknown = (
  client: Service,
  keys: ReadonlyArray<string>,
  entities: ReadonlyArray<Prepared>,
  from: number,
  count: number
): number =>
  Effect.runSync(
    Effect.gen(function* () {
      const mask = entities.length - 1
      let seen = 0
      for (let i = from; i < from + count; i++) {
        const { context, entityId } = entities[i & mask]!
        const result = yield* Effect.either(
          client.evaluateBoolean({ flagKey: keys[i % keys.length]!, entityId, context })
        )
        if (result._tag === "Left") {
          seen++
        }
      }
      return seen
    })
  )

export const official = (
  client: Official,
  flagKey: string,
  entities: ReadonlyArray<Prepared>,
  from: number,
  count: number
): number => {
  const mask = entities.length - 1
  let seen = 0
  for (let i = from; i < from + count; i++) {
    if (client.evaluateBoolean({ flagKey, ...entities[i & mask]! }).enabled) {
      seen++
    }
  }
  return seen
}
