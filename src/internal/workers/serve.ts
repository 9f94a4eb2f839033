/**
 * The side of the client that loads: it sends each state and each status to all workers.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Platform from "#platform"
import type { EngineError } from "../../FliptError.js"
import type { Snapshot } from "../../Snapshot.js"
import type { SharedClient, Sharer } from "../client/sharing.js"
import { type HasNativeHandle, nativeHandle } from "../snapshot/nativeHandle.js"
import * as Mailbox from "../util/mailbox.js"
import { forEachSlice, sizeOf } from "../util/slices.js"
import * as protocol from "./protocol.js"

/** The state that workers may take over. It stays open until they know the next one. */
interface Held {
  readonly snapshot: Snapshot
  readonly state: protocol.SharedState
  readonly scope: Scope.CloseableScope
}

const share = (chunks: ReadonlyArray<Uint8Array>): Effect.Effect<SharedArrayBuffer> =>
  Effect.suspend(() => {
    const bytes = new SharedArrayBuffer(sizeOf(chunks))
    const view = new Uint8Array(bytes)
    let size = 0
    return Effect.as(
      forEachSlice(chunks, (slice) => {
        view.set(slice, size)
        size += slice.length
      }),
      bytes
    )
  })

/** Shares one client. */
export const make = (): Sharer => {
  // the document is needed only until it has been shared
  const documents = new WeakMap<Snapshot, ReadonlyArray<Uint8Array>>()

  const contentOf = (snapshot: Snapshot & HasNativeHandle): Effect.Effect<protocol.Content, EngineError> =>
    Effect.gen(function* () {
      const native = snapshot[nativeHandle]
      if (native !== undefined) {
        return { kind: "native", native }
      }
      const document = documents.get(snapshot)
      if (document !== undefined) {
        documents.delete(snapshot)
        return { kind: "document", bytes: yield* share(document) }
      }
      return { kind: "seed", bytes: yield* share([new TextEncoder().encode(yield* snapshot.seed)]) }
    })

  const serve = (client: SharedClient): Effect.Effect<void, never, Scope.Scope> =>
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const id = String(yield* Random.next)
      const messages = yield* Mailbox.make<unknown>()
      const channel = yield* Platform.openChannel(protocol.channelName(client.source), false, messages.offer)
      const post = (message: protocol.FromClient) => channel.post(message)
      const lock = yield* Effect.makeSemaphore(1)
      let held: Held | undefined
      let states = 0
      let last: Extract<protocol.FromClient, { readonly kind: "state" }> | undefined
      yield* Effect.addFinalizer(() => post({ kind: "closed", client: id }))

      /** Acquires the loaded state. Returns the release of the one that it replaces. */
      const hold: Effect.Effect<Effect.Effect<void>, EngineError> = Effect.gen(function* () {
        const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
        const release = Scope.close(own, Exit.void)
        const loaded = yield* Scope.extend(client.acquireLoaded, own)
        if (Option.isNone(loaded) || loaded.value === held?.snapshot) {
          return release
        }
        const content = yield* Effect.onError(contentOf(loaded.value), () => release)
        const replaced = held
        held = { snapshot: loaded.value, state: { id: `${id}/${states++}`, content }, scope: own }
        return replaced === undefined ? Effect.void : Scope.close(replaced.scope, Exit.void)
      })

      const publish = Effect.gen(function* () {
        const release = yield* hold
        const status = protocol.encodeStatus(yield* client.status)
        last = { kind: "state", client: id, number: (last?.number ?? 0) + 1, state: held?.state, status }
        yield* post(last)
        yield* release
      }).pipe(
        Effect.catchAll((error) => Effect.logWarning(`Flipt: workers do not get the state: ${error.message}`)),
        Effect.uninterruptible,
        lock.withPermits(1)
      )

      const answer = ({ kind, question }: Extract<protocol.FromWorker, { readonly question: string }>) =>
        Effect.either(kind === "refresh" ? client.refresh : client.refetch).pipe(
          // the worker has the state before the answer
          Effect.zipLeft(publish),
          Effect.flatMap((result) =>
            post({
              kind: "answer",
              client: id,
              question,
              answer: Either.isRight(result) ? result.right : protocol.encodeError(result.left)
            })
          )
        )

      const handle = (message: protocol.Message): Effect.Effect<void> => {
        switch (message.kind) {
          case "hello":
            return Effect.suspend(() => (last === undefined ? Effect.void : post(last)))
          case "refresh":
          case "refetch":
            return message.client === id ? Effect.asVoid(Effect.forkIn(answer(message), scope)) : Effect.void
          default:
            return Effect.void
        }
      }

      yield* Effect.forkScoped(Stream.runForEach(client.signals, () => publish))
      yield* Effect.forkScoped(
        Effect.forever(Effect.flatMap(messages.take, (message) => handle(message as protocol.Message)))
      )
    })

  return {
    compiled: (snapshot, document) => {
      // an engine of another kind may not use the document
      if (snapshot.engine === "portable") {
        documents.set(snapshot, document)
      }
    },
    start: serve
  }
}
