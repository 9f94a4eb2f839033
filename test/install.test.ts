/**
 * The packages as users get them: packed, installed into a new project, and run. Needs the build, which `npm test` makes
 * first.
 */
import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { describe, expect, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Esbuild from "esbuild"
import { companionsOf, manifestOf, type Release } from "../scripts/native/pack.mjs"
import { hostPlatform, packageName, platforms } from "../scripts/native/platforms.mjs"
import { fileName } from "../src/internal/engine/native/locate.js"
import { nativeVersion } from "../src/internal/util/version.js"
import { library, native, reason } from "./support/engines.js"
import * as Folder from "./support/Folder.js"
import * as PackageRegistry from "./support/PackageRegistry.js"
import * as Project from "./support/Project.js"
import * as Tarball from "./support/tarball.js"

const root = fileURLToPath(new URL("..", import.meta.url))
const client = JSON.parse(Fs.readFileSync(`${root}package.json`, "utf8"))
const host = hostPlatform()

const program = Fs.readFileSync(new URL("children/installed.mjs", import.meta.url), "utf8")

const engineOf = (project: Project.Project) =>
  Effect.map(project.run(program), ({ code, output }) => {
    expect(code, output).toBe(0)
    return JSON.parse(output) as { readonly engine: string; readonly lines: ReadonlyArray<string> }
  })

class Registry extends Context.Tag("test/Registry")<Registry, PackageRegistry.Registry>() {}

/** A registry with the client and the packages of all platforms. Only the package for this machine is complete. */
const registry = Layer.scoped(
  Registry,
  Effect.gen(function* () {
    const out = Path.join(yield* Folder.make, "release")
    // in a separate process, because npm runs for seconds and this process must keep answering its test runner
    yield* Effect.async<void, Error>((resume) => {
      const args = [
        `${root}scripts/native/pack.mjs`,
        "--development",
        `--native-version=${nativeVersion}`,
        `--out=${out}`
      ]
      const child = execFile(process.execPath, args, (error, _, stderr) =>
        resume(error === null ? Effect.void : Effect.fail(new Error(stderr)))
      )
      return Effect.sync(() => child.kill())
    })
    const { packages } = JSON.parse(Fs.readFileSync(Path.join(out, "release.json"), "utf8")) as Release
    for (const id of companionsOf(root)) {
      const { tarball } = packages.find((it) => it.id === id)!
      const bytes = Fs.readFileSync(Path.join(out, "tarballs", tarball))
      expect(PackageRegistry.packageOf(bytes).manifest).toMatchObject({
        name: `@flipt-client-effect/${id}`,
        version: client.version,
        repository: { ...client.repository, directory: `packages/${id}` },
        publishConfig: { access: "public" }
      })
      expect(Tarball.read(bytes, `dist/${id === "cli" ? "main" : "index"}.js`)).toBeDefined()
    }
    const packed = packages.map(({ tarball }) =>
      PackageRegistry.packageOf(Fs.readFileSync(Path.join(out, "tarballs", tarball)))
    )
    const others = platforms
      .filter((platform) => platform !== host)
      .map((platform) => ({
        manifest: manifestOf(platform, { ...client, version: nativeVersion }, 0),
        tarball: undefined
      }))
    return yield* PackageRegistry.make([...others, ...packed], PackageRegistry.installedIn(root))
  })
)

const install = (project: Project.Project, ...flags: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const peers = Object.keys(client.peerDependencies)
    const { code, output } = yield* project.npm("install", "flipt-client-effect", ...peers, ...flags)
    expect(code, output).toBe(0)
    expect(Fs.existsSync(Path.join(project.folder, "node_modules", "flipt-client-effect", "dist", "Engine.js"))).toBe(
      true
    )
    return output
  })

const scopeOf = (project: Project.Project) => Path.join(project.folder, "node_modules", "@flipt-client-effect")

