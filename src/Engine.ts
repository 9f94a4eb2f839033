/**
 * The evaluation engine: it compiles a snapshot document into a `Snapshot`. It does no I/O with Flipt and keeps no state.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { EngineError, EvaluationError, ValidationError } from "./FliptError.js"
import { makeMock } from "./internal/engine/mock.js"
import { portable } from "./internal/engine/portable/engine.js"
import * as choice from "./internal/engine/select.js"
import { Engine } from "./internal/engine/tags.js"
import type { EvaluationRequest, Seed } from "./Model.js"
import type { Snapshot } from "./Snapshot.js"

/**
 * Compiles snapshot documents and seeds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The name of the engine. `automatic` chooses another engine for each document; `Snapshot.engine` says which. */
  readonly name: "automatic" | "native" | "portable" | (string & {})
  /**
   * Compiles a Flipt snapshot document, given as chunks of bytes. The Snapshot closes with the Scope. Fails with an
   * `EngineError` that says what is wrong and where, for example if the document belongs to another namespace.
   */
  readonly compile: (
    namespace: string,
    document: ReadonlyArray<Uint8Array>
  ) => Effect.Effect<Snapshot, EngineError, Scope.Scope>
  /**
   * Compiles a seed: the result of `getSnapshot` from this or any other Flipt client. Fails with a `ValidationError` of
   * reason `Seed` if the text is not a seed or belongs to another namespace.
   */
  readonly restore: (
    namespace: string,
    seed: Seed
  ) => Effect.Effect<Snapshot, EngineError | ValidationError, Scope.Scope>
}

export {
  /**
   * The tag of the engine that a client uses.
   *
   * @since 0.1.0
   * @category tags
   */
  Engine
}

/**
 * The value of a flag in {@link layerMock}:
 *
 * - `true` or `false` defines a boolean flag;
 * - a string defines a variant flag that returns this variant;
 * - an object defines a variant flag with an attachment, which is encoded as JSON;
 * - an `EvaluationError` makes evaluations of the flag fail.
 *
 * @since 0.1.0
 * @category models
 */
export type MockValue = boolean | string | { readonly variant: string; readonly attachment?: unknown } | EvaluationError

/**
 * The flags of {@link layerMock} by key. A function is called for each evaluation. Its result cannot be known in advance,
 * so `listFlags` reports it as a variant flag.
 *
 * @since 0.1.0
 * @category models
 */
export interface MockFlags {
  readonly [flagKey: string]: MockValue | ((request: EvaluationRequest) => MockValue)
}

/**
 * The engine in plain TypeScript. It returns the same results as Flipt's official engine and runs on every JavaScript
 * platform.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPortable: Layer.Layer<Engine> = Layer.succeed(Engine, portable)

/**
 * The engine in Rust, a native library. It is loaded from the path in `FLIPT_ENGINE_PATH`, from the package for this
 * platform, which npm installs as an optional dependency, or from the local build of a checkout. Fails with an
 * `EngineError` of reason `Load` if the library is missing, damaged or of another version.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerNative: Layer.Layer<Engine, EngineError> = Layer.effect(
  Engine,
  Effect.withSpan(choice.native, "Engine.layerNative", { captureStackTrace: false })
)

/**
 * Chooses an engine for each document. The portable engine evaluates faster and compiles documents of less than 1 MiB
 * without holding the event loop noticeably; the native engine compiles larger ones on another thread. Both return the
 * same results, so a client may change engines from one state to the next. `Snapshot.engine` and the client's `status`
 * say which one is used.
 *
 * The native library is loaded when the first large document arrives. If it cannot be loaded, the portable engine
 * compiles large documents too. The first such document of a process logs one line at Info level, with the reason and how
 * long the event loop was held. Browsers and worker threads use the portable engine and log nothing: in a worker the
 * native engine would compile on the worker's own thread. Let workers share the state of the main thread with `Workers`.
 *
 * Set `FLIPT_ENGINE` to `native` or `portable` to use one engine for all documents. With `native`, this layer fails if the
 * library cannot be loaded. The layer is a constant, so clients that are built together share one engine.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Engine, EngineError> = Layer.effect(
  Engine,
  Effect.withSpan(choice.best, "Engine.layer", { captureStackTrace: false })
)

/**
 * An engine for tests. It accepts any document and evaluates the flags you pass. Requests are still validated.
 *
 * @example
 * ```ts
 * import * as Engine from "flipt-client-effect/Engine"
 *
 * const engine = Engine.layerMock({
 *   "new-checkout": true,
 *   theme: { variant: "dark", attachment: { accent: "teal" } },
 *   beta: (request) => request.context?.plan === "pro"
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMock = (flags: MockFlags): Layer.Layer<Engine> => Layer.succeed(Engine, makeMock(flags))
