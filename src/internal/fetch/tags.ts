import * as Context from "effect/Context"
import type * as Schedule from "effect/Schedule"
import type { Service } from "../../Fetcher.js"
import type { FetchError } from "../../FliptError.js"
import { retryPolicy } from "./schedules.js"

export class Fetcher extends Context.Tag("flipt-client-effect/Fetcher")<Fetcher, Service>() {}

export class RetryPolicy extends Context.Reference<RetryPolicy>()("flipt-client-effect/Fetcher/RetryPolicy", {
  defaultValue: (): Schedule.Schedule<unknown, FetchError> => retryPolicy
}) {}
