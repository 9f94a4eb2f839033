import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Auth from "../../Auth.js"
import type * as Fetcher from "../../Fetcher.js"
import { reveal } from "../util/reveal.js"
import { version } from "../util/version.js"
import { type FetcherSettings, headerValuePattern } from "./options.js"

/** What a Fetcher with these settings tells of itself. */
export const toSource = (
  kind: Fetcher.Source["kind"],
  { environment, namespace, url }: FetcherSettings
): Fetcher.Source => ({ kind, environment, namespace, url })

/** The version of Flipt whose documents we understand: a v1 server leaves things out for older clients. */
export const ACCEPTED_SERVER_VERSION = "1.47.0"

/** Everything that the requests of one Fetcher have in common. */
export interface Server {
  readonly client: HttpClient.HttpClient
  readonly auth: Auth.Service
  readonly settings: FetcherSettings
  /** Said before a request with a credential. */
  readonly warnPlainText: Effect.Effect<void>
}

/** The loopback interface by its addresses and names (RFC 6761, section 6.3); URLs have one form for each address. */
export const loopbackPattern = /^(?:(?:.+\.)?localhost\.?|127(?:\.\d{1,3}){3}|\[::1\])$/

/** Once at most: a credential that goes where anybody on the way can read it. */
export const makePlainTextWarning = ({ url }: FetcherSettings): Effect.Effect<Effect.Effect<void>> => {
  const { host, hostname, protocol } = new URL(url)
  return protocol === "https:" || loopbackPattern.test(hostname)
    ? Effect.succeed(Effect.void)
    : Effect.once(
        Effect.logWarning(
          `Flipt: a credential is sent to ${host} over http: whoever is in between can read it and change every flag; ` +
            "set url to an https URL, and tlsConfig.caCertFile where an authority of your own signed its certificate"
        )
      )
}

export const makeServer = (
  settings: FetcherSettings
): Effect.Effect<Server, never, HttpClient.HttpClient | Auth.Auth> =>
  Effect.all({
    client: HttpClient.HttpClient,
    auth: Auth.Auth,
    settings: Effect.succeed(settings),
    warnPlainText: makePlainTextWarning(settings)
  })

/** Where the snapshot of a namespace is; every Flipt server has it there. */
export const snapshotUrl = (settings: FetcherSettings): string =>
  `${settings.url}/internal/v1/evaluation/snapshot/namespace/${encodeURIComponent(settings.namespace)}${settings.reference === undefined ? "" : `?reference=${encodeURIComponent(settings.reference)}`}`

/** The only digests that a stream can be asked to differ from (`digest: must be a 40-character string`). */
export const digestPattern = /^[0-9a-f]{40}$/i

/** Where the stream of a namespace is: on Flipt v2 alone. */
export const streamUrl = (settings: FetcherSettings, loaded: Option.Option<Fetcher.Version>): string => {
  const { environment, namespace, url } = settings
  const digest = Option.filter(loaded, (version) => digestPattern.test(version))
  return `${url}/client/v2/environments/${encodeURIComponent(environment)}/namespaces/${encodeURIComponent(namespace)}/stream${Option.isSome(digest) ? `?digest=${digest.value}` : ""}`
}

export const requestHeaders = (
  settings: FetcherSettings,
  authorization: Headers.Headers,
  loaded: Option.Option<Fetcher.Version>
): Headers.Headers =>
  Headers.fromInput({
    accept: "application/json",
    "user-agent": `flipt-client-effect/${version}`,
    "x-flipt-accept-server-version": ACCEPTED_SERVER_VERSION,
    "x-flipt-environment": settings.environment,
    ...Headers.fromInput(Object.entries(settings.headers).map(([name, value]) => [name, reveal(value)] as const)),
    ...authorization,
    // a digest that stands for a missing ETag can be any text
    ...Option.match(
      Option.filter(loaded, (version) => headerValuePattern.test(version)),
      {
        onNone: () => ({}),
        onSome: (version) => ({ "if-none-match": version })
      }
    )
  })
