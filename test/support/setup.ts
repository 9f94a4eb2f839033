/**
 * Runs before each test file. Files share processes, and `layer(...)(name, tests)` of @effect/vitest replaces the methods of
 * the one `it` for all later tests, so that they would run with the layer's runtime and TestClock.
 */
import { effect, it, live, prop, scoped, scopedLive } from "@effect/vitest"

Object.assign(it, { effect, live, prop, scoped, scopedLive })
