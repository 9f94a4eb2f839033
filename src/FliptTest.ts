/**
 * Flags for tests: a complete client without a server. A test can set flags while it runs and inspect which evaluations
 * were made.
 *
 * It works with any test runner, and nothing in it waits for time to pass, so it can be used with the TestClock.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type * as Engine from "./Engine.js"
import { Fetcher } from "./Fetcher.js"
import type * as Flag from "./Flag.js"
import { FliptClient } from "./FliptClient.js"
import { encodeSetting } from "./internal/flag/flag.js"
import { labelCause } from "./internal/testing/labelCause.js"
import { FliptTest } from "./internal/testing/tags.js"
import * as kit from "./internal/testing/testClient.js"
import type { EvaluationRequest, Target } from "./Model.js"

/**
 * A recorded evaluation.
 *
 * @since 0.1.0
 * @category models
 */
export interface Evaluation {
  readonly request: EvaluationRequest
  /**
   * The result, in the form in which you would set it: `true` or `false`, the variant's key (`""` for none), the key with
   * its attachment, or the error, for example that of an evaluation as the wrong type.
   */
  readonly value: Engine.MockValue
}

/**
 * Sets flags and records evaluations in a test.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * Returns the evaluations made so far, in order. It includes evaluations by the client, by batches, by `watch*`, and by
   * Snapshots. Invalid requests are not recorded.
   */
  readonly evaluations: Effect.Effect<ReadonlyArray<Evaluation>>
  /** Sets a flag. Returns once the client has loaded the new state, as it would from a server. */
  readonly set: (flagKey: string, value: Engine.MockFlags[string]) => Effect.Effect<void>
  /**
   * Creates an independent copy that starts with the current flags and an empty record of evaluations. See
   * {@link isolated}.
   */
  readonly isolate: Effect.Effect<Service, never, Scope.Scope>
}

export {
  /**
   * The tag of the test service.
   *
   * @since 0.1.0
   * @category tags
   */
  FliptTest
}

/**
 * The initial flags of a test.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Target {
  /** Flags as plain values or as functions of the request. They override those of the document. Default: none. */
  readonly flags?: Engine.MockFlags | undefined
  /**
   * A Flipt snapshot document, such as one saved from your server. It is evaluated with the usual rules and must belong
   * to `namespace`. Default: an empty document.
   */
  readonly document?: string | Uint8Array | undefined
}

/**
 * A complete client without a server, and the service that sets its flags. Flags that are not set are evaluated from the
 * document by `Engine.layerPortable`. An invalid document is a defect.
 *
 * @example
 * ```ts
 * import { expect, it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import * as Flag from "flipt-client-effect/Flag"
 * import * as FliptTest from "flipt-client-effect/FliptTest"
 *
 * const Discount = Flag.boolean("discount", { default: false })
 *
 * const price = Effect.map(Discount.get({ entityId: "user-1" }), (discount) => (discount ? 80 : 100))
 *
 * it.effect("a discount lowers the price", () =>
 *   Effect.gen(function* () {
 *     expect(yield* price).toBe(100)
 *     yield* FliptTest.set(Discount, true)
 *     expect(yield* price).toBe(80)
 *   }).pipe(Effect.provide(FliptTest.layer({ flags: { discount: false } })))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<FliptClient | FliptTest> =>
  Layer.scopedContext(
    Effect.map(kit.make(options ?? {}), ({ client, kit }) =>
      Context.make(FliptTest, kit).pipe(Context.add(FliptClient, client))
    )
  ).pipe(Layer.orDie)

/**
 * Like {@link layer}, over the state of the Fetcher in the context, such as `Fetcher.layerFile` or the files that
 * `@flipt-client-effect/features` reads. The state is fetched once, when the layer is built; a Fetcher that fails, or
 * whose document does not load, is a defect.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import * as Fetcher from "flipt-client-effect/Fetcher"
 * import * as FliptTest from "flipt-client-effect/FliptTest"
 *
 * const testLayer = FliptTest.layerFetcher({ "new-checkout": true }).pipe(
 *   Layer.provide(Fetcher.layerFile("test/flags.json"))
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFetcher = (flags?: Engine.MockFlags): Layer.Layer<FliptClient | FliptTest, never, Fetcher> =>
  Layer.scopedContext(
    Effect.flatMap(Fetcher, (fetcher) => kit.makeFrom(fetcher, flags ?? {})).pipe(
      Effect.map(({ client, kit }) => Context.make(FliptTest, kit).pipe(Context.add(FliptClient, client)))
    )
  ).pipe(Layer.orDie)

/**
 * Sets a flag. Pass a typed flag with one of its values, or a flag key with any value that `Engine.layerMock` accepts.
 * Either way, you can also pass a function of the request.
 *
 * When the effect completes, the client has loaded the new state. `changes`, `watch*` and `status` emit it as they do
 * with a server, and existing Snapshots do not change.
 *
 * A value of `Flag.json` becomes the attachment of a variant named `test`. It is a defect if the Schema cannot encode the
 * value, or encodes it as `null`, which means "no attachment".
 *
 * @since 0.1.0
 * @category accessors
 */
