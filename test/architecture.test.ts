/**
 * Checks that imports between the wings of `src/internal` follow the table in docs/design.md.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { posix } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import ts from "typescript"

const root = fileURLToPath(new URL("..", import.meta.url))
const design = readFileSync(`${root}docs/design.md`, "utf8")

type Sources = ReadonlyMap<string, string>

/** Every module of a folder, keyed by its path in the folder. */
const readSources = (folder: string): Sources =>
  new Map(
    readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" })
      .map((path) => path.replaceAll("\\", "/"))
      .filter((path) => path.endsWith(".ts"))
      .map((path) => [path, readFileSync(`${root}${folder}/${path}`, "utf8")])
  )

const sources = readSources("src")

/** The source folders: the client's and, in this repository, those of the companion packages. */
const folders = [
  "src",
  ...(existsSync(`${root}packages`) ? readdirSync(`${root}packages`).map((name) => `packages/${name}/src`) : [])
]

/** What each wing may import, from the table in docs/design.md: other wings, and packages that need Node. */
const readTable = (text: string): ReadonlyMap<string, ReadonlySet<string>> =>
  new Map(
    Array.from(
      text.matchAll(/^\| `([^`]+)\/` \| [^|]+ \| ([^|]*) \|$/gm),
      ([, wing, allowed]) =>
        [wing!, new Set(Array.from(allowed!.matchAll(/`([^`]+)`/g), (match) => match[1]!))] as const
    )
  )

const table = readTable(design)

interface Import {
  readonly from: string
  readonly specifier: string
  /** The path of the imported module in `src`, or the package's name. */
  readonly to: string
  readonly isTypeOnly: boolean
}

const mapped: Readonly<Record<string, string>> = {
  "#platform": "internal/platform/node.ts",
  "#native": "internal/engine/native/node.ts"
}

const packageOf = (specifier: string): string =>
  specifier.startsWith("node:") ? "node:" : specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")

/** Imports and re-exports, including dynamic imports. */
const importsOf = (from: string, text: string): ReadonlyArray<Import> => {
  const found: Array<Import> = []
  const add = (specifier: ts.Node, isTypeOnly: boolean) => {
    if (ts.isStringLiteral(specifier)) {
      const name = specifier.text
      const to = name.startsWith(".")
        ? posix.join(posix.dirname(from), name).replace(/\.js$/, ".ts")
        : (mapped[name] ?? packageOf(name))
      found.push({ from, specifier: name, to, isTypeOnly })
    }
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const clause = node.importClause
      const named = clause?.namedBindings
      const isTypeOnly =
        clause?.isTypeOnly === true ||
        (clause?.name === undefined &&
          named !== undefined &&
          ts.isNamedImports(named) &&
          named.elements.every((element) => element.isTypeOnly))
      add(node.moduleSpecifier, isTypeOnly)
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      add(node.moduleSpecifier, node.isTypeOnly)
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0]!, false)
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, true)
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(from, text, ts.ScriptTarget.ES2022))
  return found
}

const wingOf = (path: string): string | undefined => /^internal\/([^/]+)\//.exec(path)?.[1]

const restricted: ReadonlySet<string> = new Set(["node:", "undici", "koffi"])
const packages: ReadonlySet<string> = new Set(["effect", "@effect/platform", ...restricted])

/** Folders that other modules reach only through the `imports` map of package.json. */
const behind: Readonly<Record<string, string>> = {
  "internal/platform/": "#platform",
  "internal/engine/native/": "#native"
}

const problemOf = ({ from, isTypeOnly, specifier, to }: Import): string | undefined => {
  const wing = wingOf(from)
  if (!to.endsWith(".ts")) {
    return !packages.has(to)
      ? "is a package that src does not use"
      : restricted.has(to) && !(wing !== undefined && table.get(wing)?.has(to))
        ? `needs ${to}, which the table does not allow`
        : undefined
  }
  const folder = Object.keys(behind).find((prefix) => to.startsWith(prefix) && !from.startsWith(prefix))
  if (folder !== undefined && specifier.startsWith(".")) {
    return `must go through ${behind[folder]}`
  }
  if (wing === undefined) {
    return undefined
  }
  const target = wingOf(to)
  if (target === undefined) {
    return isTypeOnly || to === "FliptError.ts" ? undefined : "takes a value from a public module"
  }
  return target === wing || table.get(wing)?.has(target) ? undefined : `${wing} may not import ${target}`
}

const importsIn = (modules: Sources): ReadonlyArray<Import> =>
  [...modules].flatMap(([path, text]) => importsOf(path, text))

const problemsIn = (modules: Sources): ReadonlyArray<string> =>
  importsIn(modules).flatMap((it) => {
    const problem = problemOf(it)
    return problem === undefined ? [] : [`${it.from} imports ${it.specifier}: ${problem}`]
  })

