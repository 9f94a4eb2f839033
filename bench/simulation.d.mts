import type * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import type * as Schedules from "../src/internal/fetch/schedules.js"

export interface Outage {
  readonly from: number
  readonly to: number
  readonly retryAfter?: (now: number) => number | undefined
}

export interface Model {
  readonly clients: number
  readonly cuts?: ReadonlyArray<number>
  readonly cutWithin?: number
  readonly interval: number
  readonly latency?: number
  readonly mode: "polling" | "streaming"
  readonly onRequest: (at: number, client: number, kind: "snapshot" | "stream", ok: boolean) => void
  readonly outages?: ReadonlyArray<Outage>
  readonly random: (client: number) => Random.Random
  readonly schedules: Pick<typeof Schedules, "pollSchedule" | "reconnectSchedule" | "retryPolicy" | "withRetryAfter">
  readonly streamLife?: number
  readonly until: number
}

export const simulate: (model: Model) => Effect.Effect<void>
