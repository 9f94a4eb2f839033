/**
 * A failure of a test, with the value that a flag had when it failed.
 */
import * as Cause from "effect/Cause"
import { toStringUnknown } from "effect/Inspectable"

const MAX_LABEL = 200

/**
 * The same error with another message: a copy, since the error may be shared. None of an error that cannot be copied: the
 * name of a DOMException is a getter that wants the error itself.
 */
const relabel = <E extends Error>(error: E, label: string): E | undefined => {
  const copy: E = Object.create(Object.getPrototypeOf(error), {
    ...Object.getOwnPropertyDescriptors(error),
    // in some engines a getter too
    stack: { value: error.stack, configurable: true, writable: true },
    message: { value: `${label}: ${error.message}`, configurable: true, writable: true }
  })
  try {
    return copy.name === error.name ? copy : undefined
  } catch {
    return undefined
  }
}

/** A cause in which every error says the value; what cannot, such as what is no Error, has one beside it that does. */
export const labelCause = <E>(cause: Cause.Cause<E>, flagKey: string, value: unknown): Cause.Cause<E> => {
  const text = toStringUnknown(value, 0)
  const label = `with ${flagKey} = ${text.length > MAX_LABEL ? `${text.slice(0, MAX_LABEL).toWellFormed()}…` : text}`
  const add = <A>(error: A, make: (error: A) => Cause.Cause<E>): Cause.Cause<E> => {
    const labelled = error instanceof Error ? relabel(error, label) : undefined
    return labelled === undefined
      ? Cause.sequential(make(error), Cause.die(new Error(`${label}: see the failure before`)))
      : make(labelled)
  }
  return Cause.match(cause, {
    onEmpty: Cause.empty as Cause.Cause<E>,
    onFail: (error) => add(error, Cause.fail),
    onDie: (defect) => add(defect, Cause.die),
    onInterrupt: Cause.interrupt as (id: Parameters<typeof Cause.interrupt>[0]) => Cause.Cause<E>,
    onSequential: Cause.sequential,
    onParallel: Cause.parallel
  })
}
