/**
 * Evaluation over the native library. A request goes in and the number of an outcome comes out; the results themselves
 * are asked for once a flag, and shared.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { EngineError, EvaluationError } from "../../FliptError.js"
import type { BatchEntry, BooleanResult, EvaluationContext, FlagInfo, FlagType, VariantResult } from "../../Model.js"
import { isLenient, readProperty } from "../request.js"
import { type Evaluator, errorEntry, makeErrors } from "../snapshot.js"
import type { Arena } from "./arena.js"
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

const noValues: ReadonlyArray<string> = []

/** What is known of a flag, from the first time that it is asked for. */
interface FlagEntry {
  readonly index: number
  readonly boolean: boolean
  readonly properties: ReadonlyArray<string>
  readonly lenient: ReadonlyArray<boolean>
  readonly outcomes: ReadonlyArray<Either.Either<Result>>
  readonly partials: Map<string, Either.Either<Result>>
  /** The most segments that an answer can name. */
  readonly maxSegments: number
}

const freezeFlag = (flag: FlagInfo): FlagInfo => {
  Object.freeze(flag.defaultVariant)
  return Object.freeze(flag)
}

const freeze = (result: Result): Either.Either<Result> => {
  Object.freeze(result.segmentKeys)
  return Either.right(Object.freeze(result))
}

const readEntry = (text: string): FlagEntry => {
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
    properties,
    lenient: properties.map(isLenient),
    outcomes: outcomes.map((outcome) => freeze({ _tag: boolean ? "Boolean" : "Variant", ...outcome } as Result)),
    partials: new Map(),
    maxSegments: Math.max(0, ...outcomes.map((outcome) => outcome.segmentKeys.length))
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

  const find = (flagKey: string): FlagEntry | EngineError | undefined => {
    const known = entries.get(flagKey)
    if (known !== undefined) {
      return known
    }
    const key = flagKey.toWellFormed()
    return Either.match(ask(library, snapshot, BlobKind.flag, key), {
      onLeft: (error): FlagEntry | EngineError | undefined => error,
      onRight: (text) => {
        if (text === undefined) {
          return undefined
        }
        const entry = readEntry(text)
        entries.set(key, entry)
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
  const valuesOf = (
    { lenient, properties }: FlagEntry,
    context: EvaluationContext | undefined
  ): ReadonlyArray<string> => {
    if (properties.length === 0) {
      return noValues
    }
    const values: Array<string> = []
    for (let i = 0; i < properties.length; i++) {
      const value = readProperty(context, properties[i] as string, lenient[i] as boolean)
      // what is written as UTF-8 becomes well-formed by itself
      values.push(typeof value === "string" ? value : String(value))
    }
    return values
  }

  const evaluate = (
    flagKey: string,
    entityId: string,
    context: EvaluationContext | undefined,
    expected: "variant" | "boolean"
  ): Either.Either<Result, EvaluationError> => {
    const entry = entries.get(flagKey) ?? errors.knownNotFound(flagKey) ?? find(flagKey)
    if (entry === undefined) {
      return errors.notFound(flagKey)
    }
    if (entry instanceof EngineError) {
      return failure(flagKey, entry)
    }
    if (Either.isEither(entry)) {
      return entry
    }
    if (entry.boolean !== (expected === "boolean")) {
      return errors.wrongType(flagKey.toWellFormed(), expected)
    }
    const values = valuesOf(entry, context)
    if (arena.handle === 0) {
      return failure(flagKey, failed(`evaluate ${flagKey}`, Code.closed))
    }
    arena.writeRequest(0, entityId, values)
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
        const entry = find(flagKey)
        return entry === undefined || entry instanceof EngineError ? entry : { entry, values: valuesOf(entry, context) }
      })
      if (arena.handle === 0) {
        return requests.map(({ flagKey }) => errorEntry(namespace, flagKey, "UNKNOWN_ERROR_EVALUATION_REASON"))
      }
      let word = 0
      let count = 0
      // room for the answers: a word each, and the segments of those that matched in part
      let answers = 0
      found.forEach((it, i) => {
        if (it !== undefined && !(it instanceof EngineError)) {
          const bytes = arena.writeRequest(word + 2, requests[i]!.entityId, it.values)
          const end = Math.ceil(bytes / 4)
          arena.setWord(word, it.entry.index)
          arena.setWord(word + 1, (end - word - 2) * 4)
          word = end
          count++
          answers += 2 + it.entry.maxSegments
        }
      })
      arena.reserve(4 * answers)
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
    )
  }
}
