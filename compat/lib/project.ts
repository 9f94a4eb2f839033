/**
 * A user's project, in a temporary folder.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import process from "node:process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Folder from "../../test/support/Folder.js"
import * as Command from "./command.js"
import type { Failed } from "./report.js"

export interface Project {
  readonly folder: string
  readonly write: (files: Readonly<Record<string, string>>) => void
  /** Runs a program with the project's binaries in PATH. */
  readonly run: (
    command: string,
    args: ReadonlyArray<string>,
    options?: Partial<Command.Options>
  ) => Effect.Effect<string, Failed>
  /** The same, with a command line. */
  readonly shell: (line: string, options?: Partial<Command.Options>) => Effect.Effect<string, Failed>
  /** Packages that are installed, with their versions. */
  readonly versions: (...names: ReadonlyArray<string>) => string
  /** The environment for a program that uses the project's binaries. */
  readonly env: { readonly PATH: string; readonly [name: string]: string }
}

const makeIn = (home: string): Project => {
  const folder = Path.join(home, "project")
  Fs.mkdirSync(folder, { recursive: true })
  const env = {
    PATH: [Path.join(folder, "node_modules", ".bin"), process.env.PATH].join(Path.delimiter),
    CI: "1",
    NO_COLOR: "1",
    NEXT_TELEMETRY_DISABLED: "1"
  }
  const run: Project["run"] = (command, args, options) =>
    Command.run(command, args, { cwd: folder, ...options, env: { ...env, ...options?.env } })
  return {
    folder,
    env,
    write: (files) => {
      for (const [path, content] of Object.entries(files)) {
        Fs.mkdirSync(Path.dirname(Path.join(folder, path)), { recursive: true })
        Fs.writeFileSync(Path.join(folder, path), content)
      }
    },
    run,
    shell: (line, options) => run("sh", ["-ec", line], options),
    versions: (...names) =>
      names
        .map((name) => {
          const path = Path.join(folder, "node_modules", name, "package.json")
          return `${name} ${(JSON.parse(Fs.readFileSync(path, "utf8")) as { readonly version: string }).version}`
        })
        .join(", ")
  }
}

/** An empty project, removed with the Scope. */
export const make: Effect.Effect<Project, never, Scope.Scope> = Effect.map(Folder.make, makeIn)

/**
 * A project in which npm has installed packages. If `folder` is given, the project is created there and kept, and the
 * next run uses it again.
 */
export const install = (
  dependencies: Readonly<Record<string, string>>,
  folder?: string
): Effect.Effect<Project, Failed, Scope.Scope> =>
  Effect.tap(folder === undefined ? make : Effect.sync(() => makeIn(folder)), (project) => {
    project.write({
      "package.json": JSON.stringify({ name: "project", private: true, type: "module", dependencies })
    })
    return project.run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], { timeout: "20 minutes" })
  })
