/**
 * The change streams of a client. Each stream reads the state when it receives a signal, so a slow consumer skips
 * intermediate states but always gets the latest one, and nothing is queued for it.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as FliptClient from "../../FliptClient.js"
import type { EvaluateError } from "../../FliptError.js"
import type { BooleanResult, VariantResult } from "../../Model.js"
import type { Snapshot } from "../../Snapshot.js"
import type * as Status from "../../Status.js"
import { yieldToEventLoop } from "../util/yieldToEventLoop.js"
import type { State } from "./state.js"

/** The current status, then every later one. */
export const statusChanges = (state: State): Stream.Stream<Status.Status> =>
  Stream.changes(Stream.mapEffect(state.signals, () => state.status))

/** Waits until the source has confirmed the loaded state. Interrupted if the client closes first. */
export const awaitReady = (state: State): Effect.Effect<void> =>
  statusChanges(state).pipe(
    Stream.filter((status) => status._tag === "Ready"),
    Stream.runHead,
    Effect.flatMap(Option.match({ onNone: () => Effect.interrupt, onSome: () => Effect.void }))
  )

/** Fingerprints to read before yielding to the event loop. */
const FINGERPRINTS_PER_SLICE = 500

type Fingerprints = ReadonlyMap<string, string>

/** None if the Snapshot closes in between: flags that were not read must not count as removed. */
const fingerprints = (snapshot: Snapshot): Effect.Effect<Option.Option<Fingerprints>> =>
  Effect.gen(function* () {
    const { flags } = snapshot
    if (Either.isLeft(flags)) {
      return Option.none()
    }
    const found = new Map<string, string>()
    for (const { key } of flags.right) {
      const fingerprint = snapshot.fingerprint(key)
      if (fingerprint === undefined) {
        return Option.none()
      }
      found.set(key, fingerprint)
      if (found.size % FINGERPRINTS_PER_SLICE === 0) {
        yield* yieldToEventLoop
      }
    }
    return Option.some(found)
  })

const difference = (before: Fingerprints, after: Fingerprints): FliptClient.Changes => ({
  added: [...after.keys()].filter((key) => !before.has(key)),
  removed: [...before.keys()].filter((key) => !after.has(key)),
  changed: [...after].flatMap(([key, fingerprint]) => (before.has(key) && before.get(key) !== fingerprint ? [key] : []))
})

const isEmpty = ({ added, changed, removed }: FliptClient.Changes): boolean =>
  added.length + changed.length + removed.length === 0

/** The last state that the stream has reported. */
interface Reported {
  readonly generation: number
  readonly flags: Fingerprints
}

/** The flags that changed since the stream started, and after that since the last element. */
export const changes = (state: State): Stream.Stream<FliptClient.Changes> =>
  Stream.suspend(() => {
    let reported: Reported | undefined
    const next: Effect.Effect<ReadonlyArray<FliptClient.Changes>> = Effect.gen(function* () {
      const generation = state.generation()
      if (reported?.generation === generation) {
        return []
      }
      const snapshot = yield* state.acquireLoaded
      const read = Option.isSome(snapshot) ? yield* fingerprints(snapshot.value) : Option.some<Fingerprints>(new Map())
      if (Option.isNone(read)) {
        return []
      }
      const before = reported
      reported = { generation, flags: read.value }
      return before === undefined ? [] : [difference(before.flags, read.value)]
    }).pipe(Effect.scoped)
    return state.signals.pipe(
      Stream.mapEffect(() => next),
      Stream.flattenIterables,
      Stream.filter((changes) => !isEmpty(changes))
    )
  })

const sameError = (a: EvaluateError, b: EvaluateError): boolean => a._tag === b._tag && a.reason === b.reason

const sameSegments = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean =>
  a.length === b.length && a.every((key, index) => key === b[index])

const sameBoolean = (a: BooleanResult, b: BooleanResult): boolean =>
  a.enabled === b.enabled && a.reason === b.reason && sameSegments(a.segmentKeys, b.segmentKeys)

const sameVariant = (a: VariantResult, b: VariantResult): boolean =>
  a.match === b.match &&
  a.reason === b.reason &&
  a.variantKey === b.variantKey &&
  a.variantAttachment === b.variantAttachment &&
  sameSegments(a.segmentKeys, b.segmentKeys)

const watch = <A>(
  state: State,
  evaluate: (snapshot: Snapshot) => Either.Either<A, EvaluateError>,
  same: (a: A, b: A) => boolean
): Stream.Stream<Either.Either<A, EvaluateError>> =>
  state.signals.pipe(
    Stream.map(() => Either.flatMap(state.current(), evaluate)),
    Stream.changesWith(Either.getEquivalence({ left: sameError, right: same }))
  )

/** The current result of a boolean flag, then every different one. */
export const watchBoolean = (
  state: State,
  request: Parameters<Snapshot["boolean"]>[0]
): Stream.Stream<Either.Either<BooleanResult, EvaluateError>> =>
  watch(state, (snapshot) => snapshot.boolean(request), sameBoolean)

/** The current result of a variant flag, then every different one. */
export const watchVariant = (
  state: State,
  request: Parameters<Snapshot["variant"]>[0]
): Stream.Stream<Either.Either<VariantResult, EvaluateError>> =>
  watch(state, (snapshot) => snapshot.variant(request), sameVariant)
