/**
 * Polling, as a stream of events.
 */
import * as Duration from "effect/Duration"
import * as Stream from "effect/Stream"
import type * as Fetcher from "../../Fetcher.js"
import { Event } from "./event.js"
import { pollSchedule } from "./schedules.js"

/** Emits a `Check` when a poll is due. Never emits if the interval is infinite. */
export const periodicChecks = (interval: Duration.Duration): Stream.Stream<Fetcher.Event> =>
  Duration.isFinite(interval)
    ? Stream.fromSchedule(pollSchedule(interval)).pipe(
        Stream.filter((due) => due),
        Stream.map(() => Event.Check())
      )
    : Stream.never
