import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

// Tests run against the sources, not the build: the package's name and its `imports` map resolve to `src/`.
export default defineConfig({
  resolve: {
    alias: [
      { find: "#native", replacement: path("./src/internal/engine/native/node.ts") },
      { find: "#platform", replacement: path("./src/internal/platform/node.ts") },
      { find: "#vitest", replacement: path("./node_modules/@effect/vitest/dist/index.js") },
      { find: "@effect/vitest", replacement: path("./test/support/vitest.ts") },
      { find: /^flipt-client-effect$/, replacement: path("./src/index.ts") },
      { find: /^flipt-client-effect\/(.*)$/, replacement: `${path("./src")}/$1.ts` }
    ]
  },
  test: {
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    reporters: ["default", ["json", { outputFile: path("./build/tests.json") }]],
    // Tests wait for conditions, even on a busy machine. These limits end those whose condition never occurs.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 3
  }
})
