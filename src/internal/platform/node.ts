/**
 * The platform for Node: connections and the file system.
 *
 * Modules of Node are loaded on first use, with `getBuiltinModule`. Importing them as ES modules takes twice as long, and
 * `node:fs` would also load its streams. Such an import would also need a separate file, imported on demand, so that
 * importing this package loads none of them.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { ValidationError } from "../../FliptError.js"
import type { ConnectionOptions } from "../../Tls.js"
import type { CheckedMaterial, TlsMaterial } from "../net/tlsMaterial.js"
import { yieldForTurn } from "../util/yieldToEventLoop.js"
import { makeHttpClient } from "./http/client.js"

export { openChannel } from "./channel.js"
export { openDirectory, readFileIn, removeTemporaryFiles, replaceFileIn } from "./directory.js"

export const supportsFiles: boolean = true

/** Whether the threads of the program can send each other messages. */
export const supportsThreads: boolean = true

export const environment = (): Readonly<Record<string, string | undefined>> => process.env

/** Whether requests name this client in `User-Agent`. */
export const sendsUserAgent: boolean = true

/** What else to check after a request failed without a response, given the names of its headers. */
export const noResponseHint = (_headers: ReadonlyArray<string>): string => ""

/** An HttpClient with its own connections, which close with the Scope. */
export const layerHttpClient = (
  connectionOptions: Effect.Effect<ConnectionOptions>
): Layer.Layer<HttpClient.HttpClient> =>
  Layer.scoped(
    HttpClient.HttpClient,
    // During startup, this and the work before and after it take about ten milliseconds each.
    Effect.zipLeft(Effect.zipRight(yieldForTurn, makeHttpClient(connectionOptions)), yieldForTurn)
  )

/** Whether TLS options are supported. */
export const supportsTls: boolean = true

/** Parses certificates and keys, and checks that they belong together. */
export const checkCertificates = (material: TlsMaterial): Effect.Effect<CheckedMaterial, ValidationError> =>
  Effect.flatMap(
    Effect.promise(() => import("./certificates.js")),
    ({ checkMaterial }) => checkMaterial(material)
  )

/** Reads a file. Rejects with the errors of `node:fs`. */
export const readFile = async (path: string): Promise<Uint8Array> =>
  process.getBuiltinModule("node:fs/promises").readFile(path)

/**
 * Emits once when the watch begins, and then whenever the file may have changed. Fails if its directory cannot be
 * watched or is removed.
 *
 * Watches the directory because a watch on the file would follow the old file when it is replaced. Names that begin
 * with two dots count as changes too: Kubernetes mounts new content by switching such a symbolic link.
 */
export const watchFile = (path: string): Stream.Stream<void, unknown> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const fs = process.getBuiltinModule("node:fs")
      const { basename, dirname } = process.getBuiltinModule("node:path")
      const folder = dirname(path)
      const name = basename(path)
      const changed = yield* Effect.makeLatch(true)
      let error: unknown
      const fail = (cause: unknown) => {
        error ??= cause
        changed.unsafeOpen()
      }
      yield* Effect.acquireRelease(
        Effect.try({
          try: () => {
            const { ino } = fs.statSync(folder)
            const isRemoved = () => {
              try {
                return fs.statSync(folder).ino !== ino
              } catch {
                return true
              }
            }
            const watcher = fs.watch(folder, (type, entry) => {
              if (type === "rename" && isRemoved()) {
                fail(new Error(`the folder ${folder} is gone`))
              } else if (entry === null || entry === name || entry.startsWith("..")) {
                changed.unsafeOpen()
              }
            })
            watcher.on("error", fail)
            return watcher
          },
          catch: (cause) => cause
        }),
        (watcher) => Effect.sync(() => watcher.close())
      )
      return Stream.repeatEffect(
        Effect.zipRight(
          Effect.zipRight(changed.await, changed.close),
          Effect.suspend(() => (error === undefined ? Effect.void : Effect.fail(error)))
        )
      )
    })
  )
