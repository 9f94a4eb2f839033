import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as FileSystem from "@effect/platform/FileSystem"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as PlatformPath from "@effect/platform/Path"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Esbuild from "esbuild"
import * as fc from "fast-check"
import type { ValidationError } from "../src/FliptError.js"
import { replaceFileIn } from "../src/internal/platform/directory.js"
import { decode, encode, entryName, namePattern } from "../src/internal/store/entry.js"
import * as SnapshotStore from "../src/SnapshotStore.js"
import * as Folder from "./support/Folder.js"
import { captured } from "./support/logs.js"
import { until } from "./support/wait.js"

const target: SnapshotStore.Target = { environment: "default", namespace: "shop" }

const entryOf = (chunks: ReadonlyArray<string | Uint8Array>, version: string | undefined = '"v1"') =>
  ({
    bytes: chunks.map((chunk) => (typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk)),
    version: Option.fromNullable(version),
    storedAt: DateTime.unsafeMake("2026-03-01T12:00:00.123Z")
  }) satisfies SnapshotStore.Entry

const small = entryOf(['{"namespace":{"key":"shop"},', '"flags":[]}\n'])

const join = (pieces: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(pieces))

/** An entry without its chunk boundaries, which a store need not preserve. */
const contentOf = ({ bytes, storedAt, version }: SnapshotStore.Entry) => ({
  document: join(bytes),
  version,
  storedAt: DateTime.toEpochMillis(storedAt)
})

/** Compares whole buffers, because `toEqual` compares bytes one by one. */
const expectSame = (loaded: Option.Option<SnapshotStore.Entry>, saved: SnapshotStore.Entry) => {
  const { document, ...rest } = contentOf(Option.getOrThrow(loaded))
  const { document: expected, ...expectedRest } = contentOf(saved)
  expect(rest).toEqual(expectedRest)
  expect(Buffer.compare(document, expected)).toBe(0)
}

const build = <E, R>(layer: Layer.Layer<SnapshotStore.SnapshotStore, E, R>) =>
  Effect.map(Layer.build(layer), Context.get(SnapshotStore.SnapshotStore))

/** A Storage, like in browsers. */
const storage = (): Storage => {
  const items = new Map<string, string>()
  return {
    get length() {
      return items.size
    },
    clear: () => items.clear(),
    getItem: (key) => items.get(key) ?? null,
    key: (index) => [...items.keys()][index] ?? null,
    removeItem: (key) => void items.delete(key),
    setItem: (key, value) => void items.set(key, String(value))
  }
}

/** The KeyValueStore over files, with the part of a FileSystem that it needs. */
const keyValueFiles: Layer.Layer<KeyValueStore.KeyValueStore> = Layer.unwrapScoped(
  Effect.map(Folder.make, (folder) =>
    KeyValueStore.layerFileSystem(folder).pipe(
      Layer.provide([
        PlatformPath.layer,
        FileSystem.layerNoop({
          exists: (path) => Effect.sync(() => Fs.existsSync(path)),
          readFile: (path) =>
            Fs.existsSync(path)
              ? Effect.sync(() => new Uint8Array(Fs.readFileSync(path)))
              : FileSystem.makeNoop({}).readFile(path),
          readFileString: (path) =>
            Fs.existsSync(path)
              ? Effect.sync(() => Fs.readFileSync(path, "utf8"))
              : FileSystem.makeNoop({}).readFileString(path),
          writeFile: (path, data) => Effect.sync(() => Fs.writeFileSync(path, data))
        })
      ]),
      Layer.orDie
    )
  )
)

const prefixed = (layer: Layer.Layer<KeyValueStore.KeyValueStore>) =>
  Layer.map(layer, (context) =>
    Context.make(
      KeyValueStore.KeyValueStore,
      KeyValueStore.prefix(Context.get(context, KeyValueStore.KeyValueStore), "shop/")
    )
  )

