/**
 * Packages as npm would publish them. Needs the build, which `npm test` runs first.
 */
import { execFile } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { publint } from "publint"
import { formatMessage } from "publint/utils"

export const root = fileURLToPath(new URL("../..", import.meta.url))

/** The path of a program from the repository's dependencies. */
export const bin = (name: string): string => Path.join(root, "node_modules/.bin", name)

/** Runs a program. Returns its standard output, or dies with everything that it printed if it fails. */
export const run = (
  program: string,
  args: ReadonlyArray<string>,
  cwd: string,
  variables: Readonly<Record<string, string>> = {}
): Effect.Effect<string> =>
  Effect.async<string>((resume) => {
    const child = execFile(
      program,
      args,
      // Packing must not rebuild `dist`, because other tests use it.
      { cwd, env: { ...process.env, FORCE_COLOR: "0", npm_config_ignore_scripts: "true", ...variables } },
      (error, stdout, stderr) =>
        resume(error === null ? Effect.succeed(stdout) : Effect.dieMessage(`${program}: ${stdout}${stderr}`))
    )
    return Effect.sync(() => child.kill())
  })

/** Packs a package. Returns the path of its tarball. */
export const pack = (directory: string, destination: string): Effect.Effect<string> =>
  Effect.map(run("npm", ["pack", "--json", "--pack-destination", destination], directory), (output) =>
    Path.join(destination, (JSON.parse(output) as [{ readonly filename: string }])[0].filename)
  )

/** Unpacks a tarball into a project's `node_modules`, as npm does. Returns the folder of the package. */
export const unpack = (tarball: string, project: string, name: string): Effect.Effect<string> =>
  Effect.gen(function* () {
    const folder = Path.join(project, "node_modules", name)
    Fs.mkdirSync(folder, { recursive: true })
    yield* run("tar", ["-xzf", tarball, "-C", folder, "--strip-components", "1"], project)
    return folder
  })

/** Makes an installed package available in a project: the one in `directory` if it exists, or else the root's. */
export const link = (name: string, project: string, directory: string): void => {
  const own = Path.join(directory, "node_modules", name)
  const target = Path.join(project, "node_modules", name)
  Fs.mkdirSync(Path.dirname(target), { recursive: true })
  Fs.symlinkSync(Fs.existsSync(own) ? own : Path.join(root, "node_modules", name), target, "junction")
}

/** Fails if publint or attw finds a problem in a tarball. */
export const check = (tarball: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { messages, pkg } = yield* Effect.promise(() => {
      const { buffer, byteLength, byteOffset } = Fs.readFileSync(tarball)
      const content = (buffer as ArrayBuffer).slice(byteOffset, byteOffset + byteLength)
      return publint({ pack: { tarball: content }, strict: true })
    })
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
    yield* run(bin("attw"), [tarball, "--profile", "esm-only", "--no-color"], root)
  })

/** The fenced code blocks in a text for a language. */
export const fences = (text: string, language: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, "gm")), ([, block]) => block as string)
