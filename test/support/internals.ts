/**
 * What child processes and benchmarks need of the library beyond its public modules. `npm run build` bundles it to
 * `build/test/internals.js`, since `dist` has no internal modules.
 */
import { fileURLToPath } from "node:url"
import type * as Effect from "effect/Effect"
import type { EngineError } from "../../src/FliptError.js"
import * as Library from "../../src/internal/engine/native/library.js"
import { fileName } from "../../src/internal/engine/native/locate.js"

export { make } from "../../src/internal/engine/native/engine.js"
export { Stat } from "../../src/internal/engine/native/library.js"

/** Loads the library from a path, or from the checkout: the library does not take a bundle for a part of it. */
export const load = (path: string | undefined): Effect.Effect<Library.Library, EngineError> =>
  Library.load(
    path ?? fileURLToPath(new URL(`../../native/target/release/${fileName(process.platform)}`, import.meta.url))
  )
