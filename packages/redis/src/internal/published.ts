/**
 * The state of one namespace in Redis, and the lease that decides who publishes it.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import { FetchError } from "flipt-client-effect/FliptError"
import type { Target } from "flipt-client-effect/SnapshotStore"
import type * as Connection from "../Connection.js"
import * as Keys from "./keys.js"
import * as scripts from "./scripts.js"

/** A published state without its document. */
export interface Found {
  readonly digest: string
  /** Flipt's version of this state, or else its digest. */
  readonly version: string
  readonly length: number
  readonly confirmedAt: DateTime.Utc
  /** How long ago, by the clock of Redis, the leader confirmed it. */
  readonly age: Duration.Duration
}

/** A state to be published. */
export interface Held {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly digest: string
  readonly version: Option.Option<string>
}

export type Acquired =
  | { readonly _tag: "Acquired"; readonly token: string }
  | { readonly _tag: "Taken"; readonly left: Duration.Duration }

/** The digest of the published state; an empty string if there is none. */
export type Renewed = { readonly _tag: "Renewed"; readonly digest: string } | { readonly _tag: "Lost" }

export type Outcome = "published" | "fenced" | "older"

export interface Published {
  readonly signals: Stream.Stream<Connection.Signal>
  readonly read: Effect.Effect<Option.Option<Found>, FetchError>
  readonly body: (found: Found) => Effect.Effect<Uint8Array, FetchError>
  readonly acquire: (owner: string, lease: Duration.Duration) => Effect.Effect<Acquired, FetchError>
  readonly renew: (request: {
    readonly owner: string
    readonly token: string
    readonly lease: Duration.Duration
    readonly digest: string
    readonly isConfirmed: boolean
    readonly staleAfter: Duration.Duration
  }) => Effect.Effect<Renewed, FetchError>
  readonly release: (owner: string) => Effect.Effect<void, FetchError>
  readonly publish: (token: string, sequence: number, held: Held) => Effect.Effect<Outcome, FetchError>
}

/** The message that the lease is vacant. Any other message reports a state. */
export const VACANT = "vacant"

/** How long a document stays before a state refers to it. */
const UPLOAD_MILLIS = 60_000
/** How often publishing starts over because the published state has changed meanwhile. */
const MAX_ATTEMPTS = 5

const failure = (message: string, retryable = true): FetchError =>
  new FetchError({ reason: "Source", retryable, message })

/** Computed off the event loop, because documents can be large. */
export const digestOf = (bytes: Uint8Array<ArrayBuffer>): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => globalThis.crypto.subtle.digest("SHA-256", bytes)),
    (hash) => Buffer.from(hash).toString("hex")
  )

export const hold = (chunks: ReadonlyArray<Uint8Array>, version: Option.Option<string>): Effect.Effect<Held> => {
  const bytes = (chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)) as Uint8Array<ArrayBuffer>
  return Effect.map(digestOf(bytes), (digest) => ({ bytes, digest, version }))
}

const millis = (duration: Duration.Duration): string => String(Duration.toMillis(duration))

export const make = (connection: Connection.Service, target: Target, maxBodySize: number): Published => {
  const keys = Keys.make(connection.prefix, target)
  const ttl = millis(connection.timeToLive)

  const read = Effect.flatMap(
    connection.run(scripts.run(scripts.read, [keys.state])),
    ([digest, version, length, confirmedAt, now]) => {
      if (digest === "") {
        return Effect.succeedNone
      }
      const found = {
        digest: String(digest),
        version: String(version === "" ? digest : version),
        length: Number(length),
        confirmedAt: DateTime.unsafeMake(Number(confirmedAt) || 0),
        age: Duration.millis(Math.max(0, Number(now) - Number(confirmedAt)))
      }
      return Number.isInteger(found.length) && found.length >= 0
        ? Effect.succeedSome(found)
        : failure(`Redis: the hash ${keys.state} is damaged; delete it, and the leader publishes the state again`)
    }
  )

  const upload = ({ bytes, digest }: Held) =>
    connection.run(
      (client) =>
        client.set(
          keys.body(digest),
          Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
          "PX",
          UPLOAD_MILLIS,
          "NX"
        ),
      { transfer: true }
    )

  return {
    signals: connection.subscribe(keys.channel),
    read,
    body: ({ digest, length }) =>
      Effect.gen(function* () {
        if (length > maxBodySize) {
          return yield* new FetchError({
            reason: "TooLarge",
            retryable: false,
            message: `Redis: the document has ${length} bytes, and maxBodySize is ${maxBodySize}; raise maxBodySize if that is expected`
          })
        }
        const bytes = yield* connection.run((client) => client.getBuffer(keys.body(digest)), { transfer: true })
        if (bytes === null) {
          return yield* failure(`Redis: the document ${keys.body(digest)} is gone; the leader will publish it again`)
        }
        if ((yield* digestOf(bytes as Uint8Array<ArrayBuffer>)) !== digest) {
          return yield* failure(
            `Redis: the document ${keys.body(digest)} is damaged; delete it, and the leader publishes it again`
          )
        }
        return bytes
      }),
    acquire: (owner, lease) =>
      Effect.map(
        connection.run(scripts.run(scripts.acquire, [keys.lease, keys.token], [owner, millis(lease), ttl])),
        ([outcome, value]) =>
          outcome === "acquired"
            ? { _tag: "Acquired", token: String(value) }
            : { _tag: "Taken", left: Duration.millis(Math.max(0, Number(value))) }
      ),
    renew: ({ digest, isConfirmed, lease, owner, staleAfter, token }) =>
      Effect.map(
        connection.run(
          scripts.run(
            scripts.renew,
            [keys.lease, keys.token, keys.state, keys.body(digest)],
            [owner, token, millis(lease), ttl, digest, isConfirmed ? "1" : "0", millis(staleAfter), keys.channel]
          )
        ),
        ([outcome, value]) => (outcome === "renewed" ? { _tag: "Renewed", digest: String(value) } : { _tag: "Lost" })
      ),
    release: (owner) =>
      Effect.asVoid(connection.run(scripts.run(scripts.release, [keys.lease], [owner, keys.channel]))),
    publish: (token, sequence, held) =>
      Effect.gen(function* () {
        if (held.bytes.length > maxBodySize) {
          return yield* new FetchError({
            reason: "TooLarge",
            retryable: false,
            message: `the document has ${held.bytes.length} bytes, and maxBodySize is ${maxBodySize}`
          })
        }
        for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
          const replaced = (yield* connection.run((client) => client.hget(keys.state, "digest"))) ?? ""
          const [outcome] = yield* connection.run(
            scripts.run(
              scripts.publish,
              [keys.token, keys.state, keys.body(held.digest), keys.body(replaced)],
              [
                token,
                String(sequence),
                held.digest,
                replaced,
                Option.getOrElse(held.version, () => ""),
                target.environment,
                target.namespace,
                String(held.bytes.length),
                ttl,
                keys.channel
              ]
            )
          )
          if (outcome === "published" || outcome === "fenced" || outcome === "older") {
            return outcome
          }
          if (outcome === "missing") {
            yield* upload(held)
          }
        }
        return yield* failure("Redis: other states were published at the same time")
      })
  }
}
