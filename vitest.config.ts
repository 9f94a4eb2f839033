import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

// Tests run against the sources, not the build: the packages' names and the client's `imports` map resolve to `src/`.
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
    include: ["test/**/*.test.ts", "examples/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    reporters: ["default", ["json", { outputFile: path("./build/tests.json") }]],
    // Tests wait for conditions, even on a busy machine. This limit ends a test whose condition never occurs.
    testTimeout: 120_000,
    // much of the time is spent waiting for sockets and timers
    maxWorkers: 3,
    minWorkers: 1
  }
})
