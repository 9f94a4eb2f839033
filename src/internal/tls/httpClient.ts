import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Platform from "#platform"
import { withoutParentSpan } from "../util/withoutParentSpan.js"
import { Tls } from "./tags.js"

export const layerHttpClient: Layer.Layer<HttpClient.HttpClient, never, Tls> = Layer.unwrapEffect(
  Effect.map(Tls, (tls) => Platform.layerHttpClient(withoutParentSpan(tls.connectionOptions)))
)
