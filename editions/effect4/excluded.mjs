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
    file: "test/yieldToEventLoop.test.ts",
    test: "lets the event loop turn, unlike Effect.yieldNow",
    reason: "In Effect 4, a yield lets the event loop turn."
  },
  {
    file: "test/chaos/closing.test.ts",
    test: "close leaves no fiber, socket, timer or native handle",
    reason: "Its child process counts fibers with a Supervisor, which Effect 4 does not have."
  },
  {
    file: "test/Flag.test.ts",
    test: "with an attachment that is",
    reason: "It expects the messages of Effect 3's Schema, which show the value. Effect 4's messages do not."
  },
  {
    file: "test/fleet.test.ts",
    reason: "It compares real clients with the simulation in bench/, which steps through Schedules of Effect 3."
  },
  {
    file: "test/httpServer.test.ts",
    reason: "Its example declares an HTTP API, which Effect 4 does differently. The edition does not have the example."
  },
  {
    file: "test/examples.test.ts",
    test: "there is a test for every example",
    reason: "The edition does not have the example of an HTTP API."
  },
  {
    file: "test/project.test.ts",
    test: "the package has the version that it sends to the server",
    reason: "The platform packages have the version of the release for Effect 3."
  },
  {
    file: "test/docs.test.ts",
    test: "every example in the documentation and docstrings compiles",
    reason: "Pages also show the packages that exist for Effect 3 only."
  },
  {
    file: "test/project.test.ts",
    test: "are formatted and pass the linter, import cycles included",
    reason: "Generated files are formatted when they are written, and the linter checks their sources."
  }
]
