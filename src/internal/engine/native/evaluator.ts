/**
 * Evaluates with the native library. A call returns the index of an outcome; the outcomes of a flag are fetched once, as
 * JSON, and shared.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { EngineError, EvaluationError } from "../../../FliptError.js"
import type { BatchEntry, BooleanResult, EvaluationContext, FlagInfo, VariantResult } from "../../../Model.js"
import { readSeed } from "../../document/seed/read.js"
import { hasReplacementCharacter, readProperty } from "../../snapshot/context.js"
import { type Evaluator, errorEntry, makeErrors } from "../../snapshot/evaluator.js"
import { intern } from "../../snapshot/intern.js"
import { checked } from "../../snapshot/request.js"
import { encodeBase64 } from "../../util/base64.js"
import { printable } from "../../util/outsideText.js"
import { type Arena, makeTextEntry, slotWords } from "./arena.js"
import { engineFailure, readBlob } from "./blob.js"
import { type EvaluationResult, type FlagEntry, freeze, type Property, parseFlagEntry } from "./flagEntry.js"
import { BlobKind, Code, type Library } from "./library.js"

/** Bit set in an outcome's index if only some of its segments matched. The arena then lists them. */
const PARTIAL = 0x4000_0000
/** Bounds the cached results per flag: requests can produce any set of matching segments. */
const MAX_PARTIAL_RESULTS = 256

type Values = ReadonlyArray<string | number>

const noValues: Values = []

const freezeFlag = (flag: FlagInfo): FlagInfo => {
  Object.freeze(flag.defaultVariant)
  return Object.freeze(flag)
}

/** Makes the evaluator of a native snapshot, which owns its arena. */
export const makeEvaluator = (
  library: Library,
  arena: Arena,
  namespace: string,
  snapshot: number
): Either.Either<Evaluator, EngineError> =>
  Either.gen(function* () {
    const read = (kind: number) =>
      Either.map(readBlob(library, snapshot, kind, ""), (text) => JSON.parse(text ?? "null"))
    const digest: string | null = yield* read(BlobKind.digest)
    const escapedLists: ReadonlyArray<string> = yield* read(BlobKind.escapedLists)
    return makeEvaluations(library, arena, namespace, digest ?? undefined, escapedLists, snapshot)
  })