const stores: {
  readonly [name: string]: Effect.Effect<SnapshotStore.Service, ValidationError, Scope.Scope>
} = {
  files: Effect.flatMap(Folder.make, (folder) => build(SnapshotStore.layerFileSystem(folder))),
  ...Object.fromEntries(
    Object.entries({
      "a KeyValueStore in memory": KeyValueStore.layerMemory,
      "a KeyValueStore over a Storage": KeyValueStore.layerStorage(storage),
      "a KeyValueStore over files": keyValueFiles,
      "a KeyValueStore in memory, with a prefix": prefixed(KeyValueStore.layerMemory),
      "a KeyValueStore over a Storage, with a prefix": prefixed(KeyValueStore.layerStorage(storage)),
      "a KeyValueStore over files, with a prefix": prefixed(keyValueFiles)
    }).map(([name, layer]) => [name, build(Layer.provide(SnapshotStore.layerKeyValueStore, layer))])
  )
}

/** This store saves bytes as text, which corrupts bytes that are not text, so that the entry fails its check. */
const keepsBytes = (name: string) => name !== "a KeyValueStore over files, with a prefix"

describe.each(Object.entries(stores))("a store in %s", (name, make) => {
  it.scopedLive("is empty at first, and logs nothing about it", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const store = yield* make
        expect(yield* store.load(target)).toEqual(Option.none())
        expect(lines).toEqual([])
      })
    )
  )

  it.scopedLive("returns what was last saved for each target, byte for byte", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const store = yield* make
        const text = "é𝄞\0\n\u2028\ufeff"
        const everyByte = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256)
        const entries = new Map<SnapshotStore.Target, SnapshotStore.Entry>([
          [target, small],
          [{ ...target, environment: "staging" }, entryOf([text, "", text], `W/"ü\n"`)],
          [{ environment: "shop", namespace: "default" }, entryOf([], undefined)],
          [
            { environment: "a", namespace: "many" },
            entryOf(
              Array.from({ length: 999 }, (_, index) => `[${index}]`),
              ""
            )
          ],
          [
            { environment: "a", namespace: "bytes" },
            entryOf(keepsBytes(name) ? [everyByte, everyByte] : [JSON.stringify([...everyByte])])
          ]
        ])
        for (const [target, entry] of entries) {
          yield* store.save(target, entryOf(["the one before"]))
          yield* store.save(target, entry)
        }
        for (const [target, entry] of entries) {
          expectSame(yield* store.load(target), entry)
        }
        expect(lines).toEqual([])
      })
    )
  )

  it.scopedLive("keeps apart keys of any length and any characters", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const store = yield* make
        const keys = [
          "shop",
          "Shop",
          "SHOP",
          "..",
          "a/b",
          "a\\b",
          "a_b",
          "con",
          "*",
          " ",
          "ß",
          "x".repeat(300),
          "é",
          "a\0b"
        ]
        const targets = keys.flatMap((key) => [
          { environment: key, namespace: "default" },
          { environment: "default", namespace: key }
        ])
        for (const [index, target] of targets.entries()) {
          yield* store.save(target, entryOf([`document ${index}`], `v${index}`))
        }
        for (const [index, target] of targets.entries()) {
          expectSame(yield* store.load(target), entryOf([`document ${index}`], `v${index}`))
        }
        expect(lines).toEqual([])
      })
    )
  )

  it.scopedLive("lets the event loop turn while it processes a large document", () =>
    Effect.gen(function* () {
      const store = yield* make
      const mebibytes = 6
      const chunk = new TextEncoder().encode("flag".repeat(256 * 1024))
      const entry = entryOf(Array.from({ length: mebibytes }, () => chunk))
      let turns = 0
      const count = () => {
        turns++
        immediate = setImmediate(count)
      }
      let immediate = setImmediate(count)
      yield* store.save(target, entry)
      expect(turns).toBeGreaterThan(mebibytes * 3)
      turns = 0
      const loaded = yield* store.load(target)
      expect(turns).toBeGreaterThan(mebibytes * 3)
      clearImmediate(immediate)
      expectSame(loaded, entry)
    })
  )
})

