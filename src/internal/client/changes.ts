/**
 * What a client tells of its state as it changes. Each stream looks at the state when it is told that there is something
 * new, so that whoever is slow holds no memory, and misses steps but never the last one.
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

/** The status, and then every other that it becomes. */
export const statusChanges = (state: State): Stream.Stream<Status.Status> =>
  Stream.changes(Stream.mapEffect(state.signals, () => state.status))

/** Waits until the source has confirmed what is loaded; interrupted when the client closes before. */
export const awaitReady = (state: State): Effect.Effect<void> =>
  statusChanges(state).pipe(
    Stream.filter((status) => status._tag === "Ready"),
    Stream.runHead,
    Effect.flatMap(Option.match({ onNone: () => Effect.interrupt, onSome: () => Effect.void }))
  )

/** How many fingerprints are read before others may run. */
const FINGERPRINTS_A_TURN = 500

type Fingerprints = ReadonlyMap<string, string>

/** None when the Snapshot cannot be read to its end, as when the client closes: what is not read is not removed. */
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
      if (found.size % FINGERPRINTS_A_TURN === 0) {
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

/** What is loaded, as far as it can be told apart. */
interface Seen {
  readonly generation: number
  readonly flags: Fingerprints
}

/** How the flags differ from what they were when the stream began, and then from what it last told. */
export const changes = (state: State): Stream.Stream<FliptClient.Changes> =>
  state.signals.pipe(
    Stream.mapAccumEffect(Option.none<Seen>(), (seen, _) =>
      Effect.gen(function* () {
        const generation = state.generation()
        if (Option.exists(seen, (it) => it.generation === generation)) {
          return [seen, Option.none<FliptClient.Changes>()] as const
        }
        const snapshot = yield* state.hold
        const read = Option.isSome(snapshot)
          ? yield* fingerprints(snapshot.value)
          : Option.some<Fingerprints>(new Map())
        return Option.match(read, {
          onNone: () => [seen, Option.none<FliptClient.Changes>()] as const,
          onSome: (flags) =>
            [Option.some({ generation, flags }), Option.map(seen, (before) => difference(before.flags, flags))] as const
        })
      }).pipe(Effect.scoped)
    ),
    Stream.filterMap(Option.filter((difference) => !isEmpty(difference)))
  )

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

/** The value of a boolean flag, and then every other that it becomes. */
export const watchBoolean = (
  state: State,
  request: Parameters<Snapshot["boolean"]>[0]
): Stream.Stream<Either.Either<BooleanResult, EvaluateError>> =>
  watch(state, (snapshot) => snapshot.boolean(request), sameBoolean)

/** The value of a variant flag, and then every other that it becomes. */
export const watchVariant = (
  state: State,
  request: Parameters<Snapshot["variant"]>[0]
): Stream.Stream<Either.Either<VariantResult, EvaluateError>> =>
  watch(state, (snapshot) => snapshot.variant(request), sameVariant)