const makeEvaluations = (
  library: Library,
  arena: Arena,
  namespace: string,
  digest: string | undefined,
  escapedLists: ReadonlyArray<string>,
  snapshot: number
): Evaluator => {
  let flagCount: number | undefined
  // The library lists the flags, which takes time in proportion to them: only the first unknown flag pays for it.
  const errors = makeErrors(namespace, () => {
    flagCount ??= Either.getOrUndefined(
      Either.map(
        readBlob(library, snapshot, BlobKind.flags, ""),
        (text) => (JSON.parse(text ?? "[]") as Array<unknown>).length
      )
    )
    return flagCount
  })
  const entries = new Map<string, FlagEntry>()
  const properties = new Map<string, Property>()
  const entity = makeTextEntry()

  const propertyOf = (name: string): Property => {
    let property = properties.get(name)
    if (property === undefined) {
      property = { name: intern(name), lenient: hasReplacementCharacter(name), text: makeTextEntry() }
      properties.set(name, property)
    }
    return property
  }

  const loadEntry = (flagKey: string): FlagEntry | EngineError | undefined => {
    const key = flagKey.toWellFormed()
    const known = entries.get(key)
    if (known !== undefined) {
      return known
    }
    return Either.match(readBlob(library, snapshot, BlobKind.flag, key), {
      onLeft: (error): FlagEntry | EngineError | undefined => error,
      onRight: (text) => {
        if (text === undefined) {
          return undefined
        }
        const entry = parseFlagEntry(intern(key), text, propertyOf)
        entries.set(intern(key), entry)
        return entry
      }
    })
  }

  /** The result if only some segments matched. The arena lists their indexes from word `start` on. */
  const partialResult = (entry: FlagEntry, outcome: number, start: number): Either.Either<EvaluationResult> => {
    const count = arena.word(start)
    let name = String(outcome)
    for (let i = 1; i <= count; i++) {
      name += `,${arena.word(start + i)}`
    }
    let result = entry.partialResults.get(name)
    if (result === undefined) {
      const whole = Either.merge(entry.outcomes[outcome] as Either.Either<EvaluationResult>)
      result = freeze({
        ...whole,
        segmentKeys: Array.from({ length: count }, (_, i) => whole.segmentKeys[arena.word(start + 1 + i)] as string)
      })
      if (entry.partialResults.size >= MAX_PARTIAL_RESULTS) {
        entry.partialResults.clear()
      }
      entry.partialResults.set(name, result)
    }
    return result
  }

  const evaluationFailure = (flagKey: string, cause: EngineError): Either.Either<never, EvaluationError> => {
    const reason = cause.reason === "Closed" ? "Closed" : "Unavailable"
    return Either.left(new EvaluationError({ reason, flagKey, message: cause.message, cause }))
  }

  /**
   * Reads all values before any is written, because a getter in the context may evaluate on the same Snapshot. It may
   * also close the Snapshot; after that nothing may be written, since an arena that grows then is never freed.
   */
  const readValues = ({ properties }: FlagEntry, context: EvaluationContext | undefined): Values => {
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

  /** Fills the slots of a request, starting at a word. */
  const writeRequest = (word: number, entityId: string, { properties }: FlagEntry, values: Values): void => {
    arena.writeSlot(word, entity, entityId)
    for (let i = 0; i < properties.length; i++) {
      arena.writeSlot(word + slotWords(i), (properties[i] as Property).text, values[i] as string | number)
    }
  }

  const evaluate = (
    flagKey: string,
    entityId: string,
    context: EvaluationContext | undefined,
    expected: "variant" | "boolean"
  ): Either.Either<EvaluationResult, EvaluationError> => {
    const entry = entries.get(flagKey)
    return entry === undefined
      ? evaluateUncached(flagKey, entityId, context, expected)
      : evaluateEntry(entry, flagKey, entityId, context, expected)
  }

  /** Evaluates a flag that is not loaded yet, or that does not exist. */
  const evaluateUncached: typeof evaluate = (flagKey, entityId, context, expected) => {
    const known = errors.cachedNotFound(flagKey)
    if (known !== undefined) {
      return known
    }
    const entry = loadEntry(flagKey)
    return entry === undefined
      ? errors.notFound(flagKey)
      : entry instanceof EngineError
        ? evaluationFailure(flagKey, entry)
        : evaluateEntry(entry, flagKey, entityId, context, expected)
  }

  const evaluateEntry = (
    entry: FlagEntry,
    flagKey: string,
    entityId: string,
    context: EvaluationContext | undefined,
    expected: "variant" | "boolean"
  ): Either.Either<EvaluationResult, EvaluationError> => {
    if (entry.boolean !== (expected === "boolean")) {
      return errors.wrongType(flagKey.toWellFormed(), expected)
    }
    const values = readValues(entry, context)
    if (arena.handle === 0) {
      return evaluationFailure(flagKey, engineFailure(`evaluate ${printable(flagKey)}`, Code.closed))
    }
    arena.ensureWords(entry.words)
    writeRequest(0, entityId, entry, values)
    const code = library.evaluate(arena.handle, snapshot, entry.index)
    if (code < 0) {
      return evaluationFailure(flagKey, engineFailure(`evaluate ${printable(flagKey)}`, code))
    }
    return code < PARTIAL
      ? (entry.outcomes[code] as Either.Either<EvaluationResult>)
      : partialResult(entry, code - PARTIAL, 0)
  }

  const variant = (flagKey: string, entityId: string, context: EvaluationContext | undefined) =>
    evaluate(flagKey, entityId, context, "variant") as Either.Either<VariantResult, EvaluationError>
  const boolean = (flagKey: string, entityId: string, context: EvaluationContext | undefined) =>
    evaluate(flagKey, entityId, context, "boolean") as Either.Either<BooleanResult, EvaluationError>

  return {
    engine: "native",
    namespace,
    digest,
    escapedLists,
    nativeHandle: { path: library.path, handle: snapshot },
    variant: checked(variant, errors.notFound),
    boolean: checked(boolean, errors.notFound),
    bind: (entityId, context) => ({
      variant: (flagKey) => variant(flagKey, entityId, context),
      boolean: (flagKey) => boolean(flagKey, entityId, context)
    }),
    batch: (requests) => {
      const found = requests.map(({ context, entityId, flagKey }) => {
        const entry = entries.get(flagKey) ?? loadEntry(flagKey)
        return entry === undefined || entry instanceof EngineError
          ? { flagKey, failure: entry }
          : { flagKey, entityId, entry, values: readValues(entry, context) }
      })
      if (arena.handle === 0) {
        return found.map(({ flagKey }) => errorEntry(namespace, flagKey, "UNKNOWN_ERROR_EVALUATION_REASON"))
      }
      // a request needs two words and its slots; a result needs the outcome, the number of segments and their indexes
      const words = found.reduce((sum, { entry }) => (entry === undefined ? sum : sum + 2 + entry.words), 0)
      arena.ensureWords(words)
      let word = 0
      let count = 0
      for (const it of found) {
        if (it.entry !== undefined) {
          arena.setWord(word, it.entry.index)
          arena.setWord(word + 1, it.values.length + 1)
          writeRequest(word + 2, it.entityId, it.entry, it.values)
          word += 2 + slotWords(it.values.length)
          count++
        }
      }
      const code = library.evaluateBatch(arena.handle, snapshot, count)
      let answer = 0
      return found.map(({ entry, failure, flagKey }): BatchEntry => {
        if (entry === undefined) {
          return errorEntry(namespace, flagKey, failure && "UNKNOWN_ERROR_EVALUATION_REASON")
        }
        const outcome = code < 0 ? code : arena.word(answer++) | 0
        if (outcome < 0) {
          return errorEntry(namespace, flagKey, "UNKNOWN_ERROR_EVALUATION_REASON")
        }
        if (outcome < PARTIAL) {
          return Either.merge(entry.outcomes[outcome] as Either.Either<EvaluationResult>)
        }
        const result = partialResult(entry, outcome - PARTIAL, answer)
        answer += 1 + arena.word(answer)
        return Either.merge(result)
      })
    },
    fingerprint: (flagKey) =>
      Either.getOrUndefined(readBlob(library, snapshot, BlobKind.fingerprint, flagKey.toWellFormed())),
    flags: () =>
      Either.mapBoth(readBlob(library, snapshot, BlobKind.flags, ""), {
        onLeft: (cause) => new EvaluationError({ reason: "Unavailable", message: cause.message, cause }),
        onRight: (text) => (JSON.parse(text ?? "[]") as Array<FlagInfo>).map(freezeFlag)
      }),
    seed: Effect.suspend(() =>
      Either.map(readBlob(library, snapshot, BlobKind.seed, ""), (text) => encodeBase64(text ?? ""))
    ),
    definitions: Effect.suspend(() =>
      Either.map(readBlob(library, snapshot, BlobKind.seed, ""), (text) => readSeed(text ?? "", namespace))
    )
  }
}
