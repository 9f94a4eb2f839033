/**
 * Evaluation over the native library. A request goes in and the number of an outcome comes out; the results themselves
 * are asked for once a flag, and shared.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { EngineError, EvaluationError } from "../../../FliptError.js"
import type { BatchEntry, BooleanResult, EvaluationContext, FlagInfo, FlagType, VariantResult } from "../../../Model.js"
import { readSeed } from "../../document/seed/read.js"
import { isLenient, readProperty } from "../../snapshot/context.js"
import { type Evaluator, errorEntry, makeErrors } from "../../snapshot/evaluator.js"
import { intern } from "../../snapshot/intern.js"
import { type Arena, makePlace, type Place, slotWords } from "./arena.js"
import { BlobKind, Code, type Library } from "./library.js"

/** Set in an outcome's number when only some of its segments matched; which ones stands in the arena. */
const PARTIAL = 0x4000_0000
/** Of one flag: sets of segments that matched can come from outside. */
const MAX_PARTIALS = 256

export const failed = (doing: string, code: number): EngineError =>
  new EngineError({
    reason: code === Code.closed ? "Closed" : "Panic",
    message: `the native engine failed to ${doing} (code ${code})`
  })

/** A text that the library made of a Snapshot; `undefined` when it is of a flag that there is not. */
const ask = (
  library: Library,
  snapshot: number,
  kind: number,
  flagKey: string
): Either.Either<string | undefined, EngineError> => {
  const key = new TextEncoder().encode(flagKey)
  const blob = library.snapshotBlob(snapshot, kind, key, key.length)
  if (blob === Code.noFlag) {
    return Either.right(undefined)
  }
  if (blob < 0) {
    return Either.left(failed("answer", blob))
  }
  const length = library.blobLength(blob)
  const text = new Uint8Array(Math.max(0, length))
  const code = length < 0 ? length : library.blobRead(blob, 0, text, length)
  library.blobFree(blob)
  return code < 0 ? Either.left(failed("answer", code)) : Either.right(new TextDecoder().decode(text))
}

type Result = VariantResult | BooleanResult

/** A property that flags read, with where its last value stands in the arena. */
interface Property {
  readonly name: string
  readonly lenient: boolean
  readonly place: Place
}

/** What is known of a flag, from the first time that it is asked for. */
interface FlagEntry {
  readonly index: number
  readonly boolean: boolean
  readonly properties: ReadonlyArray<Property>
  readonly outcomes: ReadonlyArray<Either.Either<Result>>
  readonly partials: Map<string, Either.Either<Result>>
  /** The words of its requests before the texts: those of the slots, or of an answer that names all segments. */
  readonly words: number
}

type Values = ReadonlyArray<string | number>

const noValues: Values = []

const freezeFlag = (flag: FlagInfo): FlagInfo => {
  Object.freeze(flag.defaultVariant)
  return Object.freeze(flag)
}

const freeze = (result: Result): Either.Either<Result> => {
  Object.freeze(result.segmentKeys)
  return Either.right(Object.freeze(result))
}

const readEntry = (text: string, propertyOf: (name: string) => Property): FlagEntry => {
  const { index, outcomes, properties, type } = JSON.parse(text) as {
    readonly index: number
    readonly type: FlagType
    readonly properties: ReadonlyArray<string>
    readonly outcomes: ReadonlyArray<Omit<Result, "_tag">>
  }
  const boolean = type === "BOOLEAN_FLAG_TYPE"
  return {
    index,
    boolean,
    properties: properties.map(propertyOf),
    outcomes: outcomes.map((outcome) => freeze({ _tag: boolean ? "Boolean" : "Variant", ...outcome } as Result)),
    partials: new Map(),
    words: Math.max(slotWords(properties.length), 1 + Math.max(0, ...outcomes.map((it) => it.segmentKeys.length)))
  }
}

/** Evaluation of a Snapshot of the library, over an arena of its own. */
export const makeEvaluator = (
  library: Library,
  arena: Arena,
  namespace: string,
  snapshot: number
): Either.Either<Evaluator, EngineError> =>
  Either.map(ask(library, snapshot, BlobKind.digest, ""), (digest) =>
    evaluatorOf(library, arena, namespace, digest || undefined, snapshot)
  )

