/**
 * The client with all its dependencies.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as FliptClient from "../../FliptClient.js"
import type { EngineError, StartError, ValidationError } from "../../FliptError.js"
import * as auth from "../auth/static.js"
import { Auth } from "../auth/tags.js"
import { best } from "../engine/select.js"
import { Engine } from "../engine/tags.js"
import * as polling from "../fetch/polling.js"
import * as streaming from "../fetch/streaming.js"
import { Fetcher, RetryPolicy } from "../fetch/tags.js"
import { layerHttpClient } from "../tls/httpClient.js"
import * as tls from "../tls/make.js"
import { Tls } from "../tls/tags.js"
import * as client from "./make.js"
import { type ClientSettings, decodeClient } from "./options.js"

/** The dependencies of an HTTP client besides its Fetcher. Several clients can share them. */
export type Parts = HttpClient.HttpClient | Engine | Auth

/** Providing one of these services compiles but has no effect, so it is worth a warning. */
const warnAboutUnused = (warning: (part: string) => string) =>
  Effect.gen(function* () {
    for (const tag of [Engine, Fetcher, Auth, Tls, HttpClient.HttpClient] as const) {
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
      layerHttpClient,
      Layer.succeed(Tls, yield* tls.make(settings.tlsConfig ?? {}, "tlsConfig."))
    )
    return (yield* Layer.build(httpClient)).pipe(
      Context.add(Engine, yield* best),
      Context.add(Auth, yield* auth.make(settings.authentication))
    )
  })

/** A client with these dependencies. References such as hooks and telemetry come from the context. */
export const fromParts = (
  settings: ClientSettings
): Effect.Effect<FliptClient.Service, StartError, Parts | Scope.Scope> =>
  Effect.gen(function* () {
    const { fromSettings } = settings.fetchMode === "streaming" ? streaming : polling
    const fetcher = yield* fromSettings(settings, yield* RetryPolicy)
    return yield* Effect.provideService(client.make(settings), Fetcher, fetcher)
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
  }).pipe(Effect.withSpan("FliptClient.make", { captureStackTrace: false }))
