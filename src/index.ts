/**
 * Flipt feature flags for Effect.
 *
 * @since 0.1.0
 */

/** Authentication of requests to Flipt. */
export * as Auth from "./Auth.js"
/** The evaluation engine. */
export * as Engine from "./Engine.js"
/** Explanations of evaluation results. */
export * as Explain from "./Explain.js"
/** Sources of flag state. */
export * as Fetcher from "./Fetcher.js"
/** Typed flags. */
export * as Flag from "./Flag.js"
/** The client for one namespace. */
export * as FliptClient from "./FliptClient.js"
/** Clients for many namespaces in one program. */
export * as FliptClients from "./FliptClients.js"
/** The errors of this library. */
export * as FliptError from "./FliptError.js"
/** Functions that run with every evaluation. */
export * as Hook from "./Hook.js"
/** Checks for flags that cannot work as intended. */
export * as Lint from "./Lint.js"
/** Requests and results of evaluations. */
export type * as Model from "./Model.js"
/** An immutable, compiled flag state with synchronous evaluation. */
export type * as Snapshot from "./Snapshot.js"
/** Persistence of the last flag state. */
export * as SnapshotStore from "./SnapshotStore.js"
/** How up to date a client's flag state is. */
export * as Status from "./Status.js"
/** Span events, logs and metrics. */
export * as Telemetry from "./Telemetry.js"
/** TLS and proxy settings. */
export * as Tls from "./Tls.js"
/** One flag state for all worker threads of a process. */
export * as Workers from "./Workers.js"
