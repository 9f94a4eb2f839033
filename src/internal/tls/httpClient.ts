import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Platform from "#platform"
import { proxySecrets } from "../net/proxySecrets.js"
import { reveal } from "../util/reveal.js"
import { withoutParentSpan } from "../util/withoutParentSpan.js"
import { ProxySecrets, Tls } from "./tags.js"

export const layerHttpClient: Layer.Layer<HttpClient.HttpClient, never, Tls> = Layer.unwrapEffect(
  Effect.map(Tls, (tls) => {
    const connectionOptions = withoutParentSpan(tls.connectionOptions)
    const secrets = Effect.map(connectionOptions, ({ proxy }) =>
      proxySecrets(proxy === undefined ? undefined : reveal(proxy), Platform.environment())
    )
    return Layer.merge(Platform.layerHttpClient(connectionOptions), Layer.effect(ProxySecrets, secrets))
  })
)
