// Written after sha256:efc26b80115e107b of the same path
/**
 * Labels the failure of a test with the value of the flag.
 */
import * as Cause from "effect/Cause"
import { toStringUnknown } from "effect/Inspectable"
import { printable } from "../util/outsideText.js"

const MAX_LABEL = 200

/**
 * Copies an error with the label in its message; the original may be shared. Returns `undefined` if it cannot be copied:
 * the name of a DOMException, for example, is a getter that works only on the original.
 */
const relabel = <E extends Error>(error: E, label: string): E | undefined => {
  const copy: E = Object.create(Object.getPrototypeOf(error), {
    ...Object.getOwnPropertyDescriptors(error),
    // a getter in some JavaScript engines
    stack: { value: error.stack, configurable: true, writable: true },
    message: { value: `${label}: ${error.message}`, configurable: true, writable: true }
  })
  try {
    return copy.name === error.name ? copy : undefined
  } catch {
    return undefined
  }
}

/** Labels every error of a cause. For a value that cannot be labelled, such as a non-Error, adds an error with the label. */
export const labelCause = <E>(cause: Cause.Cause<E>, flagKey: string, value: unknown): Cause.Cause<E> => {
  const text = toStringUnknown(value, 0)
  const label = `with ${printable(flagKey)} = ${printable(text, MAX_LABEL)}`
  const add = <A>(error: A, make: (error: A) => Cause.Cause<E>): Cause.Cause<E> => {
    const labelled = error instanceof Error ? relabel(error, label) : undefined
    return labelled === undefined
      ? Cause.combine(make(error), Cause.die(new Error(`${label}: see the preceding failure`)))
      : make(labelled)
  }
  return Cause.fromReasons(
    cause.reasons.flatMap((reason): ReadonlyArray<Cause.Reason<E>> => {
      if (reason._tag === "Fail") {
        return add(reason.error, Cause.fail).reasons
      }
      return reason._tag === "Die" ? add(reason.defect, Cause.die).reasons : [reason]
    })
  )
}
