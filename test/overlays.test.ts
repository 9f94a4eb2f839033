/**
 * The overlays of the edition for Effect 4 are up to date with the files that they replace.
 */
import { expect, it } from "@effect/vitest"
import * as Overlays from "../editions/effect4/overlays.mjs"

it("every overlay of the edition for Effect 4 is up to date with its source", () => {
  expect(Overlays.overlays.length).toBeGreaterThan(0)
  expect(Overlays.problems()).toEqual([])
})
