/**
 * A new project, in which npm installs packages and programs run, without a compiler in PATH.
 */
import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import process from "node:process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Folder from "./Folder.js"

export interface Outcome {
  readonly code: number
  readonly output: string
}

export interface Project {
  readonly folder: string
  readonly npm: (...args: ReadonlyArray<string>) => Effect.Effect<Outcome>
  /** Runs an ES module in the project. */
  readonly run: (source: string, environment?: Readonly<Record<string, string>>) => Effect.Effect<Outcome>
}

const inPath = (command: string): string | undefined =>
  (process.env.PATH ?? "")
    .split(Path.delimiter)
    .map((folder) => Path.join(folder, command))
    .find((path) => Fs.existsSync(path))

/** The script behind the command `npm`. */
const npmScript = (): string =>
  process.platform === "win32"
    ? Path.join(Path.dirname(process.execPath), "node_modules", "npm", "bin", "npm-cli.js")
    : Fs.realpathSync(inPath("npm") as string)

/** A folder with only Node and a shell. It is the whole PATH, because their usual folders may contain a compiler. */
const makeBin = (folder: string): string => {
  if (process.platform === "win32") {
    return [Path.dirname(process.execPath), Path.join(process.env.SystemRoot ?? "C:\\Windows", "System32")].join(";")
  }
  Fs.mkdirSync(folder)
  Fs.symlinkSync(process.execPath, Path.join(folder, "node"))
  Fs.symlinkSync("/bin/sh", Path.join(folder, "sh"))
  return folder
}

/** An empty project, removed with the Scope, whose packages come from the registry. */
export const make = (registry: string): Effect.Effect<Project, never, Scope.Scope> =>
  Effect.gen(function* () {
    const home = yield* Folder.make
    const folder = Path.join(home, "project")
    const path = makeBin(Path.join(home, "bin"))
    Fs.mkdirSync(folder)
    Fs.writeFileSync(Path.join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
    Fs.writeFileSync(
      Path.join(folder, ".npmrc"),
      `registry=${registry}\ncache=${Path.join(home, "cache")}\naudit=false\nfund=false\nupdate-notifier=false\n`
    )
    const { SystemRoot } = process.env
    const execute = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}) =>
      Effect.async<Outcome>((resume) => {
        const env = { PATH: path, HOME: home, ...(SystemRoot === undefined ? {} : { SystemRoot }), ...environment }
        const child = execFile(
          process.execPath,
          args,
          { cwd: folder, env, maxBuffer: 2 ** 24 },
          (error, stdout, stderr) =>
            resume(Effect.succeed({ code: error === null ? 0 : 1, output: `${stdout}${stderr}`.trim() }))
        )
        return Effect.sync(() => child.kill())
      })
    return {
      folder,
      npm: (...args) => execute([npmScript(), ...args]),
      run: (source, environment) => execute(["--input-type=module", "-e", source], environment)
    }
  })
