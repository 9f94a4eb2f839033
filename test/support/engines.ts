/**
 * The engines that there are on this machine.
 */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Layer from "effect/Layer"
import * as Engine from "../../src/Engine.js"

const file = { darwin: "libflipt_client_effect.dylib", win32: "flipt_client_effect.dll" } as const

/** The native library: the one that the environment names, or where the installation puts it when it can build it. */
export const library: string =
  process.env.FLIPT_ENGINE_PATH ||
  fileURLToPath(
    new URL(
      `../../native/target/release/${file[process.platform as keyof typeof file] ?? "libflipt_client_effect.so"}`,
      import.meta.url
    )
  )

/** Whether there is a native library: one that was built, or the one that the environment names. */
export const native: boolean = existsSync(library)

/** For the names of tests that need it. */
export const reason = "the native engine is not built, as the installation said: it needs cargo and its crates"

/** Every engine, by its name. */
export const engines: ReadonlyArray<readonly [string, Layer.Layer<Engine.Engine>]> = [
  ["portable", Engine.layerPortable],
  ...(native ? [["native", Layer.orDie(Engine.layerNative)] as const] : [])
]

if (!native) {
  console.log(`Skipped: tests of the native engine, since ${reason}`)
}
