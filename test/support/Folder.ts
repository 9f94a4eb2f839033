/**
 * A temporary folder for a test, and operations on its files.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { until } from "./wait.js"

/** An empty folder, removed with the Scope. */
export const make: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "flipt-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
)

/** Replaces a file atomically. */
export const replace = (file: string, content: string): void => {
  Fs.writeFileSync(`${file}.new`, content)
  Fs.renameSync(`${file}.new`, file)
}

/**
 * Mounts a file like Kubernetes mounts a ConfigMap: the file is a link into `..data`, which is a link to a folder with a
 * unique name. An update creates a new folder and then switches `..data` to it atomically.
 */
export const mount = (folder: string, file: string, content: string): void => {
  const former = Fs.readdirSync(folder).filter((name) => name.startsWith("..2"))
  const next = `..2026_03_01_12_00_00.${former.length + Number(former[0]?.split(".").at(-1) ?? 0)}`
  Fs.mkdirSync(Path.join(folder, next))
  Fs.writeFileSync(Path.join(folder, next, file), content)
  Fs.symlinkSync(next, Path.join(folder, "..data_tmp"))
  Fs.renameSync(Path.join(folder, "..data_tmp"), Path.join(folder, "..data"))
  if (former.length === 0) {
    Fs.symlinkSync(Path.join("..data", file), Path.join(folder, file))
  }
  for (const name of former) {
    Fs.rmSync(Path.join(folder, name), { recursive: true })
  }
}

const watches = () => process.getActiveResourcesInfo().filter((resource) => resource === "FSEventWrap").length

/** Waits until exactly this many file watches are open in the process. */
export const awaitWatches = (count: number): Effect.Effect<void> => until(() => watches() === count)
