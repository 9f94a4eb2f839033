import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { configDefaults, defineConfig } from "vitest/config"

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

/**
 * The files that get a process each: those that replace modules, measure the whole process, or move a clock. Tests that move
 * a clock have met clocks of other files in a shared process. All other files share processes, if Vitest runs by `npm test`
 * (scripts/test.mjs).
 */
const needsProcess = /vi\.mock|TestClock|HandClock|fleetClock|withClock|awaitSleep|handMade|grace/
const isolated = [
  "test/choice.test.ts",
  "test/resources.test.ts",
  ...["test", "test/chaos"].flatMap((folder) =>
    readdirSync(path(folder))
      .filter((name) => name.endsWith(".test.ts") && needsProcess.test(readFileSync(path(`${folder}/${name}`), "utf8")))
      .map((name) => `${folder}/${name}`)
  )
]

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
