import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Platform from "#platform"
import { Tls } from "./tags.js"

export const layerHttpClient: Layer.Layer<HttpClient.HttpClient, never, Tls> = Layer.unwrapEffect(
  Effect.map(Tls, (tls) => Platform.layerHttpClient(tls.connectionOptions))
)
