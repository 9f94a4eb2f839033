// @ts-check
/**
 * The interface of the native library, read from the sources of the crate, so that no second list can differ from it.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/**
 * The names of the functions that the library exports: those of the ABI, and the entry point of a Node-API addon.
 *
 * @param {string} root the checkout
 */
export const exportsOf = (root) => {
  const folder = join(root, "native", "src", "ffi")
  const sources = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8"))
  return sources
    .flatMap((source) =>
      [...source.matchAll(/#\[no_mangle\]\s+pub (?:unsafe )?extern "C" fn (\w+)/g)].map(([, name = ""]) => name)
    )
    .sort()
}
