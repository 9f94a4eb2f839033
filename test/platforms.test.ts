/**
 * The platforms of the native library, and the checks before publishing.
 */
import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exportsOf } from "../scripts/native/abi.mjs"
import { compareVersions, inspect, mismatchesOf, pathIn, problemsOf } from "../scripts/native/inspect.mjs"
import { companionsOf, manifestOf, publishedManifest } from "../scripts/native/pack.mjs"
import { hostPlatform, packageName, platformOf, platforms } from "../scripts/native/platforms.mjs"
import * as Locate from "../src/internal/engine/native/locate.js"
import { nativeVersion } from "../src/internal/util/version.js"
import { library, native, reason } from "./support/engines.js"
import * as Folder from "./support/Folder.js"
import * as PackageRegistry from "./support/PackageRegistry.js"
import * as Tarball from "./support/tarball.js"

const root = fileURLToPath(new URL("..", import.meta.url))
/** The client, with the version of the release that it is made from. */
const client = { ...JSON.parse(Fs.readFileSync(`${root}package.json`, "utf8")), version: nativeVersion }

describe("the list of platforms", () => {
  it("is the one that the loader uses", () => {
    for (const platform of platforms) {
      const { cpu, file, libc, os } = platform
      expect(Locate.packageName(os, cpu, libc === "musl" ? "musl" : "gnu")).toBe(packageName(platform))
      expect(Locate.fileName(os)).toBe(file)
    }
    expect(new Set(platforms.map(({ id }) => id)).size).toBe(8)
  })

  it("matches the table in docs/platforms.md, which README.md repeats", () => {
    const rowsOf = (path: string) =>
      Array.from(
        Fs.readFileSync(`${root}${path}`, "utf8").matchAll(
          /^\| (?:\w+ )+\w+(?:, \w+)? +\| `@flipt-client-effect\/native-([\w-]+)` +\|.*$/gm
        ),
        ([row, id]) => ({ row, id })
      )
    const rows = rowsOf("docs/platforms.md")
    expect(rows.map(({ id }) => id)).toEqual(platforms.map(({ id }) => id))
    expect(rowsOf("README.md")).toEqual(rows)
  })

  it("is only in the published manifest, as exact optional dependencies", () => {
    const published = publishedManifest(client)
    for (const platform of platforms) {
      expect(published.optionalDependencies).toHaveProperty([packageName(platform)], client.version)
    }
    expect(published).not.toHaveProperty("scripts")
    expect(published).not.toHaveProperty("devDependencies")
    expect(JSON.stringify(client)).not.toContain("@flipt-client-effect/")
  })
})

