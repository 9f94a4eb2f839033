/**
 * The stores for the last state, over files and over a KeyValueStore.
 */
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Platform from "#platform"
import { ValidationError } from "../../FliptError.js"
import type { Entry, Service, Target } from "../../SnapshotStore.js"
import { messageOf } from "../util/errorMessage.js"
import { forEachSlice } from "../util/forEachSlice.js"
import { decode, encode, nameOf, names } from "./entry.js"

/** How old a temporary file must be to be nobody's: no write takes so long. */
const ABANDONED = Duration.days(1)

/** The name of nobody's entry, so that what is left of a probe is swept as well. */
const PROBE = /*#__PURE__*/ nameOf({ environment: "", namespace: "" })

export const none: Service = { load: () => Effect.succeedNone, save: () => Effect.void }

const stateOf = ({ environment, namespace }: Target): string =>
  `the stored state of the namespace ${JSON.stringify(namespace)} in the environment ${JSON.stringify(environment)}`

/** Where entries are kept, under their names. */
interface Place {
  /** In words, for an entry of that name. */
  readonly describe: (name: string) => string
  readonly read: (name: string) => Effect.Effect<Option.Option<Uint8Array>, unknown>
  readonly write: (name: string, pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void, unknown>
}

/**
 * Whatever goes wrong, defects of a KeyValueStore included, is told in one warning, and nothing comes of it. Who is
 * interrupted from outside does not get here.
 */
const told =
  <B>(instead: B, warning: (problem: string) => string) =>
  <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A | B> =>
    Effect.catchAllCause(self, (cause) =>
      Effect.as(Effect.logWarning(warning(messageOf(Cause.squash(cause)))), instead)
    )

const make = (place: Place): Service => ({
  load: (target) =>
    Effect.suspend(() => {
      const name = nameOf(target)
      const where = place.describe(name)
      return place.read(name).pipe(
        Effect.flatMap(
          Option.match({
            onNone: () => Effect.succeedNone,
            onSome: (bytes) => Effect.asSome(decode(target, bytes))
          })
        ),
        told(
          Option.none<Entry>(),
          (problem) =>
            `Flipt: ${stateOf(target)} is ignored: ${problem} (${where}). The next state that is loaded takes its place`
        )
      )
    }),
  save: (target, entry) =>
    Effect.suspend(() => {
      const name = nameOf(target)
      const where = place.describe(name)
      return encode(target, entry).pipe(
        Effect.flatMap((pieces) => place.write(name, pieces)),
        told(
          undefined,
          (problem) =>
            `Flipt: ${stateOf(target)} could not be brought up to date: ${problem} (${where}). The one before stays ` +
            "stored, and a start without the server would begin with it; see that there is room, and the right to write"
        )
      )
    })
})

/** Ended by an interruption only when what was begun has been cleaned up. */
const abortable = <A>(run: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, unknown> =>
  Effect.async((resume) => {
    const controller = new AbortController()
    const done = run(controller.signal).then(
      (value) => resume(Effect.succeed(value)),
      (error: unknown) => resume(Effect.fail(error))
    )
    return Effect.promise(() => {
      controller.abort()
      return done
    })
  })

const refused = (message: string, cause?: unknown): ValidationError =>
  new ValidationError({ reason: "Argument", path: "directory", message, cause })

export const makeFileSystem = (directory: string): Effect.Effect<Service, ValidationError> =>
  Effect.gen(function* () {
    if (typeof directory !== "string" || directory.trim() === "" || directory.includes("\0")) {
      return yield* refused("the directory to keep states in must be a text, not empty")
    }
    if (!Platform.hasFiles) {
      return yield* refused("there is no directory to keep states in on this platform: use layerKeyValueStore")
    }
    const folder = yield* Effect.tryPromise({
      try: () => Platform.openFolder(directory, PROBE),
      catch: (cause) =>
        refused(
          `the directory ${directory} cannot keep states: ${messageOf(cause)}; name one that is there or can be made`,
          cause
        )
    })
    if (folder.unwritable !== undefined) {
      yield* Effect.logWarning(
        `Flipt: the directory ${folder.path} cannot be written: ${messageOf(folder.unwritable)}. States are read from ` +
          "it, and none is stored; see that this process may write there, and that there is room"
      )
    }
    const now = yield* Clock.currentTimeMillis
    yield* Effect.promise(() => Platform.sweepFolder(folder.path, names, now - Duration.toMillis(ABANDONED)))
    return make({
      describe: (name) => `file ${name} in ${folder.path}`,
      read: (name) =>
        Effect.map(
          abortable((signal) => Platform.readFrom(folder.path, name, signal)),
          Option.fromNullable
        ),
      write: (name, pieces) => abortable((signal) => Platform.replaceIn(folder.path, name, pieces, signal))
    })
  })

const joined = (pieces: ReadonlyArray<Uint8Array>): Effect.Effect<Uint8Array> =>
  Effect.suspend(() => {
    const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0))
    let end = 0
    return Effect.as(
      forEachSlice(pieces, (slice) => {
        whole.set(slice, end)
        end += slice.length
      }),
      whole
    )
  })

/** What a store gives as text where it was given bytes: base64, or the bytes taken for UTF-8. */
const bytesOf = (text: string): Uint8Array =>
  Either.getOrElse(Encoding.decodeBase64(text), () => new TextEncoder().encode(text))

export const makeKeyValueStore = (store: KeyValueStore.KeyValueStore): Service =>
  make({
    describe: (name) => `key ${name}`,
    read: (name) =>
      Effect.flatMap(
        store.getUint8Array(name),
        Option.match({
          // a store made by KeyValueStore.prefix prefixes what is set and what is got as text, but not this
          onNone: () => Effect.map(store.get(name), Option.map(bytesOf)),
          onSome: Effect.succeedSome
        })
      ),
    write: (name, pieces) => Effect.flatMap(joined(pieces), (whole) => store.set(name, whole))
  })
