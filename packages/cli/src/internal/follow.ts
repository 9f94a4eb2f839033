/**
 * A client that follows its source, for commands that keep running.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import { type Failure, fromFlipt } from "./failure.js"
import { Output } from "./output.js"
import * as Server from "./server.js"
import * as Source from "./source.js"
import * as Text from "./text.js"

export interface Options extends Source.Options {
  readonly fetchMode: "polling" | "streaming" | undefined
  readonly updateInterval: string | undefined
}

export interface Followed {
  readonly client: FliptClient.Service
  /** The source of the flags, escaped. */
  readonly label: string
}

const build = <R>(
  fetcher: Layer.Layer<Fetcher.Fetcher, Parameters<typeof fromFlipt>[0], R>,
  state: FliptClient.StateOptions = {}
) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(Layer.merge(fetcher, Engine.layer))
    const client = yield* Effect.provide(FliptClient.makeWithoutDependencies(state), context)
    return { client, source: Context.get(context, Fetcher.Fetcher).source }
  }).pipe(Effect.mapError(fromFlipt))

/** Opens a client, which closes with the Scope. It streams from a server unless the options request polling. */
export const follow = (options: Options): Effect.Effect<Followed, Failure, Source.Environment> =>
  Effect.gen(function* () {
    const output = yield* Output
    if (options.file !== undefined) {
      const { label, namespace } = yield* Source.read(options)
      const { client } = yield* build(Fetcher.layerFile(options.file, { namespace }))
      return { client, label }
    }
    if (options.features !== undefined) {
      const path = options.features
      const Features = yield* Effect.promise(() => import("@flipt-client-effect/features"))
      const { label, namespace } = yield* Source.read(options)
      const { client } = yield* build(Features.layer(path, { namespace }))
      return { client, label }
    }
    const config = yield* Server.settings(options)
    const make = (config.fetchMode ?? "streaming") === "streaming" ? Fetcher.layerStreaming : Fetcher.layerPolling
    const fetcher = make(Server.fetcherOptions(config)).pipe(Layer.provide(Server.connection(options, config)))
    const state = { errorStrategy: config.errorStrategy, snapshot: config.snapshot }
    const { client, source } = yield* output.waiting("Fetching the flags", build(fetcher, state))
    return { client, label: Text.plain(Server.label(source)) }
  })
