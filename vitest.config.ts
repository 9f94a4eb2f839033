import { fileURLToPath } from "node:url"
import { configDefaults, defineConfig } from "vitest/config"

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/**
 * The files that get a process each, because they replace modules, measure the whole process, or count on every sleep of
 * the TestClock (retriesAndPolls). The others share processes, if Vitest runs by `npm test` (scripts/test.mjs).
 */
const isolated = ["changes", "choice", "resources", "retriesAndPolls", "status", "unhandled"].map(
  (name) => `test/${name}.test.ts`
)

// The sources are tested, not the build: the packages' names and the client's `imports` map lead to `src/`.
export default defineConfig({
  resolve: {
    alias: [
      { find: "#native", replacement: path("./src/internal/engine/native/node.ts") },
      { find: "#platform", replacement: path("./src/internal/platform/node.ts") },
      { find: /^flipt-client-effect$/, replacement: path("./src/index.ts") },
      { find: /^flipt-client-effect\/(.*)$/, replacement: `${path("./src")}/$1.ts` },
      { find: /^@flipt-client-effect\/([^/]+)$/, replacement: `${path("./packages")}/$1/src/index.ts` }
    ]
  },
  test: {
    projects: [
      { extends: true, test: { name: "isolated", include: isolated } },
      {
        extends: true,
        test: {
          name: "shared",
          include: ["test/**/*.test.ts", "examples/**/*.test.ts", "packages/*/test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...isolated]
        }
      }
    ],
    // Tests wait for conditions: this ends those that wait in vain, even on a machine that is busy with other work.
    testTimeout: 120_000,
    // Much of the time is spent waiting for sockets and timers. Equal numbers, because Vitest 3 may give a file to a worker
    // that it is ending as idle.
    maxWorkers: 4,
    minWorkers: 4
  }
})
