/**
 * The published package: its tarball in a new project, the README's first example, and the example of a fleet. Needs the
 * build, which `npm test` makes first.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { booleanFlag, makeDocument } from "../../../test/support/documents.js"
import * as FliptServer from "../../../test/support/FliptServer.js"
import * as Folder from "../../../test/support/Folder.js"
import * as Packed from "../../../test/support/packed.js"
import * as RedisServer from "./support/RedisServer.js"

const { missing } = RedisServer
const directory = fileURLToPath(new URL("..", import.meta.url))

/** The first program of the README. */
const program = Packed.fences(Fs.readFileSync(Path.join(directory, "README.md"), "utf8"), "ts")[0]!

describe("the package", () => {
  it.scopedLive(
    `passes publint and attw, and runs the README's first example${missing === undefined ? "" : ` (not run: ${missing})`}`,
    () =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        const tarball = yield* Packed.pack(directory, folder)
        yield* Packed.unpack(yield* Packed.pack(Packed.root, folder), folder, "flipt-client-effect")
        yield* Packed.unpack(tarball, folder, "@flipt-client-effect/redis")
        for (const name of ["effect", "@effect/platform", "koffi", "ioredis", "@types/node"]) {
          Packed.link(name, folder, directory)
        }
        Fs.writeFileSync(Path.join(folder, "package.json"), '{ "type": "module" }')

        yield* Packed.check(tarball)

        Fs.writeFileSync(Path.join(folder, "main.ts"), program)
        const options = ["--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck", "--types", "node"]
        yield* Packed.run(Packed.bin("tsgo"), [...options, "main.ts"], folder)
        if (missing === undefined) {
          const redis = yield* RedisServer.make()
          const flipt = yield* FliptServer.make({
            documents: { shop: makeDocument([booleanFlag("new-checkout", true)], "shop") }
          })
          const output = yield* Packed.run(process.execPath, ["main.js"], folder, {
            FLIPT_URL: flipt.url,
            REDIS_URL: redis.url
          })
          expect(output).toMatch(/^new-checkout is on$/m)
          expect(yield* Effect.promise(() => redis.client.keys("flipt:{default/shop}:body:*"))).toHaveLength(1)
        }
      }),
    180_000
  )
})

describe.skipIf(missing !== undefined)(
  `examples/fleet.ts${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    it.scopedLive("runs three processes, one of which fetches from Flipt", () =>
      Effect.gen(function* () {
        const redis = yield* RedisServer.make()
        const output = yield* Packed.run(process.execPath, ["build/examples/fleet.js"], Packed.root, {
          REDIS_URL: redis.url
        })
        expect(output.trim().split("\n")).toEqual([
          "one (polling): false, two (redis): false, three (redis): false",
          "the flag changes",
          "one (polling): true, two (redis): true, three (redis): true",
          "the leader is killed",
          "another process leads",
          "the flag is off everywhere; Flipt was asked by one process at a time"
        ])
      })
    )
  }
)