export const set: {
  <A>(
    flag: Flag.Flag<A>,
    value: NoInfer<A> | ((request: EvaluationRequest) => NoInfer<A>)
  ): Effect.Effect<void, never, FliptTest>
  (flagKey: string, value: Engine.MockFlags[string]): Effect.Effect<void, never, FliptTest>
} = (flag: Flag.Flag<unknown> | string, value: unknown): Effect.Effect<void, never, FliptTest> =>
  Effect.flatMap(FliptTest, (kit) =>
    typeof flag === "string"
      ? kit.set(flag, value as Engine.MockFlags[string])
      : kit.set(flag.key, encodeSetting(flag, value))
  )

/**
 * Returns the evaluations made so far, in order.
 *
 * @example
 * ```ts
 * import { expect } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import * as FliptTest from "flipt-client-effect/FliptTest"
 *
 * const assertion = Effect.gen(function* () {
 *   const evaluations = yield* FliptTest.evaluations
 *   expect(evaluations).toEqual([{ request: { flagKey: "discount", entityId: "user-1" }, value: true }])
 * })
 * ```
 *
 * @since 0.1.0
 * @category accessors
 */
export const evaluations: Effect.Effect<ReadonlyArray<Evaluation>, never, FliptTest> = Effect.flatMap(
  FliptTest,
  (kit) => kit.evaluations
)

/**
 * Runs an effect in isolation. It starts with the current flags, and the flags it sets and the evaluations it makes are
 * not visible outside. Use it for tests that share a layer, whether they run sequentially or concurrently.
 *
 * The isolated flags apply wherever the effect, or a fiber that it forks, uses the client of {@link layer}, including
 * through services that were built with that client earlier. They do not apply in fibers that were already running, or in
 * fibers that a service starts with its own Runtime.
 *
 * @since 0.1.0
 * @category combinators
 */
export const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | FliptTest> =>
  Effect.acquireUseRelease(
    Scope.make(),
    (scope) =>
      Effect.flatMap(FliptTest, ({ isolate }) => Scope.extend(isolate, scope)).pipe(
        Effect.flatMap((own) => kit.provide(own)(effect))
      ),
    (scope, exit) => Scope.close(scope, Exit.asVoid(exit))
  ) as Effect.Effect<A, E, R | FliptTest>

/**
 * Runs a test once for each value of a flag, sequentially and {@link isolated}. For a boolean or variant flag you can omit
 * `values` to test all of them.
 *
 * Stops at the first failure and adds the flag and the value to the front of its message. If the failure is not an
 * `Error`, an additional `Error` with this information is reported along with it.
 *
 * @example
 * ```ts
 * import { expect, it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import * as Flag from "flipt-client-effect/Flag"
 * import * as FliptTest from "flipt-client-effect/FliptTest"
 *
 * const Theme = Flag.variant("theme", ["light", "dark"], { default: "light" })
 *
 * declare const render: Effect.Effect<string>
 *
 * it.effect("a page has a title in every theme", () =>
 *   FliptTest.forEachValue(Theme, () => Effect.map(render, (page) => expect(page).toContain("<title>"))).pipe(
 *     Effect.provide(FliptTest.layer())
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const forEachValue: {
  <V, A, E, R>(flag: Flag.Finite<V>, test: (value: V) => Effect.Effect<A, E, R>): Effect.Effect<void, E, R | FliptTest>
  <V, A, E, R>(
    flag: Flag.Flag<V>,
    values: Iterable<NoInfer<V>>,
    test: (value: V) => Effect.Effect<A, E, R>
  ): Effect.Effect<void, E, R | FliptTest>
} = <A, E, R>(
  flag: Flag.Flag<unknown>,
  ...rest:
    | readonly [(value: unknown) => Effect.Effect<A, E, R>]
    | readonly [Iterable<unknown>, (value: unknown) => Effect.Effect<A, E, R>]
): Effect.Effect<void, E, R | FliptTest> => {
  const [values, test] = rest.length === 1 ? [(flag as Flag.Finite<unknown>).values, rest[0]] : rest
  return Effect.forEach(
    values,
    (value) =>
      Effect.zipRight(
        set(flag, value),
        Effect.suspend(() => test(value))
      ).pipe(
        isolated,
        Effect.catchAllCause((cause) => Effect.failCause(labelCause(cause, flag.key, value)))
      ),
    { discard: true }
  )
}
