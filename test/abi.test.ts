/**
 * Compares the numbers in the loader with `native/README.md`. The crate's tests compare the same tables with the library.
 */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import { BlobKind, Code, JobKind, Stat } from "../src/internal/engine/native/library.js"

const readme = readFileSync(new URL("../native/README.md", import.meta.url), "utf8")

/** The names and numbers in the table under a heading. */
const table = (heading: string): Readonly<Record<string, number>> => {
  const section = readme.split(`\n### ${heading}\n`)[1]?.split("\n#")[0] ?? ""
  return Object.fromEntries(
    Array.from(section.matchAll(/^\| (-?\d+) \| `(\w+)` \|/gm), ([, number, name]) => [name, Number(number)])
  )
}

describe("the numbers of the native ABI match its documentation", () => {
  it.each([
    ["Codes", Code],
    ["Job kinds", JobKind],
    ["Blob kinds", BlobKind],
    ["Counters", Stat]
  ] as const)("%s", (heading, numbers) => {
    expect(table(heading)).toEqual(numbers)
  })
})
