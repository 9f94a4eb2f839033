/**
 * Reads files and folders, and follows them with a client. Uses real files and real time.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import * as Features from "@flipt-client-effect/features"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as FliptTest from "flipt-client-effect/FliptTest"

/** An empty folder, removed with the Scope. */
const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "features-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

const write = (root: string, file: string, text: string | Uint8Array): void => {
  Fs.mkdirSync(Path.dirname(Path.join(root, file)), { recursive: true })
  Fs.writeFileSync(Path.join(root, file), text)
}

/** A file with a boolean flag. */
const features = (key: string, enabled = true, namespace = "default") =>
  `namespace: ${namespace}\nflags: [{key: ${key}, name: F, type: BOOLEAN_FLAG_TYPE, enabled: ${enabled}}]\n`

const flagKeys = ({ documents }: Features.Converted, namespace = "default"): ReadonlyArray<string> =>
  JSON.parse(new TextDecoder().decode(documents.get(namespace))).flags.map(({ key }: { readonly key: string }) => key)

const read = (path: string, options?: Features.Options) =>
  Features.read(path, options).pipe(Effect.provide(NodeContext.layer))

/** The first problem of invalid files, as `file:line:column reason message`, relative to a folder. */
const problemOf = (root: string, options?: Features.Options) =>
  read(root, options).pipe(
    Effect.flip,
    Effect.map((error) => {
      if (error._tag !== "FeaturesError") {
        throw error
      }
      const [{ column, file, line, message, reason }] = error.problems as [Features.Problem]
      return `${Path.relative(root, file)}:${line}:${column} ${reason} ${message}`
    })
  )

describe("read", () => {
  it.scopedLive("reads a file with any name", () =>
    Effect.gen(function* () {
      const root = yield* folder
      write(root, "flags.txt", features("a"))
      expect(flagKeys(yield* read(Path.join(root, "flags.txt")))).toEqual(["a"])
    })
  )

  it.scopedLive("reads the files of a folder by name, folder by folder, and ignores others", () =>
    Effect.gen(function* () {
      const root = yield* folder
      write(root, "z.features.yaml", features("z"))
      write(root, "a/features.yml", features("a"))
      write(root, "a/b/features.json", '{"flags": [{"key": "b", "name": "B"}]}')
      write(root, "a-b/features.yml", features("a-b"))
      write(root, "other.yml", "no features")
      write(root, "features.json", "no features in the root")
      write(root, "node_modules/x/features.yml", features("n"))
      write(root, ".git/features.yml", features("g"))
      write(root, "..2026/features.yml", features("k"))
      write(root, "shop/features.yml", features("s", true, "shop"))
      Fs.symlinkSync(Path.join(root, "a"), Path.join(root, "linked"))
      Fs.symlinkSync(Path.join(root, "a/features.yml"), Path.join(root, "linked.features.yml"))
      Fs.symlinkSync(Path.join(root, "gone"), Path.join(root, "gone.features.yml"))
      const converted = yield* read(root)
      expect(flagKeys(converted)).toEqual(["b", "a", "a-b", "a", "z"])
      expect(flagKeys(converted, "shop")).toEqual(["s"])
    })
  )

  it.scopedLive("reads the files that .flipt.yml includes and does not exclude", () =>
    Effect.gen(function* () {
      const root = yield* folder
      write(
        root,
        ".flipt.yml",
        'version: "1.0"\ninclude: ["**.flags.yml", "{web,shop}/[a-c]?.yml"]\nexclude: ["internal/*"]\n'
      )
      write(root, "features.yml", features("not-included"))
      write(root, "internal/deep/x.flags.yml", features("excluded"))
      write(root, "deep/er/x.flags.yml", features("deep"))
      write(root, "shop/a1.yml", features("shop"))
      write(root, "web/d1.yml", features("not-in-set"))
      write(root, "web/c1.yml", features("web"))
      expect(flagKeys(yield* read(root))).toEqual(["deep", "shop", "web"])
    })
  )

  it.scopedLive("reports the place of a problem in an index", () =>
    Effect.gen(function* () {
      const root = yield* folder
      for (const [text, problem] of [
        ["include: ['a', '[b']\n", '.flipt.yml:1:16 Value the glob "[b" is not valid: a [ has no ]'],
        ["include: ['{a']\n", '.flipt.yml:1:11 Value the glob "{a" is not valid: a { has no }'],
        ["include: features.yml\n", ".flipt.yml:1:10 Type include must be a list"],
        ["include: [a]\nexclude: [1]\n", ".flipt.yml:2:11 Type "],
        ["include: [\n", ".flipt.yml:2:1 Syntax the YAML is not valid"]
      ] as const) {
        write(root, ".flipt.yml", text)
        expect(yield* problemOf(root)).toContain(problem)
      }
      write(root, ".flipt.yml", "exclude: [a]\n")
      expect((yield* read(root)).warnings).toMatchObject([{ reason: "Missing", line: 1, column: 1 }])
      expect(yield* problemOf(root, { strict: true })).toContain(".flipt.yml:1:1 Missing the index has no list include")
    })
  )

  it.scopedLive("reports where a file is not UTF-8", () =>
    Effect.gen(function* () {
      const root = yield* folder
      write(root, "features.yml", Buffer.concat([Buffer.from("flags: []\n# \ufffd é "), Buffer.from([0xe9, 0x0a])]))
      expect(yield* problemOf(root)).toMatch(/^features\.yml:2:[37] Syntax the file is not UTF-8/)
    })
  )

  it.scopedLive("refuses files that are too large in total, without reading them", () =>
    Effect.gen(function* () {
      const root = yield* folder
      write(root, "a/features.yml", "é".repeat(50))
      write(root, "b/features.yml", "#".repeat(101))
      Fs.truncateSync(Path.join(root, "b/features.yml"), 2 ** 40)
      expect(yield* problemOf(root, { maxSize: 200 })).toMatch(
        /^b\/features\.yml:1:1 Limit .* more than 200 bytes; raise maxSize/
      )
    })
  )

  it.scopedLive("fails with a PlatformError if the path does not exist", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read(Path.join(yield* folder, "gone")))
      expect(error).toMatchObject({ _tag: "SystemError", reason: "NotFound" })
    })
  )
})

