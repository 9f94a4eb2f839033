/**
 * What stands in for Node elsewhere: the global `fetch`, and no files.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { ValidationError } from "../../FliptError.js"
import type { Checked, Material } from "../net/material.js"

/** An HttpClient over the global `fetch`. A browser does not let a redirect's target be checked, so none is followed. */
export const layerHttpClient = (_connectionOptions: unknown): Layer.Layer<HttpClient.HttpClient> =>
  FetchHttpClient.layer.pipe(
    Layer.provide(Layer.succeed(FetchHttpClient.RequestInit, { redirect: "error", cache: "no-store" }))
  )

/** Whether a program can say what TLS connections are opened with. In a browser that is the user's. */
export const hasTls: boolean = false

/** Never asked for, since there are no TLS options. */
export const checkCertificates = (_material: Material): Effect.Effect<Checked, ValidationError> =>
  Effect.succeed({ warnings: [] })

const noFiles = () => new Error("there are no files on this platform")

export const readFile = (_path: string): Promise<{ readonly bytes: Uint8Array; readonly hash: string }> =>
  Promise.reject(noFiles())

export const watchFile = (_path: string): Stream.Stream<void, unknown> => Stream.fail(noFiles())

/** Whether there are files at all. */
export const hasFiles: boolean = false

export const openFolder = (
  _directory: string,
  _probe: string
): Promise<{ readonly path: string; readonly unwritable: unknown }> => Promise.reject(noFiles())

export const sweepFolder = (_directory: string, _names: RegExp, _before: number): Promise<void> =>
  Promise.reject(noFiles())

export const readFrom = (_directory: string, _name: string, _signal: AbortSignal): Promise<Uint8Array | undefined> =>
  Promise.reject(noFiles())

export const replaceIn = (
  _directory: string,
  _name: string,
  _pieces: ReadonlyArray<Uint8Array>,
  _signal: AbortSignal
): Promise<void> => Promise.reject(noFiles())
