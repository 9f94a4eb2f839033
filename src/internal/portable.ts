/**
 * The engine in plain TypeScript: it runs wherever JavaScript does.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import type * as Engine from "../Engine.js"
import { EngineError, type EvaluationError, ValidationError } from "../FliptError.js"
import type { BatchEntry, BooleanResult, FlagInfo, VariantResult } from "../Model.js"
import { compileFlag, evaluateBoolean, evaluateVariant, type Flag } from "./compile.js"
import type * as Definition from "./definition.js"
import { readDocument } from "./document.js"
import { fingerprint } from "./fingerprint.js"
import { formatPath, Malformed } from "./json.js"
import { readSeed, writeSeed } from "./seed.js"
import { type Evaluator, errorEntry, makeErrors, makeSnapshot } from "./snapshot.js"
import { Properties, Subject } from "./subject.js"
import { turn } from "./turn.js"

/** How much of a document is read before others may run: a few milliseconds' worth. */
const SLICE_CHARACTERS = 256 * 1024

/** A flag as `listFlags` tells it. */
export const flagInfo = (flag: Definition.Flag): FlagInfo =>
  Object.freeze({
    key: flag.key,
    enabled: flag.enabled,
    type: flag.boolean ? "BOOLEAN_FLAG_TYPE" : "VARIANT_FLAG_TYPE",
    ...(flag.description === undefined ? {} : { description: flag.description }),
    ...(flag.defaultVariant === undefined
      ? {}
      : {
          defaultVariant: Object.freeze({
            id: flag.defaultVariant.id,
            key: flag.defaultVariant.key,
            ...(flag.defaultVariant.attachment === undefined ? {} : { attachment: flag.defaultVariant.attachment })
          })
        })
  })

const makeEvaluator = (namespace: string, digest: string | undefined, flags: ReadonlyMap<string, Flag>): Evaluator => {
  const errors = makeErrors(namespace)
  // Taken out while it is in use, since a getter of a context may evaluate on this very Snapshot; when one throws, the
  // Subject is not put back.
  let spare: Subject | undefined
  const find = (flagKey: string): Flag | undefined =>
    flags.get(flagKey) ?? (flagKey.isWellFormed() ? undefined : flags.get(flagKey.toWellFormed()))
  const definitions = () => Array.from(flags.values(), (flag) => flag.definition)
  const variant = (flagKey: string, subject: Subject): Either.Either<VariantResult, EvaluationError> => {
    const flag = find(flagKey)
    return flag === undefined
      ? errors.notFound(flagKey)
      : flag._tag === "Variant"
        ? evaluateVariant(flag, subject)
        : errors.wrongType(flag.definition.key, "variant")
  }
  const boolean = (flagKey: string, subject: Subject): Either.Either<BooleanResult, EvaluationError> => {
    const flag = find(flagKey)
    return flag === undefined
      ? errors.notFound(flagKey)
      : flag._tag === "Boolean"
        ? evaluateBoolean(flag, subject)
        : errors.wrongType(flag.definition.key, "boolean")
  }
  const entry = (flagKey: string, subject: Subject): BatchEntry => {
    const flag = find(flagKey)
    return flag === undefined
      ? errorEntry(namespace, flagKey)
      : flag._tag === "Boolean"
        ? Either.merge(evaluateBoolean(flag, subject))
        : Either.merge(evaluateVariant(flag, subject))
  }

  const take = (): Subject => {
    const subject = spare ?? new Subject()
    spare = undefined
    return subject
  }

  const putBack = (subject: Subject): void => {
    subject.forget()
    spare = subject
  }

  return {
    namespace,
    digest,
    variant: (flagKey, entityId, context) => {
      const subject = take()
      const result = variant(flagKey, subject.become(entityId, context))
      putBack(subject)
      return result
    },
    boolean: (flagKey, entityId, context) => {
      const subject = take()
      const result = boolean(flagKey, subject.become(entityId, context))
      putBack(subject)
      return result
    },
    bind: (entityId, context) => {
      const subject = new Subject().become(entityId, context)
      return {
        variant: (flagKey) => variant(flagKey, subject),
        boolean: (flagKey) => boolean(flagKey, subject)
      }
    },
    batch: (requests) => {
      const subject = take()
      const entries = requests.map(({ context, entityId, flagKey }) => {
        const result = entry(flagKey, subject.become(entityId, context))
        subject.forget()
        return result
      })
      putBack(subject)
      return entries
    },
    fingerprint: (flagKey) => {
      const flag = find(flagKey)
      return flag && fingerprint(flag.definition)
    },
    flags: () => Either.right(definitions().map(flagInfo)),
    seed: Effect.sync(() => writeSeed(namespace, definitions()))
  }
}

