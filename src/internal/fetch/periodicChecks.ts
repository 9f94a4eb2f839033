import * as Duration from "effect/Duration"
import * as Stream from "effect/Stream"
import type * as Fetcher from "../../Fetcher.js"
import { Event } from "./event.js"
import { pollSchedule } from "./schedules.js"

/** A `Check` for every poll; none where the interval is infinite. */
export const periodicChecks = (interval: Duration.Duration): Stream.Stream<Fetcher.Event> =>
  Duration.isFinite(interval)
    ? Stream.fromSchedule(pollSchedule(interval)).pipe(
        Stream.filter((due) => due),
        Stream.map(() => Event.Check())
      )
    : Stream.never
