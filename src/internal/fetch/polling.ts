/**
 * The Fetcher that polls a Flipt server.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type * as Auth from "../../Auth.js"
import type * as Fetcher from "../../Fetcher.js"
import type { ValidationError } from "../../FliptError.js"
import { decodeFetcher, type FetcherSettings } from "./options.js"
import { periodicChecks } from "./periodicChecks.js"
import type { Policy } from "./retry.js"
import { makeService } from "./service.js"

export const fromSettings = (
  settings: FetcherSettings,
  policy: Policy
): Effect.Effect<Fetcher.Service, never, HttpClient.HttpClient | Auth.Auth> =>
  makeService("polling", settings, policy, () => () => periodicChecks(settings.updateInterval))

export const make = (
  options: Fetcher.Options | undefined,
  policy: Policy
): Effect.Effect<Fetcher.Service, ValidationError, HttpClient.HttpClient | Auth.Auth> =>
  Effect.flatMap(decodeFetcher(options), (settings) => fromSettings(settings, policy))