/** A store in memory whose entries a test can overwrite with any bytes, and the logged warnings. */
const damaged = <A, E>(
  use: (store: {
    readonly loadOf: (bytes: Uint8Array) => Effect.Effect<Option.Option<SnapshotStore.Entry>>
    readonly warnings: Effect.Effect<ReadonlyArray<string>>
  }) => Effect.Effect<A, E>
) =>
  captured((lines) =>
    Effect.gen(function* () {
      const values = yield* KeyValueStore.KeyValueStore
      const store = yield* build(SnapshotStore.layerKeyValueStore)
      let read = 0
      return yield* use({
        loadOf: (bytes) => Effect.zipRight(Effect.orDie(values.set(entryName(target), bytes)), store.load(target)),
        warnings: Effect.sync(() => {
          const fresh = lines.slice(read)
          read = lines.length
          return fresh.map(({ level, message }) => `${level} ${message}`)
        })
      })
    })
  ).pipe(Effect.scoped, Effect.provide(KeyValueStore.layerMemory))

describe("a corrupt entry", () => {
  const bytesOf = (entry: SnapshotStore.Entry, of = target) => Effect.map(encode(of, entry), join)

  const ignored = (bytes: Uint8Array, problem: string) =>
    damaged(({ loadOf, warnings }) =>
      Effect.gen(function* () {
        expect(yield* loadOf(bytes)).toEqual(Option.none())
        expect(yield* warnings).toEqual([
          `WARN Flipt: the stored snapshot of the namespace "shop" in the environment "default" is ignored: ${problem} ` +
            `(key ${entryName(target)}); the next loaded state replaces it`
        ])
      })
    )

  it.live("is ignored with one warning if it is truncated anywhere", () =>
    damaged(({ loadOf, warnings }) =>
      Effect.gen(function* () {
        const whole = yield* bytesOf(small)
        for (let length = 0; length < whole.length; length++) {
          expect(yield* loadOf(whole.subarray(0, length)), `${length}`).toEqual(Option.none())
          expect(yield* warnings).toHaveLength(1)
          expect(yield* loadOf(whole.subarray(whole.length - length)), `${length}`).toEqual(Option.none())
          expect(yield* warnings).toHaveLength(1)
        }
        expectSame(yield* loadOf(whole), small)
        for (const more of [" ", "\n", "\0"]) {
          expect(yield* loadOf(join([whole, Buffer.from(more)]))).toEqual(Option.none())
        }
      })
    )
  )

  it.live("is ignored if a part of a large one is missing or was never written", () =>
    damaged(({ loadOf }) =>
      Effect.gen(function* () {
        const large = entryOf([Uint8Array.from({ length: 700_000 }, (_, index) => (index * index) % 251)])
        const whole = yield* bytesOf(large)
        for (let length = 4096; length < whole.length; length += 40_960) {
          expect(yield* loadOf(whole.subarray(0, length))).toEqual(Option.none())
          // as after a power cut, on a file system that kept only the length
          expect(yield* loadOf(join([whole.subarray(0, length), new Uint8Array(whole.length - length)]))).toEqual(
            Option.none()
          )
          const block = Uint8Array.from(whole)
          expect(yield* loadOf(block.fill(0, length, length + 512))).toEqual(Option.none())
        }
        expectSame(yield* loadOf(whole), large)
      })
    )
  )

  it.live("is ignored with one warning, whichever bit is flipped", () =>
    damaged(({ loadOf, warnings }) =>
      Effect.gen(function* () {
        const whole = yield* bytesOf(small)
        for (let bit = 0; bit < whole.length * 8; bit++) {
          const turned = Uint8Array.from(whole)
          turned[bit >> 3]! ^= 1 << (bit & 7)
          expect(yield* loadOf(turned), `bit ${bit & 7} of byte ${bit >> 3}`).toEqual(Option.none())
          expect(yield* warnings).toHaveLength(1)
        }
      })
    )
  )

  it.live("is ignored if its header has an equivalent form", () =>
    damaged(({ loadOf }) =>
      Effect.gen(function* () {
        const whole = Buffer.from(yield* bytesOf(small)).toString()
        for (const [from, to] of [
          ['"version":', '"version": '],
          ['"shop"', '"sho\\u0070"'],
          ["12:00:00.123Z", "12:00:00.1230Z"],
          ['"length":', '"more":1,"length":'],
          ['"formatVersion":1,', ""],
          ['"formatVersion":1,', '"formatVersion":0,'],
          ['"formatVersion":1,', '"formatVersion":"1",']
        ] as const) {
          expect(whole).toContain(from)
          expect(yield* loadOf(Buffer.from(whole.replace(from, to))), to).toEqual(Option.none())
        }
      })
    )
  )

  it.live("of another environment or namespace is ignored", () =>
    Effect.gen(function* () {
      yield* ignored(
        yield* bytesOf(small, { environment: "default", namespace: "other" }),
        'it belongs to the namespace "other" in the environment "default"'
      )
      yield* ignored(
        yield* bytesOf(small, { environment: "staging", namespace: "shop" }),
        'it belongs to the namespace "shop" in the environment "staging"'
      )
    })
  )

  it.live("of a newer format is ignored, with a warning that says so", () =>
    ignored(
      Buffer.from('{"format":"flipt-client-effect/snapshot","formatVersion":2,"compression":"zstd"}\nanything'),
      "a newer release of this library wrote it in format 2, and this release reads format 1"
    )
  )

  it.live("is ignored if it is not an entry at all", () =>
    Effect.gen(function* () {
      const problem = "it is empty, truncated, or not written by this library"
      yield* ignored(new Uint8Array(0), problem)
      yield* ignored(new Uint8Array(5000), problem)
      yield* ignored(join(small.bytes), problem)
      yield* ignored(Buffer.from("null\n"), problem)
      yield* ignored(Buffer.from('\ufeff{"format":"flipt-client-effect/snapshot","formatVersion":1}\n'), problem)
    })
  )

  it.live("is replaced by the next saved entry", () =>
    Effect.gen(function* () {
      const values = yield* KeyValueStore.KeyValueStore
      const store = yield* build(SnapshotStore.layerKeyValueStore)
      yield* values.set(entryName(target), "garbage")
      yield* store.save(target, small)
      expectSame(yield* store.load(target), small)
    }).pipe(Effect.scoped, Effect.provide(KeyValueStore.layerMemory))
  )
})