/** A client that follows files, by default without polls. */
const following = (path: string, options: Features.LayerOptions = {}) =>
  FliptClient.makeWithoutDependencies({ errorStrategy: "fallback" }).pipe(
    Effect.provide(
      Layer.merge(Features.layer(path, { updateInterval: Number.POSITIVE_INFINITY, ...options }), Engine.layerPortable)
    ),
    Effect.provide(NodeContext.layer)
  )

const isOn = (client: FliptClient.Service, flagKey: string) =>
  client.evaluateBoolean({ flagKey, entityId: "e" }).pipe(
    Effect.map(({ enabled }) => enabled),
    Effect.orElseSucceed(() => undefined)
  )

/** Waits until the flag has the value, or `undefined` for no flag. Checks whenever the client's status changes. */
const awaitFlag = (client: FliptClient.Service, flagKey: string, value: boolean | undefined) =>
  client.statusChanges.pipe(
    Stream.mapEffect(() => isOn(client, flagKey)),
    Stream.takeUntil((found) => found === value),
    Stream.runDrain
  )

const awaitError = (client: FliptClient.Service) =>
  client.statusChanges.pipe(
    Stream.filter((status) => status._tag === "Stale" || status._tag === "Failed"),
    Stream.runHead,
    Effect.flatten,
    Effect.map(({ error }) => error)
  )