describe.skipIf(!native || host === undefined)(`the packages${native ? "" : ` (skipped: ${reason})`}`, () => {
  layer(registry, { excludeTestServices: true, timeout: 300_000 })("in a new project", (it) => {
    it.scoped(
      "bring the native engine, and fall back with the reason when its package is missing or unusable",
      () =>
        Effect.gen(function* () {
          const { url } = yield* Registry
          const project = yield* Project.make(url)
          yield* install(project)

          expect(yield* engineOf(project)).toEqual({ engine: "native", lines: [] })
          expect(Fs.readdirSync(scopeOf(project)).map((name) => `@flipt-client-effect/${name}`)).toEqual([
            packageName(host!)
          ])
          const lock = JSON.parse(Fs.readFileSync(Path.join(project.folder, "package-lock.json"), "utf8"))
          for (const platform of platforms) {
            expect(lock.packages[`node_modules/${packageName(platform)}`]).toMatchObject({
              version: nativeVersion,
              optional: true,
              os: [platform.os],
              cpu: [platform.cpu],
              ...(platform.libc === undefined ? {} : { libc: [platform.libc] })
            })
          }

          const name = packageName(host!)
          const folder = Path.join(project.folder, "node_modules", name)
          const aside = Path.join(project.folder, "aside")
          Fs.cpSync(folder, aside, { recursive: true })
          const manifestPath = Path.join(folder, "package.json")
          const manifest = JSON.parse(Fs.readFileSync(manifestPath, "utf8"))
          const file = Path.join(folder, host!.file)
          const elsewhere = `@flipt-client-effect/native-${host!.os}-${host!.cpu}-${host!.libc === "musl" ? "gnu" : "musl"}`
          const koffi = Path.join(project.folder, "node_modules", "koffi")

          const faults: ReadonlyArray<readonly [fault: () => void, said: ReadonlyArray<string>]> = [
            [() => {}, [`${name} is not installed.`]],
            [
              () => Fs.cpSync(aside, Path.join(project.folder, "node_modules", elsewhere), { recursive: true }),
              [`${name} is not installed, but ${elsewhere} is, which is for another platform`]
            ],
            [
              () => {
                Fs.cpSync(aside, folder, { recursive: true })
                Fs.writeFileSync(manifestPath, JSON.stringify({ ...manifest, version: "0.0.1" }))
              },
              [`${name} has version 0.0.1`, "flipt-client-effect needs version"]
            ],
            [
              () => {
                Fs.cpSync(aside, folder, { recursive: true })
                Fs.truncateSync(file, 5000)
              },
              [`${host!.file} has 5000 bytes instead of ${manifest.library.bytes}`]
            ],
            [
              () => {
                Fs.cpSync(aside, folder, { recursive: true })
                Fs.writeFileSync(file, Buffer.alloc(manifest.library.bytes))
              },
              [`${host!.file} does not load: `]
            ],
            [
              () => {
                Fs.cpSync(aside, folder, { recursive: true })
                Fs.rmSync(file)
              },
              [`${host!.file} cannot be read: `]
            ],
            [
              () => {
                Fs.cpSync(aside, folder, { recursive: true })
                Fs.rmSync(koffi, { recursive: true })
              },
              ["the package koffi is not installed"]
            ]
          ]
          for (const [fault, said] of faults) {
            Fs.rmSync(scopeOf(project), { recursive: true, force: true })
            fault()
            const { engine, lines } = yield* engineOf(project)
            expect(engine).toBe("portable")
            expect(lines).toEqual([
              expect.stringMatching(
                /^INFO Flipt: loaded a document of 1\.0 MB with the portable engine, which held .* because the native engine/
              )
            ])
            for (const text of said) {
              expect(lines[0]).toContain(text)
            }
          }
        }),
      600_000
    )

    it.scoped(
      "work without optional dependencies",
      () =>
        Effect.gen(function* () {
          const { url } = yield* Registry
          const project = yield* Project.make(url)
          yield* install(project, "--omit=optional")
          expect(Fs.existsSync(Path.join(project.folder, "node_modules", "koffi"))).toBe(false)
          const { engine, lines } = yield* engineOf(project)
          expect(engine).toBe("portable")
          expect(lines).toHaveLength(1)
        }),
      600_000
    )
  })

  it.scopedLive("in a bundle load no library from the folders above it", () =>
    Effect.gen(function* () {
      const home = yield* Folder.make
      const folder = Path.join(home, "a", "b", "c")
      Fs.mkdirSync(folder, { recursive: true })
      const bundles = [
        { format: "esm", name: "bundle.mjs", define: {} },
        // like webpack, with the module's path on the building machine
        {
          format: "cjs",
          name: "bundle.cjs",
          define: { "import.meta.url": JSON.stringify(`file://${home}/dist/internal/flipt-client-effect-0.js`) }
        }
      ] as const
      for (const { define, format, name } of bundles) {
        yield* Effect.promise(() =>
          Esbuild.build({
            stdin: {
              contents: `
                import * as Effect from "effect/Effect"
                import * as Engine from "flipt-client-effect/Engine"
                const engine = Effect.provide(Effect.map(Engine.Engine, ({ name }) => name), Engine.layerNative)
                const named = { onSuccess: (name) => name, onFailure: (error) => error.message }
                Effect.runPromise(Effect.match(engine, named)).then(console.log)
              `,
              resolveDir: root
            },
            bundle: true,
            define,
            // ignores the paths in our tsconfig, which map to the sources
            tsconfigRaw: "{}",
            format,
            platform: "node",
            outfile: Path.join(folder, name),
            logLevel: "silent"
          })
        )
      }
      // a valid library, and koffi to load it
      for (const above of [home, Path.join(home, "a"), Path.join(home, "a", "b"), folder]) {
        const planted = Path.join(above, "native", "target", "release")
        Fs.mkdirSync(planted, { recursive: true })
        Fs.copyFileSync(library, Path.join(planted, fileName(process.platform)))
      }
      Fs.mkdirSync(Path.join(folder, "node_modules"))
      for (const name of ["koffi", "@koromix"]) {
        Fs.symlinkSync(Path.join(root, "node_modules", name), Path.join(folder, "node_modules", name), "junction")
      }
      const project = yield* Project.make("http://127.0.0.1/")
      for (const { name } of bundles) {
        const run = (environment?: Readonly<Record<string, string>>) =>
          Effect.map(
            project.run(`await import(${JSON.stringify(`file://${Path.join(folder, name)}`)})`, environment),
            ({ output }) => output
          )
        expect(yield* run()).toContain(`${packageName(host!)} is not installed`)
        // with the library's path set, the same bundle loads it
        expect(yield* run({ FLIPT_ENGINE_PATH: library })).toBe("native")
      }
    })
  )
})
