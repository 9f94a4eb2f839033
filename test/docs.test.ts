/**
 * Every TypeScript example of the documents and docstrings compiles, each as a module of its own.
 */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import ts from "typescript"

const root = fileURLToPath(new URL("..", import.meta.url))

const read = (path: string) => readFileSync(`${root}${path}`, "utf8")

/** Each fenced block of TypeScript, by where it stands. */
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
/** The public modules, and what an index exports again. */
const modules = ["src", ...packages.map((folder) => `${folder}/src`)].flatMap((folder) =>
  readdirSync(`${root}${folder}`).map((name) => `${folder}/${name}`)
)
const isModule = (name: string) => name.endsWith(".ts") && !name.endsWith("/index.ts")
const examples = new Map(
  [...documents, ...modules.filter((name) => name.endsWith(".ts"))].flatMap((path) => fences(path, read(path)))
)

it("every example of the documents and docstrings compiles", () => {
  expect(examples.size).toBeGreaterThan(20)
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  const compilerOptions = { ...options, noUnusedLocals: false }
  const host = ts.createCompilerHost(compilerOptions)
  const sources = new Map<string, { readonly place: string; readonly text: string }>(
    Array.from(examples, ([place, text], index) => [`${root}examples/fence-${index}.ts`, { place, text }] as const)
  )
  const program = ts.createProgram([...sources.keys()], compilerOptions, {
    ...host,
    fileExists: (name) => sources.has(name) || host.fileExists(name),
    readFile: (name) => sources.get(name)?.text ?? host.readFile(name),
    getSourceFile: (name, ...rest) => {
      const source = sources.get(name)
      return source === undefined
        ? host.getSourceFile(name, ...rest)
        : ts.createSourceFile(name, source.text, ts.ScriptTarget.ES2022)
    }
  })
  const problems = ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const source = diagnostic.file && sources.get(diagnostic.file.fileName)
    return `${source?.place ?? diagnostic.file?.fileName}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n")}`
  })
  expect(problems).toEqual([])
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
