/**
 * The client with all its dependencies.
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

/** The dependencies of an HTTP client besides its Fetcher. Several clients can share them. */
export type Parts = HttpClient.HttpClient | Engine.Engine | Auth.Auth

/** Providing one of these services compiles but has no effect, so it is worth a warning. */
const warnAboutUnused = (warning: (part: string) => string) =>
  Effect.gen(function* () {
    for (const tag of [Engine.Engine, Fetcher.Fetcher, Auth.Auth, Tls.Tls, HttpClient.HttpClient] as const) {
      if (Option.isSome(yield* Effect.serviceOption(tag as Context.Tag<unknown, unknown>))) {
        // most programs provide an HttpClient for other purposes
        const log = tag.key === HttpClient.HttpClient.key ? Effect.logDebug : Effect.logWarning
        yield* log(warning(tag.key))
      }
    }
  })

/** Builds the dependencies. `unused` is the warning about a service in the context that is ignored. */
export const makeParts = (
  settings: Pick<ClientSettings, "authentication" | "tlsConfig">,
  unused: (part: string) => string
): Effect.Effect<Context.Context<Parts>, EngineError | ValidationError, Scope.Scope> =>
  Effect.gen(function* () {
    yield* warnAboutUnused(unused)
    const httpClient = Layer.provide(
      Tls.layerHttpClient,
      Layer.succeed(Tls.Tls, yield* tls.make(settings.tlsConfig ?? {}, "tlsConfig."))
    )
    return Context.merge(yield* Layer.build(httpClient), yield* Layer.build(Engine.layer)).pipe(
      Context.add(Auth.Auth, yield* auth.make(settings.authentication))
    )
  })

/** A client with these dependencies. References such as hooks and telemetry come from the context. */
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
        `FliptClient: the ${part} in the context is ignored because layer and make provide their own; ` +
        "use layerWithoutDependencies to supply it"
    )
    return yield* Effect.provide(fromParts(settings), parts)
  })
