/**
 * Runs hooks so that no hook can break an evaluation.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type * as Fetcher from "../../Fetcher.js"
import type { Hook, HookContext } from "../../Hook.js"
import type { EvaluationRequest } from "../../Model.js"
import type { DeferredLogs } from "./deferredLogs.js"
import type { Outcome } from "./outcome.js"

/** An evaluation whose `before` hooks have run. */
export interface HookRun {
  readonly complete: (outcome: Outcome) => void
  /** Runs the `finally` hooks, once. */
  readonly end: () => void
}

/** Creates the data map on first access, since most hooks do not use it. */
class LazyHookContext implements HookContext {
  private kept: Map<unknown, unknown> | undefined = undefined

  constructor(
    readonly source: Fetcher.Source,
    readonly request: EvaluationRequest
  ) {}

  get data(): Map<unknown, unknown> {
    this.kept ??= new Map()
    return this.kept
  }
}

/** Returns the function that runs the `before` hooks of an evaluation, or `undefined` if there are no hooks. */
export const make = (
  hooks: ReadonlyArray<Hook>,
  source: Fetcher.Source,
  deferredLogs: DeferredLogs
): ((request: EvaluationRequest) => HookRun) | undefined => {
  const hasThrown = hooks.map(() => false)

  const reportThrow = (index: number, stage: keyof Hook, error: unknown): void => {
    if (hasThrown[index] === false) {
      hasThrown[index] = true
      deferredLogs.add(
        Effect.logWarning(
          `Flipt: hook ${index + 1} of ${hooks.length} threw in "${stage}"; evaluations continue, and further errors of this hook are not logged`,
          Cause.die(error)
        )
      )
    }
  }

  const call = (index: number, stage: keyof Hook, run: (hook: Hook) => unknown): void => {
    try {
      const returned = run(hooks[index] as Hook)
      if (Predicate.isPromiseLike(returned)) {
        // otherwise the rejection would be unhandled
        void Promise.resolve(returned).then(undefined, (error) => reportThrow(index, stage, error))
      }
    } catch (error) {
      reportThrow(index, stage, error)
    }
  }

  const begin = (request: EvaluationRequest): HookRun => {
    const contexts = hooks.map(() => new LazyHookContext(source, request))
    let hasEnded = false
    contexts.forEach((context, index) => {
      call(index, "before", (hook) => hook.before?.(context))
    })
    return {
      complete: (outcome) => {
        for (let index = hooks.length - 1; index >= 0; index--) {
          const context = contexts[index] as LazyHookContext
          if (Either.isRight(outcome)) {
            call(index, "after", (hook) => hook.after?.(context, outcome.right))
          } else {
            call(index, "error", (hook) => hook.error?.(context, outcome.left))
          }
        }
      },
      end: () => {
        if (hasEnded) {
          return
        }
        hasEnded = true
        for (let index = hooks.length - 1; index >= 0; index--) {
          call(index, "finally", (hook) => hook.finally?.(contexts[index] as LazyHookContext))
        }
      }
    }
  }

  return hooks.length === 0 ? undefined : begin
}
