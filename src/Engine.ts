/**
 * The engine: it compiles a document into a Snapshot. It knows no HTTP and no time.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { EngineError, EvaluationError, ValidationError } from "./FliptError.js"
import { makeMock } from "./internal/engine/mock.js"
import { portable } from "./internal/engine/portable/engine.js"
import * as choice from "./internal/engine/select.js"
import type { EvaluationRequest, Seed } from "./Model.js"
import type { Snapshot } from "./Snapshot.js"

/**
 * What compiles documents, and the seeds that are made of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Which engine runs. */
  readonly name: "native" | "portable" | (string & {})
  /**
   * Compiles a snapshot document of Flipt, given as its bytes in the chunks in which they came. Fails with an
   * `EngineError` that names what is wrong and where, also when the document is of another namespace.
   */
  readonly compile: (
    namespace: string,
    document: ReadonlyArray<Uint8Array>
  ) => Effect.Effect<Snapshot, EngineError, Scope.Scope>
  /**
   * Compiles what `getSnapshot` of this or of another Flipt client gave. Fails with a `ValidationError` of reason
   * `Seed` when the text is no such thing, or is of another namespace.
   */
  readonly restore: (
    namespace: string,
    seed: Seed
  ) => Effect.Effect<Snapshot, EngineError | ValidationError, Scope.Scope>
}

/**
 * The engine in use.
 *
 * @since 0.1.0
 * @category tags
 */
export class Engine extends Context.Tag("flipt-client-effect/Engine")<Engine, Service>() {}

/**
 * What a flag of {@link layerMock} answers: `true` or `false` make it a boolean flag, a text a variant flag with this
 * variant, an object one with an attachment too (which becomes JSON text), an `EvaluationError` makes it fail.
 *
 * @since 0.1.0
 * @category models
 */
export type MockValue = boolean | string | { readonly variant: string; readonly attachment?: unknown } | EvaluationError

/**
 * The flags of {@link layerMock}, by their keys. A function is asked at each evaluation; what it will answer is not
 * known, so a list of the flags has it as a variant flag.
 *
 * @since 0.1.0
 * @category models
 */
export interface MockFlags {
  readonly [flagKey: string]: MockValue | ((request: EvaluationRequest) => MockValue)
}

/**
 * The engine in plain TypeScript. It gives the same answers as Flipt's own engine and runs wherever JavaScript does.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPortable: Layer.Layer<Engine> = Layer.succeed(Engine, portable)

/**
 * The engine in Rust, loaded as a native library. Fails when it cannot be loaded, and says where it was looked for: at
 * the path in `FLIPT_ENGINE_PATH`, else in the package for this platform, else in the build of this package's checkout.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerNative: Layer.Layer<Engine, EngineError> = Layer.effect(Engine, choice.native)

/**
 * The native engine where it can be loaded, and otherwise the portable one, with one warning that says why. Both give
 * the same answers.
 *
 * `FLIPT_ENGINE` set to `native` or `portable` leaves no choice: then this fails where the native engine cannot be
 * loaded. A constant, so that many clients share one.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Engine, EngineError> = Layer.effect(Engine, choice.best)

/**
 * An engine for tests: it takes any document and answers with these flags. Requests are checked as they always are.
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
