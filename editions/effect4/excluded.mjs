/**
 * Tests that do not apply to the edition for Effect 4, each with its reason: a whole file, or tests by name.
 */
export const excluded = [
  {
    file: "test/crate.test.ts",
    reason: "The crate is the same for all editions, and `npm test` checks it."
  },
  {
    file: "test/overlays.test.ts",
    reason: "It checks the sources of this edition against the repository."
  },
  {
    file: "test/docs.test.ts",
    test: "every example of the documents and docstrings compiles",
    reason: "Pages also show the packages that exist for Effect 3 only."
  },
  {
    file: "test/project.test.ts",
    test: "are formatted and pass the linter, import cycles included",
    reason: "What is generated is formatted when it is written; the linter judges the sources it is made from."
  }
]
