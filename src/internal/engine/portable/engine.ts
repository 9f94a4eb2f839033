/**
 * The portable engine, in TypeScript: it runs on every JavaScript platform.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Engine from "../../../Engine.js"
import { EngineError, type EvaluationError, type ValidationError } from "../../../FliptError.js"
import type { BatchEntry, BooleanResult, EvaluationRequest, VariantResult } from "../../../Model.js"
import type * as Definition from "../../document/definition.js"
import { readDocument } from "../../document/document.js"
import { findEscapedLists } from "../../document/escapedLists.js"
import { fingerprint } from "../../document/fingerprint.js"
import { toFlagInfo } from "../../document/flagInfo.js"
import { formatPath, Malformed, Reader } from "../../document/json.js"
import { readSeed } from "../../document/seed/read.js"
import { decodeSeed, seedError } from "../../document/seed/text.js"
import { writeSeed } from "../../document/seed/write.js"
import { type Evaluator, errorEntry, makeErrors } from "../../snapshot/evaluator.js"
import { intern } from "../../snapshot/intern.js"
import { isContext, isText, refuse } from "../../snapshot/request.js"
import { makeSnapshot } from "../../snapshot/snapshot.js"
import type { HoldTimer } from "../../util/holdTimer.js"
import { printable } from "../../util/outsideText.js"
import { repeatSlice } from "../../util/slices.js"
import { makeEntityHash } from "./bucket.js"
import { CompileCache, compileFlag, type Flag } from "./compile.js"
import { evaluateBoolean, evaluateVariant } from "./evaluate.js"
import { makeBoundSubject, makeSubject, type Subject } from "./subject.js"

/** Characters to read before yielding to the event loop: a few milliseconds of work. */
const SLICE_CHARACTERS = 32 * 1024

const makeEvaluator = (
  namespace: string,
  digest: string | undefined,
  definitions: ReadonlyMap<string, Definition.Flag>,
  hasNestedEscape: boolean
): Evaluator => {
  const errors = makeErrors(namespace, () => definitions.size)
  const entityHash = makeEntityHash()
  const cache = new CompileCache()
  // flags are compiled on first use
  const flags = new Map<string, Flag>()

  const findDefinition = (flagKey: string): Definition.Flag | undefined =>
    definitions.get(flagKey) ?? (flagKey.isWellFormed() ? undefined : definitions.get(flagKey.toWellFormed()))

  /** Compiles a flag on its first evaluation. Returns `undefined` for anything that is not the key of a flag. */
  const compile = (flagKey: unknown): Flag | undefined => {
    const definition = isText(flagKey) ? findDefinition(flagKey) : undefined
    if (definition === undefined) {
      return undefined
    }
    let flag = flags.get(definition.key)
    if (flag === undefined) {
      flag = compileFlag(definition, cache)
      flags.set(intern(definition.key), flag)
    }
    return flag
  }

  const find = (flagKey: string): Flag | undefined => flags.get(flagKey) ?? compile(flagKey)

  // One function per flag type, so that an evaluation does not choose a function at run time.
  const asVariant = (flag: Flag, subject: Subject): Either.Either<VariantResult, EvaluationError> =>
    flag._tag === "Variant" ? evaluateVariant(flag, subject) : errors.wrongType(flag.definition.key, "variant")
  const asBoolean = (flag: Flag, subject: Subject): Either.Either<BooleanResult, EvaluationError> =>
    flag._tag === "Boolean" ? evaluateBoolean(flag, subject) : errors.wrongType(flag.definition.key, "boolean")

  const entry = ({ context, entityId, flagKey }: EvaluationRequest): BatchEntry => {
    const flag = find(flagKey)
    if (flag === undefined) {
      return errorEntry(namespace, flagKey)
    }
    const subject = makeSubject(entityId, context, entityHash)
    return flag._tag === "Boolean"
      ? Either.merge(evaluateBoolean(flag, subject))
      : Either.merge(evaluateVariant(flag, subject))
  }

  return {
    engine: "portable",
    namespace,
    digest,
    escapedLists: hasNestedEscape ? findEscapedLists(definitions.values()) : [],
    variant: (request) => {
      if (typeof request !== "object" || request === null) {
        return refuse(request, errors.notFound)
      }
      // the key of a flag is valid
      const { context, entityId, flagKey } = request
      const flag = find(flagKey)
      return flag !== undefined && isText(entityId) && isContext(context)
        ? asVariant(flag, makeSubject(entityId, context, entityHash))
        : refuse(request, errors.notFound)
    },
    boolean: (request) => {
      if (typeof request !== "object" || request === null) {
        return refuse(request, errors.notFound)
      }
      const { context, entityId, flagKey } = request
      const flag = find(flagKey)
      return flag !== undefined && isText(entityId) && isContext(context)
        ? asBoolean(flag, makeSubject(entityId, context, entityHash))
        : refuse(request, errors.notFound)
    },
    bind: (entityId, context) => {
      const subject = makeBoundSubject(entityId, context)
      return {
        variant: (flagKey) => {
          const flag = find(flagKey)
          return flag === undefined ? errors.notFound(flagKey) : asVariant(flag, subject)
        },
        boolean: (flagKey) => {
          const flag = find(flagKey)
          return flag === undefined ? errors.notFound(flagKey) : asBoolean(flag, subject)
        }
      }
    },
    batch: (requests) => requests.map(entry),
    fingerprint: (flagKey) => {
      const definition = findDefinition(flagKey)
      return definition && fingerprint(definition)
    },
    flags: () => Either.right(Array.from(definitions.values(), toFlagInfo)),
    seed: Effect.suspend(() => writeSeed(namespace, [...definitions.values()])),
    definitions: Effect.sync(() => [...definitions.values()])
  }
}

