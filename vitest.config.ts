import { fileURLToPath } from "node:url"
import { configDefaults, defineConfig } from "vitest/config"

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

const include = ["test/**/*.test.ts", "examples/**/*.test.ts", "packages/*/test/**/*.test.ts"]

/**
 * Most test files share a few processes, because loading the modules for each file would take a third of the time. These
 * have a context each: they replace modules, or test what happens once per process.
 */
const isolated = ["changes", "choice", "resources", "status", "unhandled"].map((name) => `test/${name}.test.ts`)

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
    projects: [
      { extends: true, test: { name: "isolated", pool: "vmForks", include: isolated } },
      { extends: true, test: { name: "shared", include, exclude: [...configDefaults.exclude, ...isolated] } }
    ],
    reporters: ["default", ["json", { outputFile: path("./build/tests.json") }]],
    setupFiles: [path("./test/support/setup.ts")],
    // Tests wait for conditions, even on a busy machine. These limits end those whose condition never occurs.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    poolOptions: {
      // Equal numbers, because Vitest 3 may give a file to a worker that it is ending as idle.
      forks: { isolate: false, minForks: 4, maxForks: 4 },
      vmForks: { minForks: 1, maxForks: 1 }
    }
  }
})
