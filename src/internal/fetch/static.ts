/**
 * Fetchers over what is in the program already: a fixed document, or an effect.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Fetcher from "../../Fetcher.js"
import { FetchError, ValidationError } from "../../FliptError.js"
import type { Target } from "../../Model.js"
import { decodePolled, decodeTarget } from "../client/options.js"
import { messageOf } from "../net/transportError.js"
import { Hasher } from "../util/hash64.js"
import { Document, NotModified } from "./event.js"
import { checks, type Policy, retry } from "./polling.js"

const encode = (document: Uint8Array | string): Uint8Array =>
  typeof document === "string" ? new TextEncoder().encode(document) : document

/** Content that comes without a version has its hash for one. */
const versioned = (
  content: Fetcher.Update | Uint8Array | string,
  loaded: Option.Option<Fetcher.Version>
): Fetcher.Update => {
  const update =
    typeof content === "string" || content instanceof Uint8Array
      ? Document({ bytes: [encode(content)], version: Option.none() })
      : content
  if (update._tag === "NotModified" || Option.isSome(update.version)) {
    return update
  }
  const hasher = new Hasher()
  for (const chunk of update.bytes) {
    hasher.add(chunk)
  }
  return Option.contains(loaded, hasher.hex)
    ? NotModified()
    : Document({ bytes: update.bytes, version: Option.some(hasher.hex) })
}

export const makeStatic = (
  document: Uint8Array | string | undefined,
  options: Target | undefined
): Effect.Effect<Fetcher.Service, ValidationError> =>
  Effect.map(decodeTarget(options), (target) => {
    const content = document ?? JSON.stringify({ namespace: { key: target.namespace }, flags: [] })
    return {
      source: { kind: "static", ...target },
      fetch: (loaded) => Effect.sync(() => versioned(content, loaded)),
      events: () => Stream.never
    }
  })

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
    const settings = yield* decodePolled(rest)
    if (typeof fetch !== "function") {
      return yield* new ValidationError({
        reason: "Option",
        path: "fetch",
        message: "the option fetch must be a function that gives the effect to run"
      })
    }
    const context = yield* Effect.context<R>()
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
                  message: `the source of flags failed: ${messageOf(cause)}`,
                  cause
                })
          ),
          Effect.map((content) => versioned(content, loaded)),
          retry(policy)
        ),
      events: () => checks(settings.updateInterval)
    }
  })
