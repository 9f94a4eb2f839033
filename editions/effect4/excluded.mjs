/**
 * Tests that do not apply to the edition for Effect 4, each with its reason: a whole file, which the edition does not
 * have, or tests by name.
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
    file: "test/httpServer.test.ts",
    reason: "Its example declares an HTTP API, which Effect 4 does differently. The edition does not have the example."
  },
  {
    file: "test/yieldToEventLoop.test.ts",
    test: "lets the event loop turn, unlike Effect.yieldNow",
    reason: "In Effect 4, a yield lets the event loop turn."
  },
  {
    file: "test/examples.test.ts",
    test: "there is a test for every example",
    reason:
      "The edition does not have the examples of an HTTP API and of the relay, whose package exists for Effect 3 only."
  },
  {
    file: "test/architecture.test.ts",
    test: "named in docs/design.md exist",
    reason: "The page describes the repository, with packages that exist for Effect 3 only."
  },
  {
    file: "test/project.test.ts",
    test: "looks for platform packages of its own version",
    reason: "The platform packages have the version of the release for Effect 3."
  },
  {
    file: "test/project.test.ts",
    test: "has the version of its companions, which depend on it",
    reason: "The companions exist for Effect 3 only."
  },
  {
    file: "test/project.test.ts",
    test: "has an edition for Effect 4 with the corresponding version",
    reason: "It compares the release for Effect 3 with this edition."
  },
  {
    file: "test/project.test.ts",
    test: "are formatted and pass the linter, import cycles included",
    reason: "Generated files are formatted when they are written, and the linter checks their sources."
  }
]
