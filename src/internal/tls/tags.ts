import * as Context from "effect/Context"
import type { Service } from "../../Tls.js"

export class Tls extends Context.Tag("flipt-client-effect/Tls")<Tls, Service>() {}

/**
 * The credentials of the proxy, which the HttpClient adds to requests. A Fetcher removes them from messages. The service
 * comes with `Tls.layerHttpClient` and is optional, so that any other HttpClient will do.
 */
export class ProxySecrets extends Context.Tag("flipt-client-effect/ProxySecrets")<
  ProxySecrets,
  ReadonlyArray<string>
>() {}
