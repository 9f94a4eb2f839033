/**
 * `watch`: prints a client's status, changed flags and an entity's values as they change.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { Changes } from "flipt-client-effect/FliptClient"
import type { EvaluationContext } from "flipt-client-effect/Model"
import type { Snapshot } from "flipt-client-effect/Snapshot"
import type { Status } from "flipt-client-effect/Status"
import { type Failure, usage } from "../failure.js"
import { type Options as FollowOptions, follow } from "../follow.js"
import { Output } from "../output.js"
import { contextOf } from "../request.js"
import * as Results from "../results.js"
import type * as Source from "../source.js"
import * as Text from "../text.js"

export interface Options extends FollowOptions {
  readonly flags: ReadonlyArray<string>
  readonly entity: string | undefined
  readonly context: ReadonlyArray<string>
}

interface Event {
  readonly kind: "status" | "changes" | "value"
  /** Escaped. */
  readonly text: string
  readonly json: object
}

const statusEvent = (status: Status): Event => {
  const { connected, engine, mode, origin, version } = status
  const error = status._tag === "Stale" || status._tag === "Failed" ? status.error.message : undefined
  const parts = [
    status._tag,
    ...(version === undefined ? [] : [`version ${Text.plain(version, 60)}`]),
    mode === "streaming" ? (connected ? "stream connected" : "stream not connected, or quiet since it opened") : mode,
    ...(error === undefined ? [] : [error])
  ]
  return {
    kind: "status",
    text: parts.join(", "),
    json: { status: status._tag, version, mode, connected, origin, engine, error }
  }
}

const MAX_KEYS = 50

const changesEvent = ({ added, changed, removed }: Changes): Event => {
  const marked = [
    ...added.map((key) => `+ ${key}`),
    ...removed.map((key) => `- ${key}`),
    ...changed.map((key) => `~ ${key}`)
  ]
  const more = marked.length > MAX_KEYS ? `, and ${marked.length - MAX_KEYS} more` : ""
  return {
    kind: "changes",
    text: `${marked
      .slice(0, MAX_KEYS)
      .map((it) => Text.plain(it, 100))
      .join(", ")}${more}`,
    json: { added, removed, changed }
  }
}

interface Entity {
  readonly entityId: string
  readonly context: EvaluationContext
}

/** The values of the watched flags, keyed by flag: as text that is safe to print, and as JSON. */
const valuesOf = (snapshot: Snapshot, { context, entityId }: Entity, keys: ReadonlyArray<string>) => {
  const flags = Either.getOrElse(snapshot.flags, () => [])
  const types = new Map(flags.map((flag) => [flag.key, Results.isBoolean(flag)]))
  const watched = keys.length > 0 ? keys : [...types.keys()]
  return new Map(
    watched.map((key) => {
      const isBoolean = types.get(key)
      if (isBoolean === undefined) {
        return [key, { text: "no such flag", json: { error: "no such flag" } }] as const
      }
      const request = { flagKey: key, entityId, context }
      const result: Either.Either<Results.Result, { readonly message: string }> = isBoolean
        ? snapshot.boolean(request)
        : snapshot.variant(request)
      return [
        key,
        Either.match(result, {
          onLeft: ({ message }) => ({ text: message, json: { error: message } }),
          onRight: (it) => ({
            text: `${Results.valueOf(it)} (${Results.reasonOf(it)})`,
            json: { result: Results.toJson(it) }
          })
        })
      ] as const
    })
  )
}

export const run = (options: Options): Effect.Effect<void, Failure, Source.Environment> =>
  Effect.gen(function* () {
    const { entity, flags } = options
    if (entity === undefined && (flags.length > 0 || options.context.length > 0)) {
      return yield* usage("to print the values of flags, add --entity")
    }
    const output = yield* Output
    const context = yield* contextOf(options.context)
    const { client, label } = yield* follow(options)
    yield* output.message(`watching ${label}; Ctrl-C ends`)

    const emit = ({ json, kind, text }: Event) =>
      Effect.gen(function* () {
        const now = new Date(yield* Clock.currentTimeMillis)
        yield* output.isJson
          ? output.printJson({ time: now.toISOString(), event: kind, ...json }, true)
          : output.print(
              `${output.color("dim", now.toTimeString().slice(0, 8))}  ${output.color("bold", Text.pad(kind, 7))}  ${text}`
            )
      })

    const printed = yield* Ref.make<ReadonlyMap<string, string>>(new Map())
    const emitValues = (target: Entity) =>
      Effect.gen(function* () {
        const snapshot = yield* client.snapshot
        const values = valuesOf(snapshot, target, flags)
        const before = yield* Ref.get(printed)
        yield* Ref.set(printed, new Map(Array.from(values, ([key, { text }]) => [key, text])))
        for (const [flag, { json, text }] of values) {
          const former = before.get(flag)
          if (former !== text) {
            const arrow = former === undefined ? text : `${former} -> ${text}`
            yield* emit({ kind: "value", text: `${Text.plain(flag, 100)}: ${arrow}`, json: { flag, ...json } })
          }
        }
      }).pipe(
        Effect.scoped,
        // the status already says why there is no state
        Effect.catchAll(() => Effect.void)
      )

    const statuses = client.statusChanges.pipe(
      Stream.map(statusEvent),
      // A confirmation of the same state is not printed.
      Stream.changesWith((a, b) => a.text === b.text),
      Stream.mapEffect((event) =>
        Effect.zipRight(emit(event), entity === undefined ? Effect.void : emitValues({ entityId: entity, context }))
      )
    )
    const changes = Stream.mapEffect(client.changes, (it) => emit(changesEvent(it)))
    yield* Stream.runDrain(Stream.merge(statuses, changes))
  })
