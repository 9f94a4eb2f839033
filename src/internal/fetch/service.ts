/**
 * The parts that all Fetchers of a Flipt server share.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type * as Auth from "../../Auth.js"
import type * as Fetcher from "../../Fetcher.js"
import { withFullFetches } from "./fullFetches.js"
import type { FetcherSettings } from "./options.js"
import { type Policy, retry } from "./retry.js"
import { makeServer, type Server, toSource } from "./server.js"
import { fetchSnapshot } from "./snapshotRequest.js"

/** Makes a Fetcher that requests snapshots, with retries, and has the given events. */
export const makeService = (
  kind: "polling" | "streaming",
  settings: FetcherSettings,
  policy: Policy,
  events: (server: Server) => Fetcher.Service["events"]
): Effect.Effect<Fetcher.Service, never, HttpClient.HttpClient | Auth.Auth> =>
  Effect.gen(function* () {
    const server = yield* makeServer(settings)
    return {
      source: toSource(kind, settings),
      fetch: yield* withFullFetches(settings, (loaded) => fetchSnapshot(server, loaded).pipe(retry(policy))),
      events: events(server)
    }
  })