describe("the exports of the library", () => {
  it("are the functions that the loader binds, and the entry point of an addon", () => {
    const source = Fs.readFileSync(`${root}src/internal/engine/native/library.ts`, "utf8")
    const bound = new Set([...source.matchAll(/\b(fce_\w+)\(/g)].map(([, name]) => name))
    expect([...bound, "napi_register_module_v1"].sort()).toEqual(exportsOf(root))
  })
})

const host = hostPlatform()

describe.skipIf(!native || host === undefined)(`a library${native ? "" : ` (skipped: ${reason})`}`, () => {
  const bytes = () => Fs.readFileSync(library)

  it("is accepted for its own platform", () => {
    expect(mismatchesOf(host!, bytes(), exportsOf(root))).toEqual([])
    expect(inspect(bytes())).toMatchObject({ os: host!.os, cpu: host!.cpu, libc: host!.libc })
  })

  it("is rejected for every other platform", () => {
    for (const platform of platforms.filter((it) => it !== host)) {
      const problems = mismatchesOf(platform, bytes(), exportsOf(root))
      const { cpu, libc, os } = inspect(bytes())
      expect(problems.length > 0, platform.id).toBe(true)
      expect(problems.some((it) => it.includes(`for ${os} instead of`))).toBe(os !== platform.os)
      expect(problems.some((it) => it.includes(`for ${cpu} instead of`))).toBe(cpu !== platform.cpu)
      expect(problems.some((it) => it.includes(`for ${libc} instead of`))).toBe(libc !== platform.libc)
    }
  })

  it("is rejected if it exports more or less than the ABI", () => {
    const abi = exportsOf(root)
    expect(mismatchesOf(host!, bytes(), [...abi, "fce_missing"])).toEqual(["it does not export fce_missing"])
    expect(mismatchesOf(host!, bytes(), abi.slice(1))).toEqual([`it exports ${abi[0]}, which the ABI does not have`])
  })

  it("is rejected if it is truncated or not a library", () => {
    expect(mismatchesOf(host!, bytes().subarray(0, 5000), exportsOf(root))).toEqual([
      expect.stringMatching(/^it is damaged: /)
    ])
    expect(mismatchesOf(host!, Buffer.from("no library"), exportsOf(root))).toEqual([
      "it is neither ELF, Mach-O nor PE"
    ])
  })

  it.runIf(host?.libc === "glibc")("is rejected if it needs a newer glibc than the platform allows", () => {
    const { glibc } = inspect(bytes())
    const problem = `it needs glibc ${glibc}, but the limit is 2.2`
    expect(problemsOf({ ...host!, glibc: "2.2" }, bytes(), exportsOf(root))).toContain(problem)
    expect(problemsOf({ ...host!, glibc: glibc! }, bytes(), exportsOf(root))).not.toContain(problem)
  })

  it("is rejected if it contains a path of the machine that built it", () => {
    // `cargo build` leaves the paths of crates in panic messages, and `native:build` does not
    expect(problemsOf(host!, bytes(), exportsOf(root))).toContainEqual(
      expect.stringMatching(/^it contains a path of the machine that built it: /)
    )
  })
})

describe("a path of the building machine", () => {
  it.each(["/home/me/.cargo/registry/src", "/Users/runner/work/a", "/tmp/build/x", "D:\\a\\repository\\native"])(
    "is seen: %s",
    (path) => {
      expect(pathIn(Buffer.from(`\0${path}\0`))).toBe(path)
    }
  )

  it("is distinguished from the fallback paths", () => {
    expect(
      pathIn(Buffer.from("\0/rust/library/core/src/str.rs\0/cargo/registry/src/index/serde/src/de.rs\0"))
    ).toBeUndefined()
  })
})

describe("versions", () => {
  it("are compared numerically", () => {
    expect(["2.9", "2.28", "2.4.1", "2.4"].sort(compareVersions)).toEqual(["2.4", "2.4.1", "2.9", "2.28"])
  })
})

// Libraries for other systems cannot be built here, so these are synthetic, with only the fields that are read.

/** A Mach-O library for arm64: a symbol table, the oldest macOS, and a code signature. */
const machO = (names: ReadonlyArray<string>, signed: boolean): Buffer => {
  const bytes = Buffer.alloc(4096)
  bytes.writeUInt32LE(0xfeedfacf, 0)
  bytes.writeUInt32LE(0x0100000c, 4)
  const commands: ReadonlyArray<readonly [command: number, size: number, fields: ReadonlyArray<number>]> = [
    [0x02, 24, [1024, names.length, 2048, 1024]],
    [0x32, 24, [1, 0x000b0000]],
    ...(signed ? [[0x1d, 16, []] as const] : [])
  ]
  bytes.writeUInt32LE(commands.length, 16)
  let at = 32
  for (const [command, size, fields] of commands) {
    bytes.writeUInt32LE(command, at)
    bytes.writeUInt32LE(size, at + 4)
    for (const [index, field] of fields.entries()) {
      bytes.writeUInt32LE(field, at + 8 + 4 * index)
    }
    at += size
  }
  let text = 1
  names.forEach((name, index) => {
    bytes.writeUInt32LE(text, 1024 + 16 * index)
    bytes[1024 + 16 * index + 4] = 0x0f
    text += bytes.write(`_${name}\0`, 2048 + text)
  })
  return bytes
}

/** A PE library for x64, with one section and an export table. */
const portableExecutable = (names: ReadonlyArray<string>): Buffer => {
  const bytes = Buffer.alloc(8192)
  bytes.write("MZ", 0)
  bytes.writeUInt32LE(64, 60)
  bytes.writeUInt16LE(0x8664, 68)
  bytes.writeUInt16LE(1, 70)
  bytes.writeUInt16LE(240, 84)
  const optional = 64 + 24
  bytes.writeUInt32LE(0x1000, optional + 112)
  // the section: 4096 bytes at the address 0x1000, at offset 1024 in the file
  bytes.writeUInt32LE(4096, optional + 240 + 8)
  bytes.writeUInt32LE(0x1000, optional + 240 + 12)
  bytes.writeUInt32LE(4096, optional + 240 + 16)
  bytes.writeUInt32LE(1024, optional + 240 + 20)
  bytes.writeUInt32LE(names.length, 1024 + 24)
  bytes.writeUInt32LE(0x1100, 1024 + 32)
  let text = 0x400
  names.forEach((name, index) => {
    bytes.writeUInt32LE(0x1000 + text, 1024 + 0x100 + 4 * index)
    text += bytes.write(`${name}\0`, 1024 + text)
  })
  return bytes
}

describe("a library for macOS or Windows", () => {
  const abi = exportsOf(root)

  it("can be read on any machine", () => {
    expect(problemsOf(platformOf("darwin-arm64"), machO(abi, true), abi)).toEqual([])
    expect(problemsOf(platformOf("win32-x64"), portableExecutable(abi), abi)).toEqual([])
  })

  it("is rejected for another processor, other exports, a missing signature, or a newer macOS", () => {
    expect(mismatchesOf(platformOf("darwin-x64"), machO(abi, true), abi)).toEqual(["it is for arm64 instead of x64"])
    expect(mismatchesOf(platformOf("win32-arm64"), portableExecutable(abi), abi)).toEqual([
      "it is for x64 instead of arm64"
    ])
    for (const [id, make] of [
      ["darwin-arm64", (names: ReadonlyArray<string>) => machO(names, true)],
      ["win32-x64", portableExecutable]
    ] as const) {
      expect(mismatchesOf(platformOf(id), make([...abi, "fce_more"]), abi)).toEqual([
        "it exports fce_more, which the ABI does not have"
      ])
      expect(mismatchesOf(platformOf(id), make(abi.slice(1)), abi)).toEqual([`it does not export ${abi[0]}`])
    }
    expect(mismatchesOf(platformOf("darwin-arm64"), machO(abi, false), abi)).toHaveLength(1)
    expect(problemsOf({ ...platformOf("darwin-arm64"), macos: "10.15" }, machO(abi, true), abi)).toEqual([
      "it needs macOS 11.0, but the limit is 10.15"
    ])
  })
})

const companions = companionsOf(root)

/** A packed release of small packages: by default a complete one for Effect 3. */
const makeRelease = (
  folder: string,
  options: {
    readonly development?: boolean
    readonly without?: string
    readonly edition?: string
    readonly reverse?: boolean
  } = {}
): void => {
  const version = options.edition ?? client.version
  const all: ReadonlyArray<readonly [string, PackageRegistry.Manifest]> = [
    ...platforms.map((platform) => [platform.id, manifestOf(platform, client, 1)] as const),
    ["client", { name: client.name, version }],
    ...companions.map((id) => [id, { name: `@flipt-client-effect/${id}`, version }] as const)
  ]
  const manifests = options.edition === undefined ? all : all.filter(([id]) => id === "client")
  Fs.mkdirSync(Path.join(folder, "tarballs"), { recursive: true })
  const packages = manifests
    .filter(([id]) => id !== options.without)
    .map(([id, manifest]) => {
      const bytes = Tarball.pack(new Map([["package.json", Buffer.from(JSON.stringify(manifest))]]))
      const tarball = `${id}.tgz`
      Fs.writeFileSync(Path.join(folder, "tarballs", tarball), bytes)
      return { id, name: manifest.name, tarball, integrity: PackageRegistry.integrityOf(bytes), sha256: "", bytes: 0 }
    })
  const release = {
    version,
    tag: options.edition === undefined ? "latest" : "effect4",
    development: options.development ?? false,
    packages: options.reverse ? packages.reverse() : packages
  }
  Fs.writeFileSync(Path.join(folder, "release.json"), JSON.stringify(release))
}

const publish = (folder: string, registry: string) =>
  Effect.async<{ readonly code: number; readonly output: string }>((resume) => {
    const configuration = Path.join(folder, "npmrc")
    Fs.writeFileSync(
      configuration,
      `//${new URL(registry).host}/:_authToken=token\ncache=${Path.join(folder, "cache")}\n`
    )
    const { GITHUB_ACTIONS: _, ...inherited } = process.env
    const child = execFile(
      process.execPath,
      [Path.join(root, "scripts", "native", "publish.mjs"), folder, `--registry=${registry}`],
      { env: { ...inherited, npm_config_userconfig: configuration, npm_config_ignore_scripts: "true" } },
      (error, stdout, stderr) => resume(Effect.succeed({ code: error === null ? 0 : 1, output: `${stdout}${stderr}` }))
    )
    return Effect.sync(() => child.kill())
  })

describe("publishing", () => {
  const names = [...platforms.map(packageName), client.name]

  it.scopedLive(
    "continues where it stopped, publishes nothing twice, and publishes the client after the platforms",
    () =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        makeRelease(folder)
        // Most packages are already published by an earlier attempt, because each call of npm takes a second.
        const earlier = [...platforms.slice(2).map(({ id }) => id), ...companions.slice(1)].map((id) =>
          PackageRegistry.packageOf(Fs.readFileSync(Path.join(folder, "tarballs", `${id}.tgz`)))
        )
        const registry = yield* PackageRegistry.make(earlier)
        const added = [
          names[0],
          names[1],
          client.name,
          ...companions.slice(0, 1).map((id) => `@flipt-client-effect/${id}`)
        ]

        registry.refuse(names[1])
        const stopped = yield* publish(folder, registry.url)
        expect(stopped.code, stopped.output).toBe(1)
        expect(registry.published).toEqual([names[0]])

        registry.refuse(undefined)
        const finished = yield* publish(folder, registry.url)
        expect(finished.code, finished.output).toBe(0)
        expect(registry.published).toEqual(added)
        expect(finished.output.match(/already published/g)).toHaveLength(earlier.length + 1)

        // the edition for Effect 4 is another version of the client
        const edition = Path.join(folder, "effect4")
        makeRelease(edition, { edition: "99.1.0-pre" })
        for (const output of ["99.1.0-pre: published", "99.1.0-pre: already published"]) {
          expect((yield* publish(edition, registry.url)).output).toContain(output)
        }
        expect(registry.published).toEqual([...added, client.name])
        expect(registry.tags(client.name)).toEqual({ latest: client.version, effect4: "99.1.0-pre" })
      }),
    900_000
  )

  it.scopedLive(
    "stops at a version that the registry has with different content",
    () =>
      Effect.gen(function* () {
        const folder = yield* Folder.make
        makeRelease(folder)
        const other = Tarball.pack(
          new Map([
            [
              "package.json",
              Buffer.from(JSON.stringify({ name: names[0], version: client.version, description: "another" }))
            ]
          ])
        )
        const registry = yield* PackageRegistry.make([PackageRegistry.packageOf(other)])
        const { code, output } = yield* publish(folder, registry.url)
        expect(code).toBe(1)
        expect(output).toContain(`${names[0]}@${client.version} is in the registry with other bytes`)
        expect(registry.published).toEqual([])
      }),
    300_000
  )

  it.scopedLive.each([
    ["a development build", { development: true }, "this is a development build"],
    ["a release that lacks a platform", { without: "darwin-arm64" }, "the release lacks darwin-arm64"],
    ["a release without the client", { without: "client" }, "the release lacks client"],
    ["a release in another order", { reverse: true }, "release.json must list, in this order: "],
    ["an edition without the client", { without: "client", edition: "99.1.0-pre" }, "the release lacks client"]
  ] as const)("refuses %s", ([_name, options, problem]) =>
    Effect.gen(function* () {
      const folder = yield* Folder.make
      const registry = yield* PackageRegistry.make([])
      makeRelease(folder, options)
      const { code, output } = yield* publish(folder, registry.url)
      expect(code).toBe(1)
      expect(output).toContain(problem)
      expect(registry.published).toEqual([])
    })
  )

  it.scopedLive("refuses a package that changed after it was packed", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.make
      const registry = yield* PackageRegistry.make([])
      makeRelease(folder)
      Fs.appendFileSync(Path.join(folder, "tarballs", `${platforms[0]!.id}.tgz`), "x")
      const { code, output } = yield* publish(folder, registry.url)
      expect(code).toBe(1)
      expect(output).toContain("is not what was packed")
      expect(registry.published).toEqual([])
    })
  )
})
