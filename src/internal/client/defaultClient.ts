/**
 * The client with everything that it needs.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Auth from "../../Auth.js"
import * as Engine from "../../Engine.js"
import * as Fetcher from "../../Fetcher.js"
import type * as FliptClient from "../../FliptClient.js"
import type { EngineError, StartError, ValidationError } from "../../FliptError.js"
import * as Tls from "../../Tls.js"
import * as auth from "../auth/static.js"
import * as polling from "../fetch/polling.js"
import * as streaming from "../fetch/streaming.js"
import * as tls from "../tls/make.js"
import * as client from "./make.js"
import { type ClientSettings, decodeClient } from "./options.js"

/** What every client over HTTP is made of, beside its Fetcher. Many can share it. */
export type Parts = HttpClient.HttpClient | Engine.Engine | Auth.Auth

/** Providing these compiles, as providing anything does, and would do nothing. */
const warnOfUnused = (warning: (part: string) => string) =>
  Effect.gen(function* () {
    for (const tag of [Engine.Engine, Fetcher.Fetcher, Auth.Auth, Tls.Tls, HttpClient.HttpClient] as const) {
      if (Option.isSome(yield* Effect.serviceOption(tag as Context.Tag<unknown, unknown>))) {
        // most programs have an HttpClient in their context for other purposes
        const log = tag.key === HttpClient.HttpClient.key ? Effect.logDebug : Effect.logWarning
        yield* log(warning(tag.key))
      }
    }
  })

/** The parts by the options. `unused` says what is to be known of a part that the context has, which would do nothing. */
export const makeParts = (
  settings: Pick<ClientSettings, "authentication" | "tlsConfig">,
  unused: (part: string) => string
): Effect.Effect<Context.Context<Parts>, EngineError | ValidationError, Scope.Scope> =>
  Effect.gen(function* () {
    yield* warnOfUnused(unused)
    const httpClient = Layer.provide(
      Tls.layerHttpClient,
      Layer.succeed(Tls.Tls, yield* tls.make(settings.tlsConfig ?? {}, "tlsConfig."))
    )
    return Context.merge(yield* Layer.build(httpClient), yield* Layer.build(Engine.layer)).pipe(
      Context.add(Auth.Auth, yield* auth.make(settings.authentication))
    )
  })

/** A client on these parts. What else it honours is read from the context. */
export const fromParts = (
  settings: ClientSettings
): Effect.Effect<FliptClient.Service, StartError, Parts | Scope.Scope> =>
  Effect.gen(function* () {
    const { fromSettings } = settings.fetchMode === "streaming" ? streaming : polling
    const fetcher = yield* fromSettings(settings, yield* Fetcher.RetryPolicy)
    return yield* Effect.provideService(client.make(settings), Fetcher.Fetcher, fetcher)
  })

export const make = (
  options: FliptClient.Options | undefined
): Effect.Effect<FliptClient.Service, StartError, Scope.Scope> =>
  Effect.gen(function* () {
    const settings = yield* decodeClient(options)
    const parts = yield* makeParts(
      settings,
      (part) =>
        `FliptClient: the ${part} in the context is not used, since layer and make bring their own; ` +
        "use layerWithoutDependencies to put it in"
    )
    return yield* Effect.provide(fromParts(settings), parts)
  })
