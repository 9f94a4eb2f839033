/**
 * The platform outside Node: requests use the global `fetch`, and there are no files.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { ValidationError } from "../../FliptError.js"
import type { CheckedMaterial, TlsMaterial } from "../net/tlsMaterial.js"

/** Whether the runtime accepts a setting of a request. Cloudflare's workerd throws at those that it does not implement. */
const accepts = (init: RequestInit): boolean => {
  try {
    new Request("http://localhost/", init)
    return true
  } catch {
    return false
  }
}

/**
 * An HttpClient over the global `fetch`. It rejects redirects where a browser would hide their target, which must be
 * checked before a credential is sent there. workerd shows the target, and the client follows it.
 */
export const layerHttpClient = (_connectionOptions: unknown): Layer.Layer<HttpClient.HttpClient> =>
  FetchHttpClient.layer.pipe(
    Layer.provide(
      Layer.sync(
        FetchHttpClient.RequestInit,
        (): RequestInit => ({
          redirect: accepts({ redirect: "error" }) ? "error" : "manual",
          ...(accepts({ cache: "no-store" }) ? { cache: "no-store" } : {})
        })
      )
    )
  )

export const environment = (): Readonly<Record<string, string | undefined>> => ({})

/** Firefox lists `User-Agent` in the preflight of a request across origins, and no default of Flipt allows it. */
export const sendsUserAgent: boolean = false

/** Headers that a page may send to another origin without permission (Fetch standard, "CORS-safelisted"). */
const safelisted: ReadonlySet<string> = new Set(["accept", "accept-language", "content-language"])

/** A browser does not tell a page that CORS is why a request failed. */
export const noResponseHint = (headers: ReadonlyArray<string>): string =>
  `; in a browser, also check that the server allows this page's origin by CORS, with the request headers ${headers
    .filter((name) => !safelisted.has(name))
    .join(", ")}`

/** Whether TLS options are supported. In a browser they belong to the user. */
export const supportsTls: boolean = false

/** Unreachable: options are rejected before, because `supportsTls` is false. */
export const checkCertificates = (_material: TlsMaterial): Effect.Effect<CheckedMaterial, ValidationError> =>
  Effect.succeed({ warnings: [] })

const noFiles = () => new Error("there are no files on this platform")

export const readFile = (_path: string): Promise<Uint8Array> => Promise.reject(noFiles())

export const watchFile = (_path: string): Stream.Stream<void, unknown> => Stream.fail(noFiles())

export const supportsFiles: boolean = false

/** A BroadcastChannel of a browser reaches other pages too, which is not wanted. */
export const supportsThreads: boolean = false

/** Unreachable, because `supportsThreads` is false. */
export const openChannel = (
  _name: string,
  _keepsAlive: boolean,
  _onMessage: (message: unknown) => void
): Effect.Effect<{ readonly post: (message: unknown) => Effect.Effect<void> }> =>
  Effect.succeed({ post: () => Effect.void })

export const openDirectory = (
  _directory: string,
  _probe: string
): Promise<{ readonly path: string; readonly unwritable: unknown }> => Promise.reject(noFiles())

export const removeTemporaryFiles = (_directory: string, _names: RegExp, _before: number): Promise<void> =>
  Promise.reject(noFiles())

export const readFileIn = (_directory: string, _name: string, _signal: AbortSignal): Promise<Uint8Array | undefined> =>
  Promise.reject(noFiles())

export const replaceFileIn = (
  _directory: string,
  _name: string,
  _pieces: ReadonlyArray<Uint8Array>,
  _signal: AbortSignal
): Promise<void> => Promise.reject(noFiles())