const evaluatorOf = (
  library: Library,
  arena: Arena,
  namespace: string,
  digest: string | undefined,
  snapshot: number
): Evaluator => {
  const errors = makeErrors(namespace)
  const entries = new Map<string, FlagEntry>()
  const properties = new Map<string, Property>()
  const entity = makePlace()

  const propertyOf = (name: string): Property => {
    let property = properties.get(name)
    if (property === undefined) {
      property = { name: intern(name), lenient: isLenient(name), place: makePlace() }
      properties.set(name, property)
    }
    return property
  }

  const find = (flagKey: string): FlagEntry | EngineError | undefined => {
    const key = flagKey.toWellFormed()
    const known = entries.get(key)
    if (known !== undefined) {
      return known
    }
    return Either.match(ask(library, snapshot, BlobKind.flag, key), {
      onLeft: (error): FlagEntry | EngineError | undefined => error,
      onRight: (text) => {
        if (text === undefined) {
          return undefined
        }
        const entry = readEntry(text, propertyOf)
        entries.set(intern(key), entry)
        return entry
      }
    })
  }

  /** The outcome where only some segments matched: their places stand in the arena from a word on. */
  const partial = (entry: FlagEntry, outcome: number, start: number): Either.Either<Result> => {
    const count = arena.word(start)
    let name = String(outcome)
    for (let i = 1; i <= count; i++) {
      name += `,${arena.word(start + i)}`
    }
    let result = entry.partials.get(name)
    if (result === undefined) {
      const whole = Either.merge(entry.outcomes[outcome] as Either.Either<Result>)
      result = freeze({
        ...whole,
        segmentKeys: Array.from({ length: count }, (_, i) => whole.segmentKeys[arena.word(start + 1 + i)] as string)
      })
      if (entry.partials.size >= MAX_PARTIALS) {
        entry.partials.clear()
      }
      entry.partials.set(name, result)
    }
    return result
  }

  const failure = (flagKey: string, cause: EngineError): Either.Either<never, EvaluationError> => {
    const reason = cause.reason === "Closed" ? "Closed" : "Unavailable"
    return Either.left(new EvaluationError({ reason, flagKey, message: cause.message, cause }))
  }

  /**
   * All values are read before the first is written: a getter of a context may evaluate on this very Snapshot. It may
   * also close it, after which nothing must be written: an arena that grows then is never freed.
   */
  const valuesOf = ({ properties }: FlagEntry, context: EvaluationContext | undefined): Values => {
    if (properties.length === 0) {
      return noValues
    }
    const values = new Array<string | number>(properties.length)
    for (let i = 0; i < properties.length; i++) {
      const { lenient, name } = properties[i] as Property
      values[i] = readProperty(context, name, lenient)
    }
    return values
  }

  /** Fills the slots of a request from a word on. */
  const fill = (word: number, entityId: string, { properties }: FlagEntry, values: Values): void => {
    arena.fill(word, entity, entityId)
    for (let i = 0; i < properties.length; i++) {
      arena.fill(word + slotWords(i), (properties[i] as Property).place, values[i] as string | number)
    }
  }

  const evaluate = (
    flagKey: string,
    entityId: string,
    context: EvaluationContext | undefined,
    expected: "variant" | "boolean"
  ): Either.Either<Result, EvaluationError> => {
    const entry = entries.get(flagKey)
    return entry === undefined
      ? evaluateFirst(flagKey, entityId, context, expected)
      : evaluateEntry(entry, flagKey, entityId, context, expected)
  }

  /** Of a flag that has not been asked for before, or that there is not. */
  const evaluateFirst: typeof evaluate = (flagKey, entityId, context, expected) => {
    const known = errors.knownNotFound(flagKey)
    if (known !== undefined) {
      return known
    }
    const entry = find(flagKey)
    return entry === undefined
      ? errors.notFound(flagKey)
      : entry instanceof EngineError
        ? failure(flagKey, entry)
        : evaluateEntry(entry, flagKey, entityId, context, expected)
  }

  const evaluateEntry = (
    entry: FlagEntry,
    flagKey: string,
    entityId: string,
    context: EvaluationContext | undefined,
    expected: "variant" | "boolean"
  ): Either.Either<Result, EvaluationError> => {
    if (entry.boolean !== (expected === "boolean")) {
      return errors.wrongType(flagKey.toWellFormed(), expected)
    }
    const values = valuesOf(entry, context)
    if (arena.handle === 0) {
      return failure(flagKey, failed(`evaluate ${flagKey}`, Code.closed))
    }
    arena.begin(entry.words)
    fill(0, entityId, entry, values)
    const code = library.evaluate(arena.handle, snapshot, entry.index)
    if (code < 0) {
      return failure(flagKey, failed(`evaluate ${flagKey}`, code))
    }
    return code < PARTIAL ? (entry.outcomes[code] as Either.Either<Result>) : partial(entry, code - PARTIAL, 0)
  }

  const variant: Evaluator["variant"] = (flagKey, entityId, context) =>
    evaluate(flagKey, entityId, context, "variant") as Either.Either<VariantResult, EvaluationError>
  const boolean: Evaluator["boolean"] = (flagKey, entityId, context) =>
    evaluate(flagKey, entityId, context, "boolean") as Either.Either<BooleanResult, EvaluationError>

  return {
    namespace,
    digest,
    variant,
    boolean,
    bind: (entityId, context) => ({
      variant: (flagKey) => variant(flagKey, entityId, context),
      boolean: (flagKey) => boolean(flagKey, entityId, context)
    }),
    batch: (requests) => {
      const found = requests.map(({ context, flagKey }) => {
        const entry = entries.get(flagKey) ?? find(flagKey)
        return entry === undefined || entry instanceof EngineError ? entry : { entry, values: valuesOf(entry, context) }
      })
      if (arena.handle === 0) {
        return requests.map(({ flagKey }) => errorEntry(namespace, flagKey, "UNKNOWN_ERROR_EVALUATION_REASON"))
      }
      // a flag's index, the number of slots and the slots; or the answer, the number of segments and these
      const words = found.reduce(
        (sum, it) => (it === undefined || it instanceof EngineError ? sum : sum + 2 + it.entry.words),
        0
      )
      arena.begin(words)
      let word = 0
      let count = 0
      found.forEach((it, i) => {
        if (it !== undefined && !(it instanceof EngineError)) {
          const slots = slotWords(it.values.length)
          arena.setWord(word, it.entry.index)
          arena.setWord(word + 1, it.values.length + 1)
          fill(word + 2, requests[i]!.entityId, it.entry, it.values)
          word += 2 + slots
          count++
        }
      })
      const code = library.evaluateBatch(arena.handle, snapshot, count)
      let answer = 0
      return requests.map(({ flagKey }, i): BatchEntry => {
        const it = found[i]
        if (it === undefined) {
          return errorEntry(namespace, flagKey)
        }
        const outcome = it instanceof EngineError ? Code.panic : code < 0 ? code : arena.word(answer++) | 0
        if (it instanceof EngineError || outcome < 0) {
          return errorEntry(namespace, flagKey, "UNKNOWN_ERROR_EVALUATION_REASON")
        }
        const { entry } = it
        if (outcome < PARTIAL) {
          return Either.merge(entry.outcomes[outcome] as Either.Either<Result>)
        }
        const result = partial(entry, outcome - PARTIAL, answer)
        answer += 1 + arena.word(answer)
        return Either.merge(result)
      })
    },
    fingerprint: (flagKey) =>
      Either.getOrUndefined(ask(library, snapshot, BlobKind.fingerprint, flagKey.toWellFormed())),
    flags: () =>
      Either.mapBoth(ask(library, snapshot, BlobKind.flags, ""), {
        onLeft: (cause) => new EvaluationError({ reason: "Unavailable", message: cause.message, cause }),
        onRight: (text) => (JSON.parse(text ?? "[]") as Array<FlagInfo>).map(freezeFlag)
      }),
    seed: Effect.suspend(() =>
      Either.map(ask(library, snapshot, BlobKind.seed, ""), (text) => Encoding.encodeBase64(text ?? ""))
    ),
    definitions: Effect.suspend(() =>
      Either.map(ask(library, snapshot, BlobKind.seed, ""), (text) => readSeed(text ?? "", namespace))
    )
  }
}
