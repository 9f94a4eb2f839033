/**
 * Writes the edition for Effect 4 to `build/effect4`: `npm run effect4`.
 *
 * `npm run effect4 -- --accept <path>` only records that the overlay of a file is up to date.
 */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, posix } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { rewrite, rewriteProse } from "./codemod.mjs"
import { excluded } from "./excluded.mjs"
import * as Overlays from "./overlays.mjs"
import { passages } from "./rules.mjs"

const root = fileURLToPath(new URL("../../", import.meta.url))
const out = `${root}build/effect4/`
const edition = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"))
const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8"))

const [command, ...paths] = process.argv.slice(2)
if (command === "--accept") {
  paths.forEach(Overlays.accept)
  process.exit(0)
}
const [problem] = Overlays.problems()
if (problem !== undefined) {
  console.error(problem)
  process.exit(1)
}

const read = (path) => readFileSync(`${root}${path}`, "utf8")

const write = (path, text) => {
  mkdirSync(dirname(`${out}${path}`), { recursive: true })
  writeFileSync(`${out}${path}`, text)
}

const list = (folder) =>
  readdirSync(`${root}${folder}`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.replaceAll("\\", "/").slice(root.length))

const format = (...targets) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      `${root}node_modules/@biomejs/biome/bin/biome`,
      "check",
      "--write",
      "--linter-enabled=false",
      `--config-path=${out}`,
      ...targets
    ],
    { cwd: out, encoding: "utf8" }
  )
  if (status !== 0) {
    throw new Error(`the edition cannot be formatted:\n${stdout}${stderr}`)
  }
}

// Deletes earlier output, but keeps what npm has installed.
for (const name of existsSync(out) ? readdirSync(out) : []) {
  if (name !== "node_modules" && name !== "package-lock.json") {
    rmSync(`${out}${name}`, { recursive: true, force: true })
  }
}
mkdirSync(out, { recursive: true })

const biome = JSON.parse(read("biome.json"))
write("biome.json", JSON.stringify({ ...biome, root: true, vcs: { enabled: false }, $schema: undefined }, undefined, 2))

/** Pages about this repository, which apply to all editions. */
const shared = new Set(["docs/design.md", "docs/benchmarks.md", "docs/releasing.md", "docs/effect4.md"])

/** Left out: examples, pages and tests of packages that exist for Effect 3 only, or of what Effect 4 does differently. */
const left = new Set([
  "docs/fleet.md",
  "examples/fleet.ts",
  "examples/http-server.ts",
  "test/support/setup.ts",
  ...excluded.flatMap(({ file, test }) => (test === undefined ? [file] : []))
])

const sources = [
  ...["src", "test", "examples"].flatMap(list),
  "scripts/native/corpus.mjs",
  "bench/simulation.ts"
].filter((path) => !left.has(path))
const pages = ["README.md", ...list("docs")].filter(
  (path) => path.endsWith(".md") && !shared.has(path) && !left.has(path)
)
const isCode = (path) => /\.(?:ts|mjs)$/.test(path)

/** Fenced TypeScript. In comments it includes the star at the start of each line. Group 3 is the code. */
const fence = /^([ \t]*(\*)?[ \t]*)```ts\n([\s\S]*?)^\1```$/gm
const unstarred = (code, star) => (star === undefined ? code : code.replaceAll(/^[ \t]*\* ?/gm, ""))

/** The code of examples in comments and pages. Examples with packages that exist for Effect 3 only are not rewritten. */
const examples = new Map()
for (const path of [...sources.filter((name) => name.startsWith("src/")), ...pages]) {
  for (const [, , star, code] of read(path).matchAll(fence)) {
    const text = unstarred(code, star)
    if (!examples.has(text) && !/@flipt-client-effect\//.test(text)) {
      examples.set(text, `examples/example-${examples.size}.ts`)
    }
  }
}

const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
const virtual = new Map(Array.from(examples, ([text, path]) => [`${root}${path}`, text]))
const host = ts.createCompilerHost(options)
const program = ts.createProgram(
  [...sources.filter(isCode).map((path) => `${root}${path}`), ...virtual.keys()],
  options,
  {
    ...host,
    fileExists: (name) => virtual.has(name) || host.fileExists(name),
    readFile: (name) => virtual.get(name) ?? host.readFile(name),
    getSourceFile: (name, ...rest) =>
      virtual.has(name)
        ? ts.createSourceFile(name, virtual.get(name), ts.ScriptTarget.ES2022, true)
        : host.getSourceFile(name, ...rest)
  }
)
const checker = program.getTypeChecker()

