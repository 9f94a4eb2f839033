/**
 * The Fetcher that runs an effect.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type * as Fetcher from "../../Fetcher.js"
import { FetchError, ValidationError } from "../../FliptError.js"
import type { Target } from "../../Model.js"
import { errorMessage } from "../util/errorMessage.js"
import { decodePolling } from "./options.js"
import { periodicChecks } from "./periodicChecks.js"
import { type Policy, retry } from "./retry.js"
import { withVersion } from "./withVersion.js"

export const makeEffect = <E, R>(
  options: Target & {
    readonly fetch: (
      loaded: Option.Option<Fetcher.Version>
    ) => Effect.Effect<Fetcher.Update | Uint8Array | string, E, R>
    readonly updateInterval?: Duration.DurationInput | undefined
  },
  policy: Policy
): Effect.Effect<Fetcher.Service, ValidationError, R> =>
  Effect.gen(function* () {
    const { fetch, ...rest } = options ?? {}
    const settings = yield* decodePolling(rest)
    if (typeof fetch !== "function") {
      return yield* new ValidationError({
        reason: "Option",
        path: "fetch",
        message: "the option fetch must be a function that returns an effect"
      })
    }
    // a fetch is part of the trace of its caller, not of the layer that was built long before
    const context = Context.omit(Tracer.ParentSpan)(
      (yield* Effect.context<R>()) as Context.Context<R | Tracer.ParentSpan>
    ) as Context.Context<R>
    return {
      source: { kind: "effect", environment: settings.environment, namespace: settings.namespace },
      fetch: (loaded) =>
        Effect.suspend(() => fetch(loaded)).pipe(
          Effect.provide(context),
          Effect.mapError((cause) =>
            cause instanceof FetchError
              ? cause
              : new FetchError({
                  reason: "Source",
                  retryable: true,
                  message: `the effect fetch failed: ${errorMessage(cause)}`,
                  cause
                })
          ),
          Effect.flatMap((content) => withVersion(content, loaded)),
          retry(policy)
        ),
      events: () => periodicChecks(settings.updateInterval)
    }
  })
