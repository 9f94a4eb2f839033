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
    file: "test/fleet.test.ts",
    reason: "It holds the simulation of bench/, which steps through Schedules of Effect 3, against real clients."
  },
  {
    file: "test/httpServer.test.ts",
    reason: "Its example declares an HTTP API, which Effect 4 declares in another way. The edition does not have the example."
  },
  {
    file: "test/examples.test.ts",
    test: "there is a test for every example",
    reason: "The edition does not have the example of an HTTP API."
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