describe("the format", () => {
  const key = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("default", "\ud800", '"', "\n", "__proto__"))
  const targets = fc.record({ environment: key, namespace: key })
  const entries = fc.record({
    bytes: fc.array(fc.uint8Array({ maxLength: 300 })),
    version: fc.option(key).map(Option.fromNullable),
    storedAt: fc.date({ noInvalidDate: true }).map(DateTime.unsafeMake)
  })

  it("returns any entry, for any chunks of its document", () =>
    fc.assert(
      fc.asyncProperty(targets, entries, (target, entry) =>
        Effect.runPromise(
          Effect.gen(function* () {
            const pieces = yield* encode(target, entry)
            expect(pieces.slice(1)).toEqual(entry.bytes)
            const uncut = yield* encode(target, { ...entry, bytes: [join(entry.bytes)] })
            expect(join(uncut)).toEqual(join(pieces))
            expectSame(Option.some(yield* decode(target, join(pieces))), entry)
          })
        )
      )
    ))

  it("returns an entry only for its own target, and two targets never share a name", () =>
    fc.assert(
      fc.asyncProperty(targets, targets, entries, (own, other, entry) => {
        fc.pre(own.environment !== other.environment || own.namespace !== other.namespace)
        expect(entryName(own)).not.toBe(entryName(other))
        expect(entryName(own)).toMatch(namePattern)
        expect(entryName(own).length).toBeLessThan(90)
        return Effect.runPromise(
          Effect.gen(function* () {
            const result = yield* Effect.either(decode(other, join(yield* encode(own, entry))))
            expect(Either.isLeft(result)).toBe(true)
          })
        )
      })
    ))

  it("is stable: entries of earlier releases can be read", () =>
    Effect.gen(function* () {
      const text =
        '{"format":"flipt-client-effect/snapshot","formatVersion":1,"environment":"default","namespace":"shop",' +
        '"version":"\\"v1\\"","storedAt":"2026-03-01T12:00:00.123Z","length":40,"checksum":"0821ce8870b269cf"}\n' +
        '{"namespace":{"key":"shop"},"flags":[]}\n'
      expect(Buffer.from(join(yield* encode(target, small))).toString()).toBe(text)
      expect(entryName(target)).toBe("flipt-default-shop.523ccf4801618495.snapshot")
    }).pipe(Effect.runPromise))
})

