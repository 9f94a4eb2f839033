/**
 * Compares declarations of typed flags with the loaded state.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Flag from "../../Flag.js"
import { ValidationError } from "../../FliptError.js"
import { FliptClient } from "../client/tags.js"
import type * as Definition from "../document/definition.js"
import { decodeAndReadSeed } from "../document/seed/read.js"
import { checkFlagKey } from "../snapshot/request.js"
import { printable } from "../util/outsideText.js"
import { declarationOf } from "./flag.js"

type Definitions = ReadonlyMap<string, Definition.Flag>

/** The definitions of the loaded flags. Every engine can write them as a seed. */
const definitions = Effect.gen(function* () {
  const client = yield* FliptClient
  const snapshot = yield* client.snapshot
  const flags = decodeAndReadSeed(yield* snapshot.seed, snapshot.namespace)
  return { namespace: snapshot.namespace, flags: new Map(flags.map((flag) => [flag.key, flag])) as Definitions }
}).pipe(Effect.scoped)

/** Every distinct variant that a result can have, with its attachment. */
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

const differencesOf = (flag: Flag.Flag<unknown>, flags: Definitions): ReadonlyArray<Flag.Difference> => {
  const { problemOf, key, kind } = declarationOf(flag)
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
    return [difference("Missing", `there is no flag ${printable(key)}`)]
  }
  if (definition.boolean !== (kind === "boolean")) {
    return [
      difference(
        "Type",
        `flag ${printable(key)} is a ${definition.boolean ? "boolean" : "variant"} flag, but is declared with Flag.${kind}`
      )
    ]
  }
  return variantsOf(definition).flatMap(([variantKey, attachment]) => {
    const error = problemOf(variantKey, attachment)
    return error === undefined ? [] : [difference(error.reason, error.message)]
  })
}

export const validate = (
  flags: Iterable<Flag.Flag<unknown>>
): Effect.Effect<ReadonlyArray<Flag.Difference>, never, FliptClient> =>
  Effect.suspend(() => {
    const list = Array.from(flags)
    return Effect.match(definitions, {
      onFailure: ({ message }) =>
        list.map(
          ({ key }): Flag.Difference => ({
            flag: key,
            reason: "Unchecked",
            message: `flag ${printable(key)} could not be compared: ${message}`
          })
        ),
      onSuccess: (loaded) => list.flatMap((flag) => differencesOf(flag, loaded.flags))
    })
  })

export const layer = (
  flags: Iterable<Flag.Flag<unknown>>,
  onMismatch: "warn" | "fail"
): Layer.Layer<never, ValidationError, FliptClient> =>
  Layer.effectDiscard(
    Effect.matchEffect(definitions, {
      // a program may start without a state
      onFailure: ({ message }) =>
        Effect.logWarning(`Flipt: the declared flags could not be compared with the state: ${message}`),
      onSuccess: (loaded) => {
        const differences = Array.from(flags).flatMap((flag) => differencesOf(flag, loaded.flags))
        if (differences.length === 0) {
          return Effect.void
        }
        const message = `the declared flags differ from namespace ${printable(loaded.namespace)}: ${printable(differences.map((it) => it.message).join("; "), 4000)}`
        return onMismatch === "fail"
          ? Effect.fail(new ValidationError({ reason: "Flag", path: "flags", message }))
          : Effect.logWarning(`Flipt: ${message}`)
      }
    })
  )
