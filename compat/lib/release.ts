/**
 * The published form of the packages: the client of this checkout, and the native engine for this machine.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import process from "node:process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Release as Packed } from "../../scripts/native/pack.mjs"
import { hostPlatform, packageName } from "../../scripts/native/platforms.mjs"
import * as Folder from "../../test/support/Folder.js"
import * as Command from "./command.js"
import { Failed } from "./report.js"

/** The checkout. The bundle of this module is in `build/compat`. */
export const root = Path.resolve(import.meta.dirname, "..", "..")

export const manifest = JSON.parse(Fs.readFileSync(Path.join(root, "package.json"), "utf8")) as {
  readonly version: string
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

/** The package with Node for this machine. */
export const nodePackage = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`

export interface Release {
  /** The tarballs, keyed by package name. */
  readonly tarballs: Readonly<Record<string, string>>
  /** The package with the native engine. */
  readonly native: string
  /** The dependencies of a project that uses the client with the native engine. */
  readonly dependencies: Readonly<Record<string, string>>
}

/** Packs the client, and the native engine from the checkout's build. */
export const pack: Effect.Effect<Release, Failed, Scope.Scope> = Effect.gen(function* () {
  const host = hostPlatform()
  if (host === undefined) {
    return yield* new Failed({ message: `there is no native engine for ${process.platform}-${process.arch}` })
  }
  const out = Path.join(yield* Folder.make, "release")
  const script = Path.join(root, "scripts", "native", "pack.mjs")
  yield* Command.run(process.execPath, [script, "--development", `--out=${out}`], { cwd: root })
  const { packages } = JSON.parse(Fs.readFileSync(Path.join(out, "release.json"), "utf8")) as Packed
  const tarballs = Object.fromEntries(packages.map(({ name, tarball }) => [name, Path.join(out, "tarballs", tarball)]))
  const peers = Object.keys(manifest.peerDependencies).map((name) => [name, manifest.devDependencies[name]])
  return {
    tarballs,
    native: packageName(host),
    dependencies: {
      ...Object.fromEntries(Object.entries(tarballs).map(([name, path]) => [name, `file:${path}`])),
      ...Object.fromEntries(peers)
    }
  }
})
