/**
 * The seam at which a client's states leave its thread. A Reference, so that clients do not depend on who shares them.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Fetcher from "../../Fetcher.js"
import type * as FliptClient from "../../FliptClient.js"
import type { Snapshot } from "../../Snapshot.js"
import type { State } from "./state.js"

/** What of a client is shared. */
export interface SharedClient
  extends Pick<State, "acquireLoaded" | "signals" | "status">,
    Pick<FliptClient.Service, "refresh" | "refetch"> {
  readonly source: Fetcher.Source
}

export interface Sharer {
  /** Shows the document of a state that the client has compiled and is about to load. */
  readonly compiled: (snapshot: Snapshot, document: ReadonlyArray<Uint8Array>) => void
  /** Shares the client until the Scope ends. */
  readonly start: (client: SharedClient) => Effect.Effect<void, never, Scope.Scope>
}

const nobody: Sharer = { compiled: () => {}, start: () => Effect.void }

/** Shares nothing. */
export const none = (): Sharer => nobody

/** Makes the sharer of a client, once per client. By default nothing is shared. */
export class Sharing extends Context.Reference<Sharing>()("flipt-client-effect/internal/client/Sharing", {
  defaultValue: (): (() => Sharer) => none
}) {}