const rewritten = new Map()
for (const [text, path] of examples) {
  write(path, rewrite(program.getSourceFile(`${root}${path}`), checker, { path }))
  rewritten.set(text, path)
}
format("examples")
for (const [text, path] of rewritten) {
  rewritten.set(text, readFileSync(`${out}${path}`, "utf8"))
  rmSync(`${out}${path}`)
}

const repository = manifest.repository.url.replace(/^git\+|\.git$/g, "")

/** Turns links to files that the package does not contain into links to the repository. */
const renderLinks = (page, text) =>
  text.replaceAll(/\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)/g, (link, target, anchor = "") => {
    const path = posix.join(posix.dirname(page), target)
    if (!existsSync(`${root}${path}`)) {
      throw new Error(`${page} links to ${path}, which does not exist`)
    }
    return left.has(path) || path.startsWith("packages/") ? `](${repository}/blob/main/${path}${anchor})` : link
  })

const starred = (code, prefix = "") => code.replaceAll(/^.+$|^(?=\n)/gm, (line) => `${prefix}${line}`.trimEnd())

/** Rewrites prose, and replaces the examples in it with the rewritten ones. */
const renderProse = (text) => {
  let result = ""
  let position = 0
  for (const match of text.matchAll(fence)) {
    const [whole, indent, star, code] = match
    const example = rewritten.get(unstarred(code, star))
    result += rewriteProse(text.slice(position, match.index))
    result += example === undefined ? whole : `${indent}\`\`\`ts\n${starred(example, star && indent)}${indent}\`\`\``
    position = match.index + whole.length
  }
  return result + rewriteProse(text.slice(position))
}

for (const path of sources) {
  if (isCode(path)) {
    write(path, rewrite(program.getSourceFile(`${root}${path}`), checker, { path, renderComment: renderProse }))
  } else {
    mkdirSync(dirname(`${out}${path}`), { recursive: true })
    cpSync(`${root}${path}`, `${out}${path}`)
  }
}
for (const path of Overlays.overlays) {
  write(path, Overlays.read(path))
}
for (const path of pages) {
  const text = (passages[path] ?? []).reduce((result, [from, to]) => {
    if (!result.includes(from)) {
      throw new Error(
        `${path} does not contain the passage "${from}" of editions/effect4/rules.mjs. Bring the rule up to date`
      )
    }
    return result.replace(from, to)
  }, read(path))
  write(path, renderLinks(path, renderProse(text)))
}

write(
  "src/internal/util/version.ts",
  read("src/internal/util/version.ts").replace(
    `export const version = "${manifest.version}"`,
    `export const version = "${edition.version}"`
  )
)
const { devDependencies: _, overrides, scripts, workspaces, ...common } = manifest
write("package.json", `${JSON.stringify({ ...common, ...edition }, undefined, 2)}\n`)

for (const path of ["tsconfig.base.json", "tsconfig.build.json", "tsconfig.examples.json", "CHANGELOG.md", "LICENSE"]) {
  cpSync(`${root}${path}`, `${out}${path}`)
}
for (const path of shared) {
  cpSync(`${root}${path}`, `${out}${path}`)
}
cpSync(`${root}docs/benchmarks.svg`, `${out}docs/benchmarks.svg`)
cpSync(`${root}scripts`, `${out}scripts`, {
  recursive: true,
  filter: (from) => !from.endsWith("corpus.mjs")
})
for (const path of ["tsconfig.json", "vitest.config.ts"]) {
  cpSync(fileURLToPath(new URL(path, import.meta.url)), `${out}${path}`)
}
// The crate and its build are the same for all editions.
cpSync(`${root}native`, `${out}native`, { recursive: true, filter: (from) => from !== `${root}native/target` })
mkdirSync(`${root}native/target`, { recursive: true })
symlinkSync(`${root}native/target`, `${out}native/target`, "junction")
// no packages for Effect 4 yet
mkdirSync(`${out}packages`)

format("src", "test", "examples", "bench")
console.log(
  `${sources.length} files and ${pages.length} pages in build/effect4, with ${Overlays.overlays.length} overlays`
)
