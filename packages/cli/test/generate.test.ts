/**
 * The output of `generate` type-checks and agrees with its flags.
 */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as Flag from "flipt-client-effect/Flag"
import * as FliptClient from "flipt-client-effect/FliptClient"
import { run } from "./support/command.js"
import { documentOf, hostileDocument } from "./support/flags.js"

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** A folder inside the repository, where the generated module resolves the client like the tests. */
const workspace = Effect.acquireRelease(
  Effect.sync(() => {
    mkdirSync(join(root, "build"), { recursive: true })
    return mkdtempSync(join(root, "build/generated-"))
  }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const typeCheck = (folder: string) =>
  Effect.async<string>((resume) => {
    const child = execFile(
      process.execPath,
      [join(root, "node_modules/@typescript/native-preview/bin/tsgo"), "-p", folder],
      (_, stdout, stderr) => resume(Effect.succeed(stdout + stderr))
    )
    return Effect.sync(() => child.kill())
  })

/** A variant flag with one rule for everyone and these attachments. */
const withAttachments = (key: string, ...attachments: ReadonlyArray<string>) => ({
  key,
  name: "",
  description: "",
  enabled: true,
  type: "VARIANT_FLAG_TYPE",
  rules: [
    {
      id: "r",
      rank: 1,
      segmentOperator: "OR_SEGMENT_OPERATOR",
      segments: [{ key: "everyone", matchType: "ALL_SEGMENT_MATCH_TYPE", constraints: [] }],
      distributions: attachments.map((variantAttachment, index) => ({
        ruleId: "r",
        variantKey: `v${index}`,
        variantAttachment,
        rollout: 100 / attachments.length
      }))
    }
  ],
  rollouts: []
})

const fields = ['{"a":1,"__proto__":{"b":2},"c d":[{"x":1},{"y":2}]}', '{"a":"1","e":[]}']

const deep = (depth: number): string => `${'{"a":['.repeat(depth)}1${"]}".repeat(depth)}`

const document: {
  readonly namespace: { readonly key: string }
  readonly flags: ReadonlyArray<{ readonly key: string }>
} = {
  namespace: { key: "default" },
  flags: [
    ...documentOf().flags,
    ...hostileDocument.flags,
    // keys that lead to equal or invalid identifiers
    ...["new_checkout", "newCheckout", "2fa", "flag", "schema", "--", "ünïcode", "__proto__", "themeValue"].map((key) =>
      withAttachments(key, '{"a":1}', "null")
    ),
    withAttachments("unions", "1", '"text"', "true", '[1,"a",null]', "{}", "null"),
    withAttachments("fields", ...fields),
    withAttachments("numbers", "1e999", "-1e999", "-0", "1e300"),
    withAttachments("deep", deep(50)),
    withAttachments("wide", JSON.stringify(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`k${n}`, n])))),
    withAttachments("not-json", "{", '{"a":1}'),
    withAttachments("without"),
    { ...withAttachments("nothing"), rules: [] }
  ]
}

it.scopedLive(
  "writes a module that type-checks and that Flag.validate accepts",
  () =>
    Effect.gen(function* () {
      const folder = yield* workspace
      const path = join(folder, "flags.json")
      writeFileSync(path, JSON.stringify(document))
      const module = join(folder, "flags.ts")
      const outcome = yield* run(["generate", "--file", path, "--output", module])
      expect(outcome).toMatchObject({ code: 0, stdout: "" })
      writeFileSync(
        join(folder, "tsconfig.json"),
        JSON.stringify({
          extends: "../../tsconfig.json",
          compilerOptions: { incremental: false, rootDir: "../.." },
          include: ["*.ts"],
          exclude: []
        })
      )
      expect(yield* typeCheck(folder)).toBe("")

      const generated = (yield* Effect.promise(() => import(module))) as Record<string, unknown>
      const decode = Schema.decodeUnknownSync(generated.FieldsAttachment as Schema.Schema<unknown>, {
        onExcessProperty: "error"
      })
      for (const attachment of fields) {
        expect(() => decode(JSON.parse(attachment))).not.toThrow()
      }

      const declared = Object.values(generated).filter(Flag.isFlag)
      expect(new Set(declared.map(({ key }) => key))).toEqual(
        new Set(document.flags.map(({ key }) => key).filter((key) => key !== "nothing" && key !== "without"))
      )
      const client = FliptClient.layerWithoutDependencies().pipe(
        Layer.provide([Fetcher.layerFile(path), Engine.layerPortable])
      )
      const differences = yield* Effect.provide(Flag.validate(declared), client)
      expect(differences).toEqual([])
      // shows that the check above can fail
      const wrong = Flag.variant("theme", ["light"], { default: "light" })
      expect(yield* Effect.provide(Flag.validate([wrong]), client)).toHaveLength(1)
    }),
  300_000
)
