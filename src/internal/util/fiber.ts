/**
 * What only the runtime of Effect knows about a fiber.
 */
import type * as Context from "effect/Context"
import type * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as FiberRefs from "effect/FiberRefs"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Tracer from "effect/Tracer"

type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/** The services that every fiber has, such as the clock. Consecutive fibers nearly always share this object. */
export const servicesOf = (fiber: AnyFiber): Context.Context<DefaultServices.DefaultServices> =>
  fiber.currentDefaultServices

export const spanOf = (fiber: AnyFiber): Tracer.AnySpan | undefined => fiber.currentSpan

/** Runs a synchronous effect in the current fiber. Returns false if there is no fiber. */
export const runInCurrentFiber = (effect: Effect.Effect<void>): boolean =>
  Option.match(Fiber.getCurrentFiber(), {
    onNone: () => false,
    onSome: (fiber) => {
      // the public interface exposes the refs only as an effect, which would wait for the fiber
      const refs = (fiber as unknown as { readonly getFiberRefs: () => FiberRefs.FiberRefs }).getFiberRefs()
      Runtime.runSyncExit(
        Runtime.make({ context: fiber.currentContext, fiberRefs: refs, runtimeFlags: Runtime.defaultRuntimeFlags })
      )(effect)
      return true
    }
  })

/** Lets an interruption return at once, while the effect ends in the background. */
export const disconnect: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = Effect.disconnect

/**
 * Timeouts and streams run in fibers of their own. The runtime would log each failure of such a fiber as unhandled, even
 * though the code that waits for the fiber handles it.
 */
export const withoutUnhandledLogs: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> =
  Effect.withUnhandledErrorLogLevel(Option.none())