describe("layerFileSystem", () => {
  const temporaries = (folder: string) => Fs.readdirSync(folder).filter((name) => name.endsWith(".tmp"))

  it.scopedLive("creates the directory, and files that only their owner can read", () =>
    Effect.gen(function* () {
      const folder = Path.join(yield* Folder.make, "var", "flags")
      const store = yield* build(SnapshotStore.layerFileSystem(folder))
      expect(Fs.statSync(folder).mode & 0o777).toBe(0o700)
      yield* store.save(target, small)
      expect(Fs.readdirSync(folder)).toEqual([entryName(target)])
      expect(Fs.statSync(Path.join(folder, entryName(target))).mode & 0o777).toBe(0o600)
      Fs.rmSync(folder, { recursive: true })
      expect(yield* store.load(target)).toEqual(Option.none())
      yield* store.save(target, small)
      expectSame(yield* store.load(target), small)
    })
  )

  // Not on Windows, where a directory cannot be opened, so the store flushes only the file there.
  it.scopedLive.skipIf(process.platform === "win32")(
    "flushes a file to disk before renaming it, and then flushes the directory",
    () =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        const store = yield* build(SnapshotStore.layerFileSystem(folder))
        const handle = yield* Effect.promise(() => Fs.promises.open(folder))
        yield* Effect.promise(() => handle.close())
        // all open files share this method
        const methods: { sync: () => Promise<void> } = Object.getPrototypeOf(handle)
        const { sync } = methods
        const flushed: Array<ReadonlyArray<readonly [isTemporary: boolean, size: number]>> = []
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            methods.sync = function () {
              const names = Fs.readdirSync(folder)
              flushed.push(names.map((name) => [name.endsWith(".tmp"), Fs.statSync(Path.join(folder, name)).size]))
              return sync.call(this)
            }
          }),
          () =>
            Effect.sync(() => {
              methods.sync = sync
            })
        )
        yield* store.save(target, small)
        const { size } = Fs.statSync(Path.join(folder, entryName(target)))
        expect(flushed).toEqual([[[true, size]], [[false, size]]])
      })
  )

  it.scopedLive("finds what an earlier process stored", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.make
      const layer = SnapshotStore.layerFileSystem(folder)
      yield* Effect.scoped(Effect.flatMap(build(layer), (store) => store.save(target, small)))
      expectSame(yield* Effect.scoped(Effect.flatMap(build(layer), (store) => store.load(target))), small)
    })
  )

  it.scopedLive("keeps using the directory of a relative path", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.make
      const store = yield* build(SnapshotStore.layerFileSystem(Path.relative(process.cwd(), folder)))
      const cwd = process.cwd()
      yield* Effect.acquireRelease(
        Effect.sync(() => process.chdir("/")),
        () => Effect.sync(() => process.chdir(cwd))
      )
      yield* store.save(target, small)
      expect(Fs.readdirSync(folder)).toEqual([entryName(target)])
    })
  )

  it.effect("rejects an invalid directory", () =>
    Effect.gen(function* () {
      for (const directory of ["", " ", "a\0b", null, undefined, 5, {}]) {
        const error = yield* Effect.flip(Effect.scoped(build(SnapshotStore.layerFileSystem(directory as string))))
        expect(error).toMatchObject({ _tag: "ValidationError", reason: "Argument", path: "directory" })
        expect(error.message).toContain("directory")
      }
    })
  )

  it.scopedLive("rejects a directory that is a file or cannot be created", () =>
    Effect.gen(function* () {
      const file = Path.join(yield* Folder.make, "flags")
      Fs.writeFileSync(file, "")
      for (const [directory, code] of [
        [file, "EEXIST"],
        [Path.join(file, "below"), "ENOTDIR"]
      ] as const) {
        const error = yield* Effect.flip(build(SnapshotStore.layerFileSystem(directory)))
        expect(error).toMatchObject({ reason: "Argument", path: "directory", cause: { code } })
        expect(error.message).toContain(`the directory ${directory} cannot be opened: ${code}`)
        expect(error.message).toMatch(/; set one that exists or can be created$/)
      }
    })
  )

  /** Runs as an ordinary user, because file modes do not restrict the superuser. */
  const unprivileged = Effect.acquireRelease(
    Effect.sync(() => {
      const isRoot = process.geteuid!() === 0
      if (isRoot) {
        process.seteuid!(65534)
      }
      return isRoot
    }),
    (isRoot) => Effect.sync(() => isRoot && process.seteuid!(0))
  )

  it.scopedLive("reads a read-only directory, and warns at the start and at each save", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        const writer = yield* build(SnapshotStore.layerFileSystem(folder))
        yield* writer.save(target, small)
        Fs.chmodSync(Path.join(folder, entryName(target)), 0o644)
        Fs.chmodSync(folder, 0o555)
        yield* unprivileged
        const store = yield* build(SnapshotStore.layerFileSystem(folder))
        expect(lines).toHaveLength(1)
        expect(lines[0]!.message).toMatch(
          /^Flipt: the directory .* cannot be written: EACCES: .*; check this process.s permissions /
        )
        expectSame(yield* store.load(target), small)
        yield* store.save(target, entryOf(["newer"]))
        expect(lines).toHaveLength(2)
        expect(lines[1]!.level).toBe("WARN")
        expect(lines[1]!.message).toMatch(
          /^Flipt: the stored snapshot of the namespace "shop" .* could not be saved: EACCES: .* in \/.*check the permissions/
        )
        expectSame(yield* store.load(target), small)
      })
    )
  )

  it.scopedLive("ignores an entry that it cannot read, with a warning", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        const store = yield* build(SnapshotStore.layerFileSystem(folder))
        Fs.mkdirSync(Path.join(folder, entryName(target)))
        expect(yield* store.load(target)).toEqual(Option.none())
        expect(lines).toHaveLength(1)
        expect(lines[0]!.message).toMatch(/is ignored: EISDIR/)
      })
    )
  )

  it.scopedLive("ignores a truncated file, with a warning that names it", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        const store = yield* build(SnapshotStore.layerFileSystem(folder))
        yield* store.save(target, small)
        Fs.truncateSync(Path.join(folder, entryName(target)), 250)
        expect(yield* store.load(target)).toEqual(Option.none())
        expect(lines.map(({ message }) => message)).toEqual([
          expect.stringContaining(`is ignored: it is truncated: the document has `)
        ])
        expect(lines[0]!.message).toContain(`(file ${entryName(target)} in ${folder})`)
      })
    )
  )

  it.scopedLive("leaves no temporary file if the last step fails", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        const store = yield* build(SnapshotStore.layerFileSystem(folder))
        Fs.mkdirSync(Path.join(folder, entryName(target)))
        yield* store.save(target, small)
        expect(lines).toHaveLength(1)
        expect(lines[0]!.message).toContain("a start without the server uses it")
        expect(Fs.readdirSync(folder)).toEqual([entryName(target)])
      })
    )
  )

  it.scopedLive("keeps the previous entry and leaves no temporary file if writing fails", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.make
      const store = yield* build(SnapshotStore.layerFileSystem(folder))
      yield* store.save(target, small)
      let written = 0
      const pieces = {
        *[Symbol.iterator]() {
          yield new Uint8Array(100)
          written = temporaries(folder).length
          throw new Error("no room")
        }
      }
      const write = Effect.tryPromise({
        try: () => replaceFileIn(folder, entryName(target), pieces as never, new AbortController().signal),
        catch: (error) => error
      })
      expect(yield* Effect.flip(write)).toMatchObject({ message: "no room" })
      expect(written).toBe(1)
      expect(Fs.readdirSync(folder)).toEqual([entryName(target)])
      expectSame(yield* store.load(target), small)
    })
  )

  it.scopedLive(
    "keeps the previous entry and leaves no temporary file when interrupted, and waits for the cleanup",
    () =>
      captured((lines) =>
        Effect.gen(function* () {
          const folder = yield* Folder.make
          const store = yield* build(SnapshotStore.layerFileSystem(folder))
          yield* store.save(target, small)
          const chunk = new Uint8Array(1024)
          const saving = yield* Effect.fork(store.save(target, entryOf(Array.from({ length: 5000 }, () => chunk))))
          yield* until(() => temporaries(folder).length === 1)
          yield* Fiber.interrupt(saving)
          expect(Fs.readdirSync(folder)).toEqual([entryName(target)])
          expectSame(yield* store.load(target), small)
          expect(lines).toEqual([])
        })
      )
  )

  it.scopedLive("removes temporary files that crashed processes left behind a day ago, and nothing else", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.make
      const at = (hours: number, name: string) => {
        const path = Path.join(folder, name)
        const then = new Date(Date.now() - hours * 3_600_000)
        Fs.writeFileSync(path, "x")
        Fs.utimesSync(path, then, then)
        return name
      }
      const id = "0b0b0b0b-0000-4000-8000-00000000000"
      at(25, `${entryName(target)}.${id}1.tmp`)
      at(999, `${entryName({ environment: "A/b", namespace: "" })}.${id}1.tmp`)
      const kept = [
        at(23, `${entryName(target)}.${id}2.tmp`),
        at(25, entryName(target)),
        at(25, "flipt.tmp"),
        at(25, `other.${id}1.tmp`),
        at(25, `${entryName(target)}.tmp`),
        at(25, `${entryName(target)}.${id}1.tmp.bak`)
      ]
      const gone = Path.join(folder, "flipt-a-b.0123456789abcdef.snapshot.00000000-0000-4000-8000-000000000000.tmp")
      Fs.mkdirSync(gone)
      Fs.utimesSync(gone, 0, 0)
      yield* build(SnapshotStore.layerFileSystem(folder))
      expect(Fs.readdirSync(folder).sort()).toEqual([...kept, Path.basename(gone)].sort())
    })
  )

  it.scopedLive(
    "lets two processes save and load the same state concurrently, and every loaded entry is complete",
    () =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        const run = (label: string) =>
          Effect.async<{ readonly others: number }, Error>((resume) => {
            const child = execFile(
              process.execPath,
              [fileURLToPath(new URL("./children/store.mjs", import.meta.url))],
              { env: { ...process.env, LABEL: label, ROUNDS: "60", STORE_DIRECTORY: folder }, timeout: 240_000 },
              (error, stdout, stderr) =>
                resume(
                  error === null
                    ? Effect.sync(() => JSON.parse(stdout))
                    : Effect.fail(new Error(`${error.message}\n${stderr}`))
                )
            )
            return Effect.sync(() => child.kill())
          })
        const results = yield* Effect.all([run("a"), run("b")], { concurrency: "unbounded" })
        for (const result of results) {
          expect(result).toMatchObject({ loads: 120, wrong: 0, lines: [] })
        }
        // otherwise they did not run at the same time
        expect(results.reduce((sum, { others }) => sum + others, 0)).toBeGreaterThan(0)
        expect(Fs.readdirSync(folder)).toEqual([entryName(target)])
      }),
    300_000
  )

  it.scopedLive("fails in a browser, with a message that names the alternative", () =>
    Effect.gen(function* () {
      const outfile = Path.join(yield* Folder.make, "bundle.mjs")
      yield* Effect.promise(() =>
        Esbuild.build({
          stdin: {
            contents: `import * as Effect from "effect/Effect"
              import * as Layer from "effect/Layer"
              import * as SnapshotStore from "flipt-client-effect/SnapshotStore"
              export const refusal = Effect.runPromise(
                Effect.flip(Effect.scoped(Layer.build(SnapshotStore.layerFileSystem("flags"))))
              )`,
            resolveDir: fileURLToPath(new URL("..", import.meta.url))
          },
          bundle: true,
          // ignores the paths in our tsconfig, which map to the sources
          tsconfigRaw: "{}",
          format: "esm",
          platform: "browser",
          outfile
        })
      )
      // a query for a module, if the runtime has it, is not an import
      expect(Fs.readFileSync(outfile, "utf8")).not.toMatch(/(?<!getBuiltinModule\?\.\()["'](?:node:|koffi)/)
      const { refusal } = yield* Effect.promise(() => import(pathToFileURL(outfile).href))
      expect(yield* Effect.promise(() => refusal)).toMatchObject({
        _tag: "ValidationError",
        path: "directory",
        message: "this platform has no directories; use layerKeyValueStore"
      })
    })
  )
})

describe("layerKeyValueStore", () => {
  const failing = (fail: () => Effect.Effect<never, never>) =>
    Layer.succeed(
      KeyValueStore.KeyValueStore,
      KeyValueStore.make({
        get: fail,
        getUint8Array: fail,
        set: fail,
        remove: fail,
        clear: Effect.void,
        size: Effect.succeed(0)
      })
    )

  const full = KeyValueStore.layerStorage(() => ({
    ...storage(),
    getItem: () => {
      throw new Error("SecurityError")
    },
    setItem: () => {
      throw new Error("QuotaExceededError")
    }
  }))

  it.scopedLive.each([
    ["fails", full, /Unable to (?:get|set) item/],
    ["interrupts itself", failing(() => Effect.interrupt), /interrupt/i],
    ["throws", failing(() => Effect.die(new Error("no such table"))), /no such table/]
  ] as const)("logs a warning and continues if a store %s", ([, layer, problem]) =>
    captured((lines) =>
      Effect.gen(function* () {
        const store = yield* build(Layer.provide(SnapshotStore.layerKeyValueStore, layer))
        expect(yield* store.load(target)).toEqual(Option.none())
        expect(lines).toHaveLength(1)
        yield* store.save(target, small)
        expect(lines).toHaveLength(2)
        for (const { level, message } of lines) {
          expect(level).toBe("WARN")
          expect(message).toMatch(problem)
          expect(message).toContain(`(key ${entryName(target)})`)
        }
      })
    )
  )

  it.scopedLive("can be interrupted, and then logs no warning", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const never = failing(() => Effect.never)
        const store = yield* build(Layer.provide(SnapshotStore.layerKeyValueStore, never))
        for (const work of [store.load(target), store.save(target, small)]) {
          const fiber = yield* Effect.fork(work)
          yield* until(() => true)
          const exit = yield* Fiber.interrupt(fiber)
          expect(exit._tag).toBe("Failure")
        }
        expect(lines).toEqual([])
      })
    )
  )
})

it.effect("nothing is saved without a store", () =>
  Effect.gen(function* () {
    const store = yield* SnapshotStore.SnapshotStore
    yield* store.save(target, small)
    expect(yield* store.load(target)).toEqual(Option.none())
  })
)
