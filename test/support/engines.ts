/**
 * The engines that are available on this machine.
 */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Layer from "effect/Layer"
import * as Engine from "../../src/Engine.js"

const file = { darwin: "libflipt_client_effect.dylib", win32: "flipt_client_effect.dll" } as const

/** The path of the native library: the one in the environment, or the build of this checkout. */
export const library: string =
  process.env.FLIPT_ENGINE_PATH ||
  fileURLToPath(
    new URL(
      `../../native/target/release/${file[process.platform as keyof typeof file] ?? "libflipt_client_effect.so"}`,
      import.meta.url
    )
  )

/** Whether the native library exists. */
export const native: boolean = existsSync(library)

/** Why tests of the native engine are skipped, for their names. */
export const reason = "the native engine is not built; it needs cargo and its crates"

/** Every available engine, with its name. */
export const engines: ReadonlyArray<readonly [string, Layer.Layer<Engine.Engine>]> = [
  ["portable", Engine.layerPortable],
  ...(native ? [["native", Layer.orDie(Engine.layerNative)] as const] : [])
]

if (!native) {
  console.log(`Skipping the tests of the native engine: ${reason}`)
}
