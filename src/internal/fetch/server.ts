/**
 * A Flipt server: its URLs, and what all requests to it have in common.
 */
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Platform from "#platform"
import type * as Auth from "../../Auth.js"
import type * as Fetcher from "../../Fetcher.js"
import * as tags from "../auth/tags.js"
import { ProxySecrets } from "../tls/tags.js"
import { printable } from "../util/outsideText.js"
import { reveal } from "../util/reveal.js"
import { version } from "../util/version.js"
import { type FetcherSettings, headerValuePattern } from "./options.js"

export const toSource = (
  kind: Fetcher.Source["kind"],
  { environment, namespace, url }: FetcherSettings
): Fetcher.Source => ({ kind, environment, namespace, url })

/** The version of Flipt whose documents the client understands. A v1 server omits newer fields for older clients. */
const ACCEPTED_SERVER_VERSION = "1.47.0"

/** What all requests of one Fetcher have in common. */
export interface Server {
  readonly client: HttpClient.HttpClient
  readonly auth: Auth.Service
  readonly settings: FetcherSettings
  /** Runs before every request with a credential. */
  readonly warnPlainText: Effect.Effect<void>
  /** The credentials that the HttpClient adds for a proxy. */
  readonly proxySecrets: ReadonlyArray<string>
}

/** Host names of the loopback interface (RFC 6761, section 6.3). `URL` normalizes its addresses. */
const loopbackPattern = /^(?:(?:.+\.)?localhost\.?|127(?:\.\d{1,3}){3}|\[::1\])$/

/** Warns once if credentials would be sent unencrypted over a network. */
const makePlainTextWarning = ({ url }: FetcherSettings): Effect.Effect<Effect.Effect<void>> => {
  const { host, hostname, protocol } = new URL(url)
  return protocol === "https:" || loopbackPattern.test(hostname)
    ? Effect.succeed(Effect.void)
    : Effect.once(
        Effect.logWarning(
          `Flipt: a credential is sent to ${printable(host)} over http: anyone in between can read it and change every flag; ` +
            "set url to an https URL, and tlsConfig.caCertFile if your own authority signed its certificate"
        )
      )
}

export const makeServer = (
  settings: FetcherSettings
): Effect.Effect<Server, never, HttpClient.HttpClient | Auth.Auth> =>
  Effect.all({
    client: HttpClient.HttpClient,
    auth: tags.Auth,
    settings: Effect.succeed(settings),
    warnPlainText: makePlainTextWarning(settings),
    proxySecrets: Effect.map(
      Effect.serviceOption(ProxySecrets),
      Option.getOrElse(() => [])
    )
  })

/** The URL of a snapshot, on Flipt v1 and v2. */
export const snapshotUrl = (settings: FetcherSettings): string =>
  `${settings.url}/internal/v1/evaluation/snapshot/namespace/${encodeURIComponent(settings.namespace)}${settings.reference === undefined ? "" : `?reference=${encodeURIComponent(settings.reference)}`}`

/** The digests that a stream accepts (`digest: must be a 40-character string`). */
const digestPattern = /^[0-9a-f]{40}$/i

/** The URL of a stream. Only Flipt v2 has streams. */
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
    ...(Platform.sendsUserAgent ? { "user-agent": `flipt-client-effect/${version}` } : {}),
    "x-flipt-accept-server-version": ACCEPTED_SERVER_VERSION,
    "x-flipt-environment": settings.environment,
    ...Headers.fromInput(Object.entries(settings.headers).map(([name, value]) => [name, reveal(value)] as const)),
    ...authorization,
    // A version can be any text: without an ETag, it is a digest or a hash.
    ...Option.match(
      Option.filter(loaded, (version) => headerValuePattern.test(version)),
      {
        onNone: () => ({}),
        onSome: (version) => ({ "if-none-match": version })
      }
    )
  })
