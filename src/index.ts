/**
 * Flipt feature flags for Effect.
 *
 * @since 0.1.0
 */

/** How requests to Flipt are authenticated. */
export * as Auth from "./Auth.js"
/** The engine: it compiles a document into a Snapshot. */
export * as Engine from "./Engine.js"
/** Why an evaluation has its result. */
export * as Explain from "./Explain.js"
/** Where flag state comes from, and when it is asked for. */
export * as Fetcher from "./Fetcher.js"
/** Typed flags. */
export * as Flag from "./Flag.js"
/** The client: flag state fetched, kept current and evaluated. */
export * as FliptClient from "./FliptClient.js"
/** Clients for many namespaces in one program. */
export * as FliptClients from "./FliptClients.js"
/** The errors of this library. */
export * as FliptError from "./FliptError.js"
/** What is told of every evaluation. */
export * as Hook from "./Hook.js"
/** Parts of a state that do not do what they were meant to do. */
export * as Lint from "./Lint.js"
/** What goes into an evaluation and what comes out of it. */
export * as Model from "./Model.js"
/** One compiled flag state, to evaluate synchronously. */
export * as Snapshot from "./Snapshot.js"
/** Where the last state is kept over restarts. */
export * as SnapshotStore from "./SnapshotStore.js"
/** How current a client's flag state is. */
export * as Status from "./Status.js"
/** What a client tells OpenTelemetry. */
export * as Telemetry from "./Telemetry.js"
/** The connection to the server. */
export * as Tls from "./Tls.js"