describe("layer", () => {
  it.scopedLive("follows a file that is edited, replaced, removed and created again", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const file = Path.join(root, "features.yml")
      write(root, "features.yml", features("a", false))
      const client = yield* following(file)
      expect(yield* isOn(client, "a")).toBe(false)
      write(root, "features.yml", features("a", true))
      yield* awaitFlag(client, "a", true)
      write(root, "new.yml", features("a", false))
      Fs.renameSync(Path.join(root, "new.yml"), file)
      yield* awaitFlag(client, "a", false)
      Fs.rmSync(file)
      expect(yield* awaitError(client)).toMatchObject({ _tag: "FetchError", reason: "Source" })
      expect(yield* isOn(client, "a")).toBe(false)
      write(root, "features.yml", features("a", true))
      yield* awaitFlag(client, "a", true)
    })
  )

  it.scopedLive("follows files and folders that are added to and removed from a folder", () =>
    Effect.gen(function* () {
      const root = yield* folder
      write(root, "a/features.yml", features("a"))
      const client = yield* following(root)
      expect(yield* isOn(client, "a")).toBe(true)
      write(root, "a/b.features.yml", features("b"))
      yield* awaitFlag(client, "b", true)
      Fs.mkdirSync(Path.join(root, "ready"))
      write(root, "ready/features.yml", features("c"))
      yield* awaitFlag(client, "c", true)
      write(root, "ready/features.yml", features("c", false))
      yield* awaitFlag(client, "c", false)
      Fs.rmSync(Path.join(root, "a/b.features.yml"))
      yield* awaitFlag(client, "b", undefined)
      Fs.rmSync(Path.join(root, "ready"), { recursive: true })
      yield* awaitFlag(client, "c", undefined)
      write(root, ".flipt.yml", "include: ['x/*']\n")
      write(root, "x/any.yml", features("d"))
      yield* awaitFlag(client, "d", true)
      expect(yield* isOn(client, "a")).toBeUndefined()
    })
  )

  it.scopedLive("keeps the last state while a file is invalid, and reports it in the status", () =>
    Effect.gen(function* () {
      const root = yield* folder
      write(root, "features.yml", features("a", true))
      const client = yield* following(root)
      write(root, "features.yml", "flags:\n  - key: a\n    enabled: maybe\n    type: 1\n")
      const error = yield* awaitError(client)
      expect(error).toMatchObject({
        _tag: "FetchError",
        reason: "Source",
        retryable: false,
        message: expect.stringContaining("features.yml:3:14: error: enabled must be true or false"),
        cause: { _tag: "FeaturesError", problems: { length: 3 } }
      })
      expect(yield* isOn(client, "a")).toBe(true)
      write(root, "features.yml", features("a", false))
      yield* awaitFlag(client, "a", false)
      expect((yield* client.status)._tag).toBe("Ready")
    })
  )

  it.scopedLive("reads the files again at each updateInterval, if the watch reports nothing", () =>
    Effect.gen(function* () {
      const root = yield* folder
      write(root, "deep/er/other.yml", "")
      write(root, "features.yml", features("a"))
      const client = yield* following(root, { updateInterval: "50 millis" })
      // not a folder that contained flag files
      write(root, "deep/er/features.yml", features("b"))
      yield* awaitFlag(client, "b", true)
    })
  )

  it.scopedLive("serves its namespace, or names the existing ones", () =>
    Effect.gen(function* () {
      const root = yield* folder
      write(root, "features.yml", features("a", true, "shop"))
      const client = yield* following(root, { namespace: "shop", environment: "staging" })
      expect(yield* isOn(client, "a")).toBe(true)
      expect(yield* client.status).toMatchObject({ _tag: "Ready", origin: "file", mode: "file" })
      const other = yield* following(root)
      expect(yield* awaitError(other)).toMatchObject({
        reason: "Source",
        message: expect.stringMatching(/have no namespace "default"; they have the namespaces "shop"$/)
      })
    })
  )

  it.scopedLive("logs warnings once per content", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      lines.push(`${logLevel.label} ${String(message)}`)
    })
    return Effect.gen(function* () {
      const root = yield* folder
      write(root, "features.yml", "flags: [{key: a}]\n")
      const client = yield* following(root)
      yield* client.refresh
      yield* client.refresh
      const warnings = lines.filter((line) => line.startsWith("WARN"))
      expect(warnings).toEqual([expect.stringMatching(/^WARN .*features\.yml:1:9: warning: the field name is missing/)])
    }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
  })

  it.effect("rejects an invalid path and invalid options", () =>
    Effect.gen(function* () {
      const refused = (path: unknown, options: unknown = {}) =>
        Layer.build(Features.layer(path as string, options as Features.LayerOptions)).pipe(
          Effect.scoped,
          Effect.provide(NodeContext.layer),
          Effect.flip
        )
      for (const path of ["", " ", "a\0b", 1]) {
        expect(yield* refused(path)).toMatchObject({ _tag: "ValidationError", reason: "Argument", path: "path" })
      }
      for (const [path, options] of [
        ["strict", { strict: 1 }],
        ["maxSize", { maxSize: Number.NaN }],
        ["namespace", { namespace: "" }],
        ["updateInterval", { updateInterval: "soon" }],
        ["interval", { interval: 1 }]
      ] as const) {
        expect(yield* refused("features.yml", options)).toMatchObject({
          _tag: "ValidationError",
          reason: "Option",
          path
        })
      }
    })
  )
})

describe("FliptTest.layerFetcher", () => {
  it.scopedLive("uses the files as the state, which set flags override", () =>
    Effect.gen(function* () {
      const root = yield* folder
      write(root, "features.yml", `${features("a", true)}---\n${features("b", true)}`)
      const kit = FliptTest.layerFetcher({ b: false }).pipe(
        Layer.provide(Features.layer(root)),
        Layer.provide(NodeContext.layer)
      )
      yield* Effect.gen(function* () {
        const client = yield* FliptClient.FliptClient
        expect([yield* isOn(client, "a"), yield* isOn(client, "b")]).toEqual([true, false])
        yield* FliptTest.set("a", false)
        expect(yield* isOn(client, "a")).toBe(false)
        expect((yield* FliptTest.evaluations).length).toBe(3)
      }).pipe(Effect.provide(kit))
    })
  )

  it.scopedLive("dies on files that do not convert", () =>
    Effect.gen(function* () {
      const root = yield* folder
      write(root, "features.yml", "flags: 1\n")
      const kit = FliptTest.layerFetcher().pipe(Layer.provide(Features.layer(root)), Layer.provide(NodeContext.layer))
      const cause = yield* Effect.flip(Effect.sandbox(Layer.build(kit)))
      expect(Cause.squash(cause)).toMatchObject({ _tag: "FetchError", message: expect.stringContaining(":1:8:") })
    })
  )
})

it.scopedLive("a fetch returns NotModified for unchanged files", () =>
  Effect.gen(function* () {
    const root = yield* folder
    write(root, "features.yml", features("a"))
    const context = yield* Layer.build(Features.layer(root)).pipe(Effect.provide(NodeContext.layer))
    const fetcher = Context.get(context, Fetcher.Fetcher)
    const first = yield* fetcher.fetch(yield* Effect.succeedNone)
    expect(first._tag).toBe("Document")
    const version = first._tag === "Document" ? first.version : yield* Effect.succeedNone
    write(root, "features.yml", `# another comment\n${features("a")}`)
    expect((yield* fetcher.fetch(version))._tag).toBe("NotModified")
    write(root, "features.yml", features("a", false))
    expect((yield* fetcher.fetch(version))._tag).toBe("Document")
  })
)