/** Runs synchronous work, which may be measured. */
type Run = HoldTimer["run"]

const makeDecoder = (ignoreBOM: boolean) => new TextDecoder("utf-8", { fatal: true, ignoreBOM })

interface Parts {
  /** Returns the next part, which has at least the given length unless it is the last one. */
  readonly next: (length: number) => string | undefined
  /** Whether the parts so far contain two backslashes in a row, which an escape in a string within a string requires. */
  readonly hasNestedEscape: () => boolean
}

/** Decodes a document as UTF-8, part by part. Skips a byte order mark, like the official client. */
const makeParts = (document: ReadonlyArray<Uint8Array>): Parts => {
  const decoder = makeDecoder(false)
  const decode = (bytes?: Uint8Array): string => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined })
    } catch {
      throw new Malformed("Document", [], "it is not valid UTF-8")
    }
  }
  let index = 0
  let start = 0
  let hasNestedEscape = false
  let endsWithBackslash = false
  return {
    hasNestedEscape: () => hasNestedEscape,
    next: (length) => {
      if (index > document.length) {
        return undefined
      }
      let part = ""
      while (index < document.length && part.length < Math.max(length, SLICE_CHARACTERS)) {
        const chunk = document[index] as Uint8Array
        part += decode(chunk.subarray(start, start + SLICE_CHARACTERS))
        start += SLICE_CHARACTERS
        if (start >= chunk.length) {
          index++
          start = 0
        }
      }
      if (index === document.length) {
        index++
        part += decode()
      }
      hasNestedEscape ||= part.includes("\\\\") || (endsWithBackslash && part.startsWith("\\"))
      endsWithBackslash = part.endsWith("\\")
      return part
    }
  }
}

const formatMalformed = (error: Malformed): string =>
  error.path.length === 0 ? error.problem : `${formatPath(error.path)}: ${error.problem}`

/** Reads a document in slices. All validation of flags happens here. */
const readDefinitions = (
  document: ReadonlyArray<Uint8Array>,
  namespace: string,
  run: Run
): Effect.Effect<Evaluator, EngineError> =>
  Effect.suspend(() => {
    const definitions = new Map<string, Definition.Flag>()
    const parts = makeParts(document)
    const reading = readDocument(new Reader("", parts.next), namespace)
    let digest: string | undefined
    const slice = Effect.try({
      try: () =>
        run(() => {
          for (let start: number | undefined; ; ) {
            const step = reading.next()
            if (step.done === true) {
              digest = step.value
              return true
            }
            definitions.set(step.value.flag.key, step.value.flag)
            start ??= step.value.offset
            if (step.value.offset - start > SLICE_CHARACTERS) {
              return false
            }
          }
        }),
      catch: (error) =>
        error instanceof Malformed
          ? new EngineError({
              reason: error.kind,
              message: `the document cannot be loaded: ${printable(formatMalformed(error), 1000)}`
            })
          : new EngineError({ reason: "Panic", message: "the engine failed on the document", cause: error })
    })
    return Effect.map(repeatSlice(slice), () => makeEvaluator(namespace, digest, definitions, parts.hasNestedEscape()))
  })

const restoreSeed = (seed: string, namespace: string, run: Run): Effect.Effect<Evaluator, ValidationError> =>
  decodeSeed(seed).pipe(
    Effect.flatMap((bytes) =>
      Effect.try({
        try: () => run(() => makeDecoder(true).decode(bytes)),
        catch: () => seedError("it is not valid UTF-8")
      })
    ),
    Effect.flatMap((text) =>
      Effect.suspend(() => {
        try {
          const definitions = new Map(run(() => readSeed(text, namespace)).map((flag) => [flag.key, flag]))
          return Effect.succeed(makeEvaluator(namespace, undefined, definitions, text.includes("\\\\")))
        } catch (error) {
          return error instanceof Malformed ? Effect.fail(seedError(formatMalformed(error))) : Effect.die(error)
        }
      })
    )
  )

/** Makes a portable engine. The timer measures for how long loads hold the event loop. */
export const makePortable = (timer?: HoldTimer): Engine.Service => {
  const run: Run = (work) => (timer === undefined ? work() : timer.run(work))
  return {
    name: "portable",
    compile: (namespace, document) => Effect.flatMap(readDefinitions(document, namespace, run), makeSnapshot),
    restore: (namespace, seed) => Effect.flatMap(restoreSeed(seed, namespace, run), makeSnapshot)
  }
}

export const portable: Engine.Service = makePortable()
