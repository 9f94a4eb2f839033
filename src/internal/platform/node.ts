/**
 * What needs Node: undici and the file system. Nothing is loaded before it is used.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { ValidationError } from "../../FliptError.js"
import type { ConnectionOptions } from "../../Tls.js"
import type { Checked, Material } from "../net/material.js"

export { openFolder, readFrom, replaceIn, sweepFolder } from "./folder.js"

/** Whether there are files at all. */
export const hasFiles: boolean = true

/** An HttpClient over undici connections of its own, which end with the scope. */
export const layerHttpClient = (
  connectionOptions: Effect.Effect<ConnectionOptions>
): Layer.Layer<HttpClient.HttpClient> =>
  FetchHttpClient.layer.pipe(
    Layer.provide(
      Layer.scopedContext(
        Effect.gen(function* () {
          const { fetch, makeDispatcher } = yield* Effect.promise(() => import("./dispatcher.js"))
          const dispatcher = yield* makeDispatcher(connectionOptions)
          return Context.make(FetchHttpClient.Fetch, fetch as unknown as typeof globalThis.fetch).pipe(
            Context.add(FetchHttpClient.RequestInit, { dispatcher, redirect: "manual" } as RequestInit)
          )
        })
      )
    )
  )

/** Whether a program can say what TLS connections are opened with. */
export const hasTls: boolean = true

/** Certificates and keys, read, and held against each other. */
export const checkCertificates = (material: Material): Effect.Effect<Checked, ValidationError> =>
  Effect.flatMap(
    Effect.promise(() => import("./certificates.js")),
    ({ check }) => check(material)
  )

/** A file's bytes, with a hash of them. Rejects as `node:fs` does. */
export const readFile = async (path: string): Promise<{ readonly bytes: Uint8Array; readonly hash: string }> => {
  const [fs, crypto] = await Promise.all([import("node:fs/promises"), import("node:crypto")])
  const bytes = await fs.readFile(path)
  return { bytes, hash: crypto.createHash("sha256").update(bytes).digest("hex") }
}

/**
 * Something may have happened to a file: it may have been written or replaced, or the watch has just begun. Its folder
 * is watched, since a watch on the file would stay with the one that is replaced; names that begin with two dots are
 * links that Kubernetes turns to a new folder when it mounts new content. Fails when the folder cannot be watched, or
 * is there no longer.
 */
export const watchFile = (path: string): Stream.Stream<void, unknown> =>
  Stream.asyncScoped<void, unknown>((emit) =>
    Effect.gen(function* () {
      const [fs, { basename, dirname }] = yield* Effect.promise(() =>
        Promise.all([import("node:fs"), import("node:path")])
      )
      const folder = dirname(path)
      const name = basename(path)
      yield* Effect.acquireRelease(
        Effect.try({
          try: () => {
            const { ino } = fs.statSync(folder)
            const isGone = () => {
              try {
                return fs.statSync(folder).ino !== ino
              } catch {
                return true
              }
            }
            const watcher = fs.watch(folder, (type, changed) => {
              if (type === "rename" && isGone()) {
                void emit.fail(new Error(`the folder ${folder} is gone`))
              } else if (changed === null || changed === name || changed.startsWith("..")) {
                void emit.single(undefined)
              }
            })
            watcher.on("error", (error) => void emit.fail(error))
            return watcher
          },
          catch: (error) => error
        }),
        (watcher) => Effect.sync(() => watcher.close())
      )
      void emit.single(undefined)
    })
  )
