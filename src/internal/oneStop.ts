/**
 * The client with everything that it needs.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Auth from "../Auth.js"
import * as Engine from "../Engine.js"
import * as Fetcher from "../Fetcher.js"
import type * as FliptClient from "../FliptClient.js"
import type { StartError } from "../FliptError.js"
import * as Tls from "../Tls.js"
import * as auth from "./auth.js"
import * as client from "./client.js"
import { decodeClient } from "./options.js"
import * as polling from "./polling.js"
import * as streaming from "./streaming.js"
import * as tls from "./tls.js"

/** Providing these compiles, as providing anything does, and would do nothing. */
const warnOfUnused = Effect.gen(function* () {
  for (const tag of [Engine.Engine, Fetcher.Fetcher, Auth.Auth, Tls.Tls, HttpClient.HttpClient] as const) {
    if (Option.isSome(yield* Effect.serviceOption(tag as Context.Tag<unknown, unknown>))) {
      // most programs have an HttpClient in their context for other purposes
      const log = tag.key === HttpClient.HttpClient.key ? Effect.logDebug : Effect.logWarning
      yield* log(
        `FliptClient: the ${tag.key} in the context is not used, since layer and make bring their own; ` +
          "use layerWithoutDependencies to put it in"
      )
    }
  }
})

export const make = (
  options: FliptClient.Options | undefined
): Effect.Effect<FliptClient.Service, StartError, Scope.Scope> =>
  Effect.gen(function* () {
    const settings = yield* decodeClient(options)
    yield* warnOfUnused
    const policy = yield* Fetcher.RetryPolicy
    const httpClient = Layer.provide(
      Tls.layerHttpClient,
      Layer.succeed(Tls.Tls, yield* tls.make(settings.tlsConfig ?? {}, "tlsConfig."))
    )
    const services = Context.merge(yield* Layer.build(httpClient), yield* Layer.build(Engine.layer)).pipe(
      Context.add(Auth.Auth, yield* auth.make(settings.authentication))
    )
    const { fromSettings } = settings.fetchMode === "streaming" ? streaming : polling
    const fetcher = yield* Effect.provide(fromSettings(settings, policy), services)
    return yield* client.make(settings).pipe(Effect.provide(services), Effect.provideService(Fetcher.Fetcher, fetcher))
  })
