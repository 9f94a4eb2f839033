/**
 * `npm run installs [<word>…]` installs the published form of the packages with each package manager, from a registry on
 * the loopback interface, and evaluates a flag of a large file. Prints a table.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import process from "node:process"
import * as Effect from "effect/Effect"
import { manifestOf } from "../scripts/native/pack.mjs"
import { hostPlatform, packageName, platforms } from "../scripts/native/platforms.mjs"
import * as Folder from "../test/support/Folder.js"
import * as PackageRegistry from "../test/support/PackageRegistry.js"
import * as Tarball from "../test/support/tarball.js"
import * as Command from "./lib/command.js"
import * as Project from "./lib/project.js"
import * as Release from "./lib/release.js"
import { type Check, Failed, main, report } from "./lib/report.js"
import * as Server from "./lib/server.js"

/** The package managers, by version. npm is the one in PATH. */
const tools = { "@yarnpkg/cli-dist": "4", pnpm: "10", yarn: "1" }

const program = Effect.gen(function* () {
  const host = hostPlatform()
  const client = JSON.parse(Fs.readFileSync(Path.join(Release.root, "package.json"), "utf8")) as Parameters<
    typeof manifestOf
  >[1]
  const release = yield* Release.pack
  const packed = Object.values(release.tarballs).map((path) => PackageRegistry.packageOf(Fs.readFileSync(path)))
  const others = platforms
    .filter((platform) => platform !== host)
    .map((platform) => {
      const manifest = manifestOf(platform, client, 0)
      return { manifest, tarball: Tarball.pack(new Map([["package.json", Buffer.from(JSON.stringify(manifest))]])) }
    })
  // Yarn adds it to packages that may compile something
  const gyp = PackageRegistry.packageOf(
    Tarball.pack(new Map([["package.json", Buffer.from(JSON.stringify({ name: "node-gyp", version: "1.0.0" }))]]))
  )
  const installed = PackageRegistry.installedIn(Release.root)
  const registry = yield* PackageRegistry.make([...others, gyp, ...packed], installed)
  const managers = yield* Project.install(tools)
  const bin = (name: string, file: string) => Path.join(managers.folder, "node_modules", name, file)

  const makeProject = Effect.gen(function* () {
    const project = yield* Project.make
    project.write({
      "package.json": JSON.stringify({
        name: "project",
        version: "1.0.0",
        private: true,
        type: "module",
        dependencies: {
          ...Object.fromEntries(
            Object.keys(Release.manifest.peerDependencies).map((name) => [name, Release.manifest.devDependencies[name]])
          ),
          "flipt-client-effect": Release.manifest.version
        }
      }),
      ".npmrc": `registry=${registry.url}\naudit=false\nfund=false\nupdate-notifier=false\n`,
      "flags.json": JSON.stringify(Server.document(true, true)),
      "main.js": Fs.readFileSync(Path.join(Release.root, "compat", "programs", "engine.js"), "utf8")
    })
    // its own home folder, without the user's configuration and caches
    const home = yield* Folder.make
    return { ...project, env: { HOME: home, XDG_CACHE_HOME: home, XDG_DATA_HOME: home, CI: "1" } }
  })

  const expectEngine = (output: string, engine: "native" | "portable", logged: RegExp | undefined) => {
    const text = /^RESULT (.*)$/m.exec(output)?.[1]
    const result =
      text === undefined
        ? undefined
        : (JSON.parse(text) as { readonly enabled: boolean; readonly engine: string; readonly lines: Array<string> })
    // on a slow machine the client may also log that it is still waiting
    const lines = result?.lines.filter((line) => line.includes("native engine")) ?? []
    const isExpected =
      result?.enabled === true &&
      result.engine === engine &&
      (logged === undefined ? lines.length === 0 : lines.length === 1 && logged.test(lines[0]!))
    return isExpected ? Effect.succeed(engine) : new Failed({ message: `the program printed:\n${output}` })
  }

  const check = (
    name: string,
    version: () => string,
    steps: {
      readonly files?: Readonly<Record<string, string>>
      readonly install: readonly [command: string, ...args: ReadonlyArray<string>]
      readonly run?: readonly [command: string, ...args: ReadonlyArray<string>]
      /** Removes write permission from the project before the program runs. */
      readonly readOnly?: boolean
      readonly engine?: "portable"
      readonly logged?: RegExp
    }
  ): Check => ({
    name,
    version,
    run: Effect.gen(function* () {
      const project = yield* makeProject
      project.write(steps.files ?? {})
      const [command, ...args] = steps.install
      const output = yield* project.run(command, args, { env: project.env })
      const complaints = output.split("\n").filter((line) => /warn/i.test(line) && /flipt/i.test(line))
      if (complaints.length > 0) {
        return yield* new Failed({ message: `the installation printed warnings: ${complaints.join("\n")}` })
      }
      if (steps.readOnly) {
        yield* Command.run("chmod", ["-R", "a+rX,a-w", project.folder], { cwd: "/" })
        yield* Command.run("chmod", ["a+x", Path.dirname(project.folder)], { cwd: "/" })
      }
      const [program, ...rest] = steps.run ?? [process.execPath, "main.js"]
      const isRoot = steps.readOnly === true && process.getuid?.() === 0
      const [runner, runnerArgs] = isRoot
        ? (["setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", program, ...rest]] as const)
        : ([program, rest] as const)
      const printed = yield* project.run(runner, runnerArgs, { env: project.env })
      return yield* expectEngine(printed, steps.engine ?? "native", steps.logged)
    })
  })

  const npm = yield* Command.run("npm", ["--version"], { cwd: Release.root })
  const npmVersion = () => `npm ${npm.trim()}`
  const yarn4 = bin("@yarnpkg/cli-dist", "bin/yarn.js")
  const yarnrc = (linker: string) => ({
    ".yarnrc.yml": `nodeLinker: ${linker}\nnpmRegistryServer: "${registry.url.replace(/\/$/, "")}"\nunsafeHttpWhitelist: ["127.0.0.1"]\nenableTelemetry: false\nenableGlobalCache: false\nenableImmutableInstalls: false\nnpmMinimalAgeGate: 0\n`,
    "yarn.lock": ""
  })

  const clone: Check = {
    name: "npm ci in a clone",
    version: npmVersion,
    run: Effect.gen(function* () {
      const folder = yield* Folder.make
      yield* Command.run("git", ["clone", "--quiet", "--depth=1", `file://${Release.root}`, folder], { cwd: "/" })
      const output = yield* Command.run("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"], {
        cwd: folder,
        timeout: "20 minutes"
      })
      const warnings = output.split("\n").filter((line) => line.startsWith("npm warn"))
      return warnings.length === 0 ? "no warnings" : yield* new Failed({ message: warnings.join("\n") })
    })
  }

  yield* report(
    [
      check("npm", npmVersion, { install: ["npm", "install"] }),
      check("npm --ignore-scripts", npmVersion, { install: ["npm", "install", "--ignore-scripts"] }),
      check("npm --omit=optional", npmVersion, {
        install: ["npm", "install", "--omit=optional"],
        engine: "portable",
        logged: new RegExp(`${packageName(host!)} is not installed. Install optional dependencies too`)
      }),
      check("npm, read-only node_modules", npmVersion, { install: ["npm", "install"], readOnly: true }),
      check("pnpm", () => managers.versions("pnpm"), {
        install: [process.execPath, bin("pnpm", "bin/pnpm.cjs"), "install"]
      }),
      check("Yarn 1", () => managers.versions("yarn"), {
        install: [process.execPath, bin("yarn", "bin/yarn.js"), "install", "--non-interactive"]
      }),
      check("Yarn 4, node_modules", () => managers.versions("@yarnpkg/cli-dist"), {
        files: yarnrc("node-modules"),
        install: [process.execPath, yarn4, "install"]
      }),
      check("Yarn 4, Plug'n'Play", () => managers.versions("@yarnpkg/cli-dist"), {
        files: yarnrc("pnp"),
        install: [process.execPath, yarn4, "install"],
        run: [process.execPath, yarn4, "node", "main.js"]
      }),
      clone
    ],
    process.argv.slice(2)
  )
})

main(program)
