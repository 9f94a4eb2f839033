/**
 * The side of a worker: it receives what the client of the main thread sends.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Platform from "#platform"
import { FetchError, type RefreshError } from "../../FliptError.js"
import type * as Status from "../../Status.js"
import * as Mailbox from "../util/mailbox.js"
import { quoted } from "../util/outsideText.js"
import type { TargetSettings } from "../util/target.js"
import * as protocol from "./protocol.js"

/** What is known of the client. */
export interface Received {
  /** `undefined` before its first message and after its last. */
  readonly client: string | undefined
  /** The last state, which stays after the client has closed. */
  readonly state: protocol.SharedState | undefined
  /** Why the client has no current state. */
  readonly error: RefreshError | undefined
  /** The client's status, for a Snapshot of this engine. `undefined` while there is no client. */
  readonly status: ((engine: Status.Info["engine"]) => Status.Status) | undefined
}

export interface Link {
  readonly received: Effect.Effect<Received>
  /** What is known now, and then what is known after changes. A slow consumer skips some. */
  readonly changes: Stream.Stream<Received>
  /** Lets the client fetch, and returns its result. */
  readonly ask: (kind: "refresh" | "refetch") => Effect.Effect<boolean, RefreshError>
}

const closedError = ({ environment, namespace }: TargetSettings): FetchError =>
  new FetchError({
    reason: "Source",
    retryable: true,
    message: `the client of namespace ${quoted(namespace)} (environment ${quoted(environment)}) that serves the workers of this process is closed`
  })

/** A status for each engine, always the same object, so that a stream of changes does not repeat it. */
const statusOf = (plain: Parameters<typeof protocol.decodeStatus>[0]): NonNullable<Received["status"]> => {
  const made = new Map<Status.Info["engine"], Status.Status>()
  return (engine) => {
    const known = made.get(engine)
    if (known !== undefined) {
      return known
    }
    const status = protocol.decodeStatus(plain, engine)
    made.set(engine, status)
    return status
  }
}

export const make = (target: TargetSettings): Effect.Effect<Link, never, Scope.Scope> =>
  Effect.gen(function* () {
    let received: Received = { client: undefined, state: undefined, error: undefined, status: undefined }
    // capacity 2, as for the signals of a client
    const hub = yield* PubSub.sliding<void>(2)
    const set = (next: Received) =>
      Effect.suspend(() => {
        received = next
        return PubSub.publish(hub, undefined)
      })
    const questions = new Map<string, Deferred.Deferred<boolean, RefreshError>>()
    const messages = yield* Mailbox.make<unknown>()
    // as the polls of a client that loads keep its thread alive
    const channel = yield* Platform.openChannel(protocol.channelName(target), true, messages.offer)
    const post = (message: protocol.FromWorker) => channel.post(message)
    let number = 0

    const onState = (message: Extract<protocol.FromClient, { readonly kind: "state" }>): Effect.Effect<unknown> => {
      const { client } = received
      // a second client of the same namespace, or a state that was sent again for another worker
      if (client !== undefined && (message.client !== client || message.number <= number)) {
        return Effect.void
      }
      number = message.number
      const { error } = message.status
      return set({
        client: message.client,
        state: message.state,
        error: error === undefined ? undefined : protocol.decodeError(error),
        status: statusOf(message.status)
      })
    }

    const onClosed = Effect.gen(function* () {
      const error = closedError(target)
      yield* set({ client: undefined, state: received.state, error, status: undefined })
      const waiting = [...questions.values()]
      questions.clear()
      yield* Effect.forEach(waiting, (question) => Deferred.fail(question, error), { discard: true })
      // another client may have been serving all along
      yield* post({ kind: "hello" })
    })

    const handle = (message: protocol.Message): Effect.Effect<unknown> => {
      switch (message.kind) {
        case "state":
          return onState(message)
        case "closed":
          return received.client === message.client ? onClosed : Effect.void
        case "answer": {
          const question = questions.get(message.question)
          questions.delete(message.question)
          return question === undefined
            ? Effect.void
            : typeof message.answer === "boolean"
              ? Deferred.succeed(question, message.answer)
              : Deferred.fail(question, protocol.decodeError(message.answer))
        }
        default:
          return Effect.void
      }
    }

    yield* Effect.forkScoped(
      Effect.forever(Effect.flatMap(messages.take, (message) => handle(message as protocol.Message)))
    )
    yield* post({ kind: "hello" })

    return {
      received: Effect.sync(() => received),
      changes: Stream.unwrapScoped(
        Effect.map(PubSub.subscribe(hub), (queue) => Stream.concat(Stream.void, Stream.fromQueue(queue)))
      ).pipe(Stream.map(() => received)),
      ask: (kind) =>
        Effect.suspend(() => {
          const { client, error } = received
          if (client === undefined) {
            return Effect.fail(error ?? closedError(target))
          }
          return Effect.acquireUseRelease(
            Effect.gen(function* () {
              const question = String(yield* Random.next)
              const answer = yield* Deferred.make<boolean, RefreshError>()
              questions.set(question, answer)
              return { question, answer }
            }),
            ({ answer, question }) => Effect.zipRight(post({ kind, client, question }), Deferred.await(answer)),
            ({ question }) => Effect.sync(() => questions.delete(question))
          )
        })
    }
  })
