/**
 * Internals of the library that child processes and benchmarks need. `npm run build` bundles them to
 * `build/test/internals.js`, because `dist` has no internal modules.
 */
import { fileURLToPath } from "node:url"
import type * as Effect from "effect/Effect"
import type { EngineError } from "../../src/FliptError.js"
import * as Library from "../../src/internal/engine/native/library.js"
import { fileName } from "../../src/internal/engine/native/locate.js"

export { make } from "../../src/internal/engine/native/engine.js"
export { Stat } from "../../src/internal/engine/native/library.js"

/** Loads the native library from a path, or else from the checkout, where code in a bundle does not look for it. */
export const load = (path: string | undefined): Effect.Effect<Library.Library, EngineError> =>
  Library.load(
    path ?? fileURLToPath(new URL(`../../native/target/release/${fileName(process.platform)}`, import.meta.url))
  )
