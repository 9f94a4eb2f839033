/**
 * Declarations of typed flags, held against the loaded state.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Flag from "../../Flag.js"
import * as FliptClient from "../../FliptClient.js"
import { ValidationError } from "../../FliptError.js"
import type * as Definition from "../document/definition.js"
import { readSeedOf } from "../document/seed/read.js"
import { checkFlagKey } from "../snapshot/request.js"
import { declared } from "./flag.js"

type Definitions = ReadonlyMap<string, Definition.Flag>

/** The loaded flags as they are defined. A seed has all of it, on every engine. */
const definitions = Effect.gen(function* () {
  const client = yield* FliptClient.FliptClient
  const snapshot = yield* client.snapshot
  const flags = readSeedOf(yield* snapshot.seed, snapshot.namespace)
  return { namespace: snapshot.namespace, flags: new Map(flags.map((flag) => [flag.key, flag])) as Definitions }
}).pipe(Effect.scoped)

/** Every variant that an answer can have, with its attachment, each once. */
const variantsOf = ({
  defaultVariant,
  rules
}: Definition.Flag): ReadonlyArray<readonly [string, string | undefined]> => {
  const variants = new Map<string, readonly [string, string | undefined]>()
  const add = (key: string, attachment: string | undefined) =>
    variants.set(JSON.stringify([key, attachment]), [key, attachment])
  if (defaultVariant !== undefined) {
    add(defaultVariant.key, defaultVariant.attachment)
  }
  for (const { attachment, rollout, variantKey } of rules.flatMap((rule) => rule.distributions)) {
    if (rollout > 0) {
      add(variantKey, attachment)
    }
  }
  return [...variants.values()]
}

const compare = (flag: Flag.Flag<unknown>, flags: Definitions): ReadonlyArray<Flag.Difference> => {
  const { inspect, key, kind } = declared(flag)
  const difference = (reason: Flag.Difference["reason"], message: string): Flag.Difference => ({
    flag: key,
    reason,
    message
  })
  const invalid = checkFlagKey(key, "")
  if (invalid !== undefined) {
    return [difference("Missing", `no flag can have this key: ${invalid.message}`)]
  }
  const definition = flags.get(key.toWellFormed())
  if (definition === undefined) {
    return [difference("Missing", `there is no flag ${key}`)]
  }
  if (definition.boolean !== (kind === "boolean")) {
    return [
      difference(
        "Type",
        `flag ${key} is a ${definition.boolean ? "boolean" : "variant"} flag, and declared by Flag.${kind}`
      )
    ]
  }
  return variantsOf(definition).flatMap(([variantKey, attachment]) => {
    const error = inspect(variantKey, attachment)
    return error === undefined ? [] : [difference(error.reason, error.message)]
  })
}

export const validate = (
  flags: Iterable<Flag.Flag<unknown>>
): Effect.Effect<ReadonlyArray<Flag.Difference>, never, FliptClient.FliptClient> =>
  Effect.suspend(() => {
    const list = Array.from(flags)
    return Effect.match(definitions, {
      onFailure: ({ message }) =>
        list.map(
          ({ key }): Flag.Difference => ({
            flag: key,
            reason: "Unchecked",
            message: `flag ${key} could not be compared: ${message}`
          })
        ),
      onSuccess: (loaded) => list.flatMap((flag) => compare(flag, loaded.flags))
    })
  })

export const layer = (
  flags: Iterable<Flag.Flag<unknown>>,
  onMismatch: "warn" | "fail"
): Layer.Layer<never, ValidationError, FliptClient.FliptClient> =>
  Layer.effectDiscard(
    Effect.matchEffect(definitions, {
      // a program starts without its state, too
      onFailure: ({ message }) =>
        Effect.logWarning(`Flipt: the flags that the program declares could not be compared with a state: ${message}`),
      onSuccess: (loaded) => {
        const differences = Array.from(flags).flatMap((flag) => compare(flag, loaded.flags))
        if (differences.length === 0) {
          return Effect.void
        }
        const message = `the flags that the program declares are not those of namespace ${loaded.namespace}: ${differences.map((it) => it.message).join("; ")}`
        return onMismatch === "fail"
          ? Effect.fail(new ValidationError({ reason: "Flag", path: "flags", message }))
          : Effect.logWarning(`Flipt: ${message}`)
      }
    })
  )
