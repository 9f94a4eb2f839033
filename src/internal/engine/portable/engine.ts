/**
 * The portable engine, in TypeScript: it runs on every JavaScript platform.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Engine from "../../../Engine.js"
import { EngineError, type EvaluationError, type ValidationError } from "../../../FliptError.js"
import type { BatchEntry, BooleanResult, VariantResult } from "../../../Model.js"
import type * as Definition from "../../document/definition.js"
import { readDocument } from "../../document/document.js"
import { fingerprint } from "../../document/fingerprint.js"
import { toFlagInfo } from "../../document/flagInfo.js"
import { formatPath, Malformed } from "../../document/json.js"
import { readSeed } from "../../document/seed/read.js"
import { decodeSeed, seedError } from "../../document/seed/text.js"
import { writeSeed } from "../../document/seed/write.js"
import { type Evaluator, errorEntry, makeErrors } from "../../snapshot/evaluator.js"
import { intern } from "../../snapshot/intern.js"
import { makeSnapshot } from "../../snapshot/snapshot.js"
import { forEachSlice } from "../../util/forEachSlice.js"
import { printable } from "../../util/outsideText.js"
import { yieldToEventLoop } from "../../util/yieldToEventLoop.js"
import { makeEntityHash } from "./bucket.js"
import { CompileCache, compileFlag, type Flag } from "./compile.js"
import { evaluateBoolean, evaluateVariant } from "./evaluate.js"
import { makeBoundSubject, makeSubject, type Subject } from "./subject.js"

/** Characters to read before yielding to the event loop: a few milliseconds of work. */
const SLICE_CHARACTERS = 128 * 1024

const makeEvaluator = (
  namespace: string,
  digest: string | undefined,
  definitions: ReadonlyMap<string, Definition.Flag>
): Evaluator => {
  const errors = makeErrors(namespace, () => definitions.size)
  const entityHash = makeEntityHash()
  const cache = new CompileCache()
  // flags are compiled on first use
  const flags = new Map<string, Flag>()

  const findDefinition = (flagKey: string): Definition.Flag | undefined =>
    definitions.get(flagKey) ?? (flagKey.isWellFormed() ? undefined : definitions.get(flagKey.toWellFormed()))

  const compile = (flagKey: string): Flag | undefined => {
    const definition = findDefinition(flagKey)
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

  // One function per flag type, so that an evaluation does not choose a function at run time.
  const variant = (flagKey: string, subject: Subject): Either.Either<VariantResult, EvaluationError> => {
    const flag = flags.get(flagKey) ?? compile(flagKey)
    return flag === undefined
      ? errors.notFound(flagKey)
      : flag._tag === "Variant"
        ? evaluateVariant(flag, subject)
        : errors.wrongType(flag.definition.key, "variant")
  }
  const boolean = (flagKey: string, subject: Subject): Either.Either<BooleanResult, EvaluationError> => {
    const flag = flags.get(flagKey) ?? compile(flagKey)
    return flag === undefined
      ? errors.notFound(flagKey)
      : flag._tag === "Boolean"
        ? evaluateBoolean(flag, subject)
        : errors.wrongType(flag.definition.key, "boolean")
  }
  const entry = (flagKey: string, subject: Subject): BatchEntry => {
    const flag = flags.get(flagKey) ?? compile(flagKey)
    return flag === undefined
      ? errorEntry(namespace, flagKey)
      : flag._tag === "Boolean"
        ? Either.merge(evaluateBoolean(flag, subject))
        : Either.merge(evaluateVariant(flag, subject))
  }

  return {
    namespace,
    digest,
    variant: (flagKey, entityId, context) => variant(flagKey, makeSubject(entityId, context, entityHash)),
    boolean: (flagKey, entityId, context) => boolean(flagKey, makeSubject(entityId, context, entityHash)),
    bind: (entityId, context) => {
      const subject = makeBoundSubject(entityId, context)
      return {
        variant: (flagKey) => variant(flagKey, subject),
        boolean: (flagKey) => boolean(flagKey, subject)
      }
    },
    batch: (requests) =>
      requests.map(({ context, entityId, flagKey }) => entry(flagKey, makeSubject(entityId, context, entityHash))),
    fingerprint: (flagKey) => {
      const definition = findDefinition(flagKey)
      return definition && fingerprint(definition)
    },
    flags: () => Either.right(Array.from(definitions.values(), toFlagInfo)),
    seed: Effect.sync(() => writeSeed(namespace, [...definitions.values()])),
    definitions: Effect.sync(() => [...definitions.values()])
  }
}

const makeDecoder = () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Decodes the chunks of a document as UTF-8. */
const decodeDocument = (document: ReadonlyArray<Uint8Array>): Effect.Effect<string, EngineError> =>
  Effect.suspend(() => {
    const decoder = makeDecoder()
    let text = ""
    return forEachSlice(document, (slice) => {
      text += decoder.decode(slice, { stream: true })
    }).pipe(Effect.map(() => text + decoder.decode()))
  }).pipe(
    // the decoder throws TypeError
    Effect.catchSomeDefect((cause) =>
      cause instanceof TypeError
        ? Option.some(
            Effect.fail(
              new EngineError({
                reason: "Document",
                message: "the document cannot be loaded: it is not valid UTF-8",
                cause
              })
            )
          )
        : Option.none()
    )
  )

const formatMalformed = (error: Malformed): string =>
  error.path.length === 0 ? error.problem : `${formatPath(error.path)}: ${error.problem}`

/** Reads a document in slices. All validation of flags happens here. */
const readDefinitions = (text: string, namespace: string): Effect.Effect<Evaluator, EngineError> =>
  Effect.suspend(() => {
    const definitions = new Map<string, Definition.Flag>()
    const reading = readDocument(text, namespace)
    let digest: string | undefined
    const slice = Effect.try({
      try: () => {
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
      },
      catch: (error) =>
        error instanceof Malformed
          ? new EngineError({
              reason: error.kind,
              message: `the document cannot be loaded: ${printable(formatMalformed(error), 1000)}`
            })
          : new EngineError({ reason: "Panic", message: "the engine failed on the document", cause: error })
    })
    return slice.pipe(
      Effect.tap((done) => (done ? Effect.void : yieldToEventLoop)),
      Effect.repeat({ until: (done) => done }),
      Effect.map(() => makeEvaluator(namespace, digest, definitions))
    )
  })

const restoreSeed = (seed: string, namespace: string): Effect.Effect<Evaluator, ValidationError> =>
  decodeSeed(seed).pipe(
    Effect.flatMap((bytes) =>
      Effect.try({ try: () => makeDecoder().decode(bytes), catch: () => seedError("it is not valid UTF-8") })
    ),
    Effect.flatMap((text) =>
      Effect.suspend(() => {
        try {
          const definitions = new Map(readSeed(text, namespace).map((flag) => [flag.key, flag]))
          return Effect.succeed(makeEvaluator(namespace, undefined, definitions))
        } catch (error) {
          return error instanceof Malformed ? Effect.fail(seedError(formatMalformed(error))) : Effect.die(error)
        }
      })
    )
  )

export const portable: Engine.Service = {
  name: "portable",
  compile: (namespace, document) =>
    decodeDocument(document).pipe(
      Effect.flatMap((text) => readDefinitions(text, namespace)),
      Effect.flatMap(makeSnapshot)
    ),
  restore: (namespace, seed) => Effect.flatMap(restoreSeed(seed, namespace), makeSnapshot)
}