/** All wings and packages that a wing can reach according to the table. */
const reachable = (wing: string, seen = new Set<string>()): ReadonlySet<string> => {
  for (const next of table.get(wing) ?? []) {
    if (!seen.has(next)) {
      seen.add(next)
      reachable(next, seen)
    }
  }
  return seen
}

describe("the table of wings in docs/design.md", () => {
  it("lists every folder of src/internal, and no other", () => {
    const folders = readdirSync(`${root}src/internal`)
    expect([...table.keys()].sort()).toEqual(folders.sort())
  })

  it("allows every import between wings", () => {
    expect(problemsIn(sources)).toEqual([])
  })

  it("allows nothing that is not used", () => {
    const imports = importsIn(sources)
    const unused = [...table].flatMap(([wing, allowed]) =>
      [...allowed]
        .filter((name) => !imports.some(({ from, to }) => wingOf(from) === wing && (wingOf(to) ?? to) === name))
        .map((name) => `${wing} -> ${name}`)
    )
    expect(unused).toEqual([])
  })

  it("has no cycle", () => {
    expect([...table.keys()].filter((wing) => reachable(wing).has(wing))).toEqual([])
  })

  it("keeps evaluation and fetching apart, and the engine away from the network", () => {
    const shared = (wing: string, names: ReadonlyArray<string>) => names.filter((name) => reachable(wing).has(name))
    expect(shared("engine", ["fetch", "auth", "tls", "net", "platform", "store", "client", "undici"])).toEqual([])
    expect(shared("fetch", ["engine", "document", "snapshot", "client", "flag"])).toEqual([])
  })

  it.each([
    ["internal/engine/select.ts", 'import "../fetch/tags.js"', "engine may not import fetch"],
    ["internal/fetch/polling.ts", 'import type { State } from "../client/state.js"', "fetch may not import client"],
    ["internal/fetch/polling.ts", 'export * from "../document/json.js"', "fetch may not import document"],
    ["internal/util/timers.ts", 'type A = import("../net/proxy.js").A', "util may not import net"],
    ["internal/client/state.ts", 'import * as Fetcher from "../../Fetcher.js"', "takes a value from a public module"],
    ["internal/client/state.ts", 'import { layer, type Options } from "../../Engine.js"', "takes a value"],
    ["internal/client/state.ts", 'const fs = import("node:fs")', "needs node:"],
    ["internal/platform/node.ts", 'import koffi from "koffi"', "needs koffi"],
    ["FliptClient.ts", 'import { Agent } from "undici"', "needs undici"],
    ["internal/fetch/file.ts", 'import { readFile } from "../platform/node.js"', "must go through #platform"],
    ["internal/engine/select.ts", 'import { load } from "./native/node.js"', "must go through #native"],
    ["internal/client/state.ts", 'import lodash from "lodash"', "is a package that src does not use"]
  ])("finds a wrong import: %s with %s", (path, line, problem) => {
    const text = sources.get(path)
    expect(text, path).toBeDefined()
    expect(problemsIn(new Map([[path, `${line}\n${text}`]]))).toEqual([expect.stringContaining(problem)])
  })
})

describe("the modules", () => {
  it("in util/ need nothing", () => {
    for (const path of ["Model.ts", "FliptError.ts"]) {
      expect(importsOf(path, sources.get(path)!).filter(({ to }) => to !== "effect")).toEqual([])
    }
  })

  it("for platforms without Node reach nothing that needs Node", () => {
    const seen = new Set<string>()
    const visit = (path: string): void => {
      if (!seen.has(path)) {
        seen.add(path)
        for (const { isTypeOnly, to } of importsOf(path, sources.get(path) ?? "")) {
          if (!isTypeOnly) {
            visit(to)
          }
        }
      }
    }
    visit("internal/platform/default.ts")
    visit("internal/engine/native/default.ts")
    expect([...seen].filter((name) => restricted.has(name))).toEqual([])
  })

  it("stay short enough to be one concept", () => {
    const long = folders.flatMap((folder) =>
      [...readSources(folder)].filter(([, text]) => text.split("\n").length >= 400).map(([path]) => `${folder}/${path}`)
    )
    expect(long).toEqual([])
  })

  it("named in docs/design.md exist", () => {
    const names = Array.from(design.matchAll(/`((?:[\w-]+\/)+[\w.-]+\.(?:ts|mjs|md|rs))`/g), (match) => match[1]!)
    const missing = names.filter((name) => !sources.has(`internal/${name}`) && !existsSync(`${root}${name}`))
    expect(names.length).toBeGreaterThan(20)
    expect(missing).toEqual([])
  })
})
