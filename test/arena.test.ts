/**
 * The memory into which requests to the native library are written.
 */
import { describe, expect, it } from "@effect/vitest"
import { Arena, makeTextEntry, slotWords } from "../src/internal/engine/native/arena.js"
import type { Library } from "../src/internal/engine/native/library.js"

/** An arena without a library, and the sizes of the memory that it would have registered. */
const make = () => {
  const sizes = new Map<number, number>()
  let last = 0
  const library: Pick<Library, "arenaFree" | "arenaNew"> = {
    arenaNew: (_, length) => {
      sizes.set(++last, length)
      return last
    },
    arenaFree: (arena) => (sizes.delete(arena) ? 0 : -1)
  }
  return { arena: new Arena(library as Library), sizes }
}

describe("an arena", () => {
  it("returns the memory of a large text with the next call", () => {
    const { arena, sizes } = make()
    const place = makeTextEntry()
    arena.ensureWords(slotWords(0))
    arena.writeSlot(0, place, "x".repeat(5_000_000))
    expect(arena.word(1)).toBe(5_000_000)
    expect([...sizes.values()][0]).toBeGreaterThan(5_000_000)
    arena.ensureWords(slotWords(0))
    arena.writeSlot(0, place, "small")
    expect([...sizes.values()]).toEqual([4096])
    expect(arena.word(1)).toBe(5)
  })

  it("returns the memory of a large batch when it is reset", () => {
    const { arena, sizes } = make()
    const place = makeTextEntry()
    arena.ensureWords(1_000_000)
    expect([...sizes.values()]).toEqual([4_194_304])
    for (let i = 0; i < 300; i++) {
      arena.ensureWords(slotWords(0))
      arena.writeSlot(0, place, `${i}`.padEnd(100))
    }
    expect([...sizes.values()].every((size) => size <= 65_536)).toBe(true)
  })
})
