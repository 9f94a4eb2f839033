import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

// The sources are tested, not the build: the package's own name and its `imports` map lead to `src/`.
export default defineConfig({
  resolve: {
    alias: [
      { find: "#native", replacement: path("./src/internal/engine/native/node.ts") },
      { find: "#platform", replacement: path("./src/internal/platform/node.ts") },
      { find: /^flipt-client-effect$/, replacement: path("./src/index.ts") },
      { find: /^flipt-client-effect\/(.*)$/, replacement: `${path("./src")}/$1.ts` }
    ]
  },
  test: {
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    reporters: ["default", ["json", { outputFile: path("./build/tests.json") }]],
    testTimeout: 30_000,
    // much of the time is spent waiting for sockets and timers
    maxWorkers: 3,
    minWorkers: 1
  }
})
