/**
 * Every TypeScript example in the documentation and docstrings compiles as a separate module.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"

const root = fileURLToPath(new URL("..", import.meta.url))

/** A tool of this project, or of the project that it is generated from. */
const tsgo = [root, `${root}../../`]
  .map((folder) => `${folder}node_modules/.bin/tsgo`)
  .find((path) => existsSync(path))!

const read = (path: string) => readFileSync(`${root}${path}`, "utf8")

/** Every fenced TypeScript block, with its location. */
const fences = (path: string, text: string): ReadonlyArray<readonly [string, string]> =>
  Array.from(text.matchAll(/^([ \t]*\*?[ \t]*)```ts\n([\s\S]*?)^\1```$/gm), (match) => [
    `${path}:${text.slice(0, match.index).split("\n").length}`,
    match[2]!.replaceAll(/^[ \t]*\* ?/gm, match[1]!.includes("*") ? "" : "$&")
  ])

const packages = readdirSync(`${root}packages`).map((name) => `packages/${name}`)
const documents = [
  "README.md",
  "CHANGELOG.md",
  ...readdirSync(`${root}docs`).map((name) => `docs/${name}`),
  ...packages.map((folder) => `${folder}/README.md`)
]
/** The public modules, and the re-exports of an index. */
const modules = ["src", ...packages.map((folder) => `${folder}/src`)].flatMap((folder) =>
  readdirSync(`${root}${folder}`).map((name) => `${folder}/${name}`)
)
const isModule = (name: string) => name.endsWith(".ts") && !name.endsWith("/index.ts")
/** Whether this project has the packages that a text imports. The edition for Effect 4 has none. */
const hasPackages = (text: string) =>
  Array.from(text.matchAll(/from "@flipt-client-effect\/([\w-]+)/g)).every(([, name]) =>
    packages.includes(`packages/${name}`)
  )
const examples = new Map(
  [...documents, ...modules.filter((name) => name.endsWith(".ts"))]
    .flatMap((path) => fences(path, read(path)))
    .filter(([, text]) => hasPackages(text))
)

/** Runs the type checker on a project. Returns what it printed. */
const check = (project: string): string => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [tsgo, "-p", project, "--pretty", "false"], {
    encoding: "utf8"
  })
  return status === 0 ? "" : `${stdout}${stderr}`
}

it("every example in the documentation and docstrings compiles", () => {
  expect(examples.size).toBeGreaterThan(20)
  const folder = `${root}build/fences`
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const places = Array.from(examples, ([place, text], index) => {
    writeFileSync(`${folder}/fence-${index}.ts`, text)
    return place
  })
  const options = { noUnusedLocals: false, noEmit: true, composite: false, incremental: false }
  writeFileSync(
    `${folder}/tsconfig.json`,
    JSON.stringify({ extends: "../../tsconfig.json", compilerOptions: options, include: ["."], exclude: [] })
  )
  const printed = check(folder)
  expect(printed.replaceAll(/\S*fence-(\d+)\.ts\(\d+,\d+\)/g, (_, index) => places[Number(index)]!)).toBe("")
}, 300_000)

it("every public export has a docstring with its version and category", () => {
  const missing = modules.filter(isModule).flatMap((name) =>
    Array.from(read(name).matchAll(/(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?export (?:const|class|interface|type) (\w+)/g))
      .filter(([, comment]) => comment === undefined || !/@since[\s\S]*@category/.test(comment))
      .map((match) => `${name}: ${match[2]}`)
  )
  expect(missing).toEqual([])
})

it("every re-exported tag has a docstring with its version and category", () => {
  const tags = modules
    .filter((name) => !name.endsWith("/index.ts") && name.endsWith(".ts"))
    .flatMap((name) =>
      Array.from(read(name).matchAll(/^export \{\n([\s\S]*?)^\}/gm), ([, body]) =>
        Array.from(body!.matchAll(/( {2}\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)? {2}(\w+),?\n/g), ([, comment, tag]) => ({
          tag: `${name}: ${tag}`,
          isDocumented: /\* \w[\s\S]*@since[\s\S]*@category/.test(comment ?? "")
        }))
      ).flat()
    )
  expect(tags.length).toBeGreaterThan(10)
  expect(tags.filter(({ isDocumented }) => !isDocumented)).toEqual([])
})

it("every public export has a description, which the reference requires", () => {
  const without = modules
    .filter(isModule)
    .flatMap((name) =>
      Array.from(
        read(name).matchAll(/\/\*\*\n \* @since(?:(?!\*\/)[\s\S])*\*\/\nexport (?:const|class|interface|type) (\w+)/g),
        (match) => `${name}: ${match[1]}`
      )
    )
  expect(without).toEqual([])
})

it("every public module has an example", () => {
  const without = modules.filter((name) => isModule(name) && !/ \* @example\n/.test(read(name)))
  expect(without).toEqual([])
})
