/**
 * Hooks, called so that none of them can break an evaluation.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type * as Fetcher from "../../Fetcher.js"
import type { Hook, HookContext } from "../../Hook.js"
import type { EvaluationRequest } from "../../Model.js"
import type { Notes } from "./deferredLogs.js"
import type { Outcome } from "./outcome.js"

/** An evaluation that hooks have been told the beginning of. */
export interface Told {
  readonly settle: (outcome: Outcome) => void
  /** May be called again, which does nothing. */
  readonly end: () => void
}

/** Most hooks keep nothing, so the map is made for those that do. */
class OneContext implements HookContext {
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

/** Gives what tells hooks of the beginning of an evaluation; none where there are no hooks. */
export const make = (
  hooks: ReadonlyArray<Hook>,
  source: Fetcher.Source,
  notes: Notes
): ((request: EvaluationRequest) => Told) | undefined => {
  const hasThrown = hooks.map(() => false)

  const threw = (index: number, stage: keyof Hook, error: unknown): void => {
    if (hasThrown[index] === false) {
      hasThrown[index] = true
      notes.add(
        Effect.logWarning(
          `Flipt: hook ${index + 1} of ${hooks.length} threw in "${stage}"; evaluations go on, and it is not told again`,
          Cause.die(error)
        )
      )
    }
  }

  const call = (index: number, stage: keyof Hook, run: (hook: Hook) => unknown): void => {
    try {
      const returned = run(hooks[index] as Hook)
      if (Predicate.isPromiseLike(returned)) {
        // nobody else would hear of it
        void Promise.resolve(returned).then(undefined, (error) => threw(index, stage, error))
      }
    } catch (error) {
      threw(index, stage, error)
    }
  }

  const begin = (request: EvaluationRequest): Told => {
    const contexts = hooks.map(() => new OneContext(source, request))
    let hasEnded = false
    contexts.forEach((context, index) => {
      call(index, "before", (hook) => hook.before?.(context))
    })
    return {
      settle: (outcome) => {
        for (let index = hooks.length - 1; index >= 0; index--) {
          const context = contexts[index] as OneContext
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
          call(index, "finally", (hook) => hook.finally?.(contexts[index] as OneContext))
        }
      }
    }
  }

  return hooks.length === 0 ? undefined : begin
}
