// Written after sha256:a2e00d2e202fdb94 of the same path
/**
 * What only the runtime of Effect knows about a fiber.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import type * as Tracer from "effect/Tracer"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** The services that every fiber has, such as the clock. */
export const servicesOf = (fiber: AnyFiber): Context.Context<never> => fiber.context

export const spanOf = (fiber: AnyFiber): Tracer.AnySpan | undefined => fiber.cache.span

/** Runs a synchronous effect in the current fiber. Returns false if there is no fiber. */
export const runInCurrentFiber = (effect: Effect.Effect<void>): boolean => {
  const fiber = Fiber.getCurrent()
  if (fiber === undefined) {
    return false
  }
  Effect.runSyncExitWith(fiber.context)(effect)
  return true
}

/** Lets an interruption return at once, while the effect ends in the background. */
export const disconnect = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.forkDetach(restore(effect), { startImmediately: true, uninterruptible: "inherit" }),
      (fiber) => Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )

/**
 * Timeouts and streams run in fibers of their own. The runtime would log each failure of such a fiber as unhandled, even
 * though the code that waits for the fiber handles it.
 */
export const withoutUnhandledLogs: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> =
  Effect.provideService(References.UnhandledLogLevel, undefined)