/** The text of some chunks of UTF-8, joined. Throws where they are something else. */
const decodeUtf8 = (chunks: ReadonlyArray<Uint8Array>): string => {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  let text = ""
  for (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

const decodeDocument = (document: ReadonlyArray<Uint8Array>): Effect.Effect<string, EngineError> =>
  Effect.try({
    try: () => decodeUtf8(document),
    catch: (cause) =>
      new EngineError({ reason: "Document", message: "the document does not load: it is not valid UTF-8", cause })
  })

const describe = (error: Malformed): string =>
  error.path.length === 0 ? error.problem : `${formatPath(error.path)}: ${error.problem}`

/** Reads a document and compiles its flags as they come, a slice at a time. */
const compileText = (text: string, namespace: string): Effect.Effect<Evaluator, EngineError> =>
  Effect.suspend(() => {
    const flags = new Map<string, Flag>()
    const properties = new Properties()
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
          flags.set(step.value.flag.key, compileFlag(step.value.flag, properties))
          start ??= step.value.offset
          if (step.value.offset - start > SLICE_CHARACTERS) {
            return false
          }
        }
      },
      catch: (error) =>
        error instanceof Malformed
          ? new EngineError({ reason: error.kind, message: `the document does not load: ${describe(error)}` })
          : new EngineError({ reason: "Panic", message: "the engine failed on the document", cause: error })
    })
    return slice.pipe(
      Effect.tap((done) => (done ? Effect.void : turn)),
      Effect.repeat({ until: (done) => done }),
      Effect.map(() => makeEvaluator(namespace, digest, flags))
    )
  })

export const invalidSeed = (problem: string): ValidationError =>
  new ValidationError({
    reason: "Seed",
    path: "snapshot",
    message: `the snapshot to start from does not load: ${problem}; it must be the text that getSnapshot gave`
  })

/** The bytes of a seed's JSON text. */
export const decodeSeed = (seed: string): Effect.Effect<Uint8Array, ValidationError> =>
  typeof seed === "string"
    ? Either.mapLeft(Encoding.decodeBase64(seed), (error) => invalidSeed(`it is not base64 text (${error.message})`))
    : Effect.fail(invalidSeed(`it is a ${typeof seed}, not a text`))

const compileSeed = (seed: string, namespace: string): Effect.Effect<Evaluator, ValidationError> =>
  decodeSeed(seed).pipe(
    Effect.flatMap((bytes) =>
      Effect.try({ try: () => decodeUtf8([bytes]), catch: () => invalidSeed("it is not valid UTF-8") })
    ),
    Effect.flatMap((text) =>
      Effect.suspend(() => {
        try {
          const properties = new Properties()
          const flags = new Map(readSeed(text, namespace).map((flag) => [flag.key, compileFlag(flag, properties)]))
          return Effect.succeed(makeEvaluator(namespace, undefined, flags))
        } catch (error) {
          return error instanceof Malformed ? Effect.fail(invalidSeed(describe(error))) : Effect.die(error)
        }
      })
    )
  )

/** The portable engine. */
export const portable: Engine.Service = {
  name: "portable",
  compile: (namespace, document) =>
    decodeDocument(document).pipe(
      Effect.flatMap((text) => compileText(text, namespace)),
      Effect.flatMap(makeSnapshot)
    ),
  restore: (namespace, seed) => Effect.flatMap(compileSeed(seed, namespace), makeSnapshot)
}
