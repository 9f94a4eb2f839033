/**
 * The Fetcher that polls a Flipt server.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type * as Auth from "../../Auth.js"
import type * as Fetcher from "../../Fetcher.js"
import type { ValidationError } from "../../FliptError.js"
import { checks } from "./checks.js"
import { decodeFetcher, type FetcherSettings } from "./options.js"
import { fetchOnce } from "./request.js"
import { type Policy, retry } from "./retry.js"
import { makeServer, sourceOf } from "./server.js"

export const fromSettings = (
  settings: FetcherSettings,
  policy: Policy
): Effect.Effect<Fetcher.Service, never, HttpClient.HttpClient | Auth.Auth> =>
  Effect.gen(function* () {
    const server = yield* makeServer(settings)
    return {
      source: sourceOf("polling", settings),
      fetch: (loaded) => fetchOnce(server, loaded).pipe(retry(policy)),
      events: () => checks(settings.updateInterval)
    }
  })

export const make = (
  options: Fetcher.Options | undefined,
  policy: Policy
): Effect.Effect<Fetcher.Service, ValidationError, HttpClient.HttpClient | Auth.Auth> =>
  Effect.flatMap(decodeFetcher(options), (settings) => fromSettings(settings, policy))
