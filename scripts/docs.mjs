// Writes the API reference to build/api, as Markdown, one file for each public module.
import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const work = `${root}build/docgen`
const { name } = JSON.parse(readFileSync(`${root}package.json`, "utf8"))

rmSync(work, { recursive: true, force: true })
rmSync(`${root}build/api`, { recursive: true, force: true })
mkdirSync(work, { recursive: true })
cpSync(`${root}src`, `${work}/src`, { recursive: true })

// docgen wants a homepage in the package.json beside it, and the package has none
writeFileSync(`${work}/package.json`, JSON.stringify({ name, homepage: "", type: "module" }))
writeFileSync(
  `${work}/docgen.json`,
  JSON.stringify({
    outDir: "out",
    exclude: ["src/index.ts", "src/internal/**/*.ts"],
    enforceDescriptions: true,
    enforceVersion: true
  })
)
// It would run the examples, and with them whatever they start: test/docs.test.ts compiles them instead. Of the ways to
// say so that docgen 0.5 knows, the variable is the one that works.
const docgen = createRequire(import.meta.url).resolve("@effect/docgen/bin.cjs")
const env = { ...process.env, DOCGEN_RUN_EXAMPLES: "false" }
const { status } = spawnSync(process.execPath, [docgen], { cwd: work, env, stdio: "inherit" })
if (status === 0) {
  const modules = readdirSync(`${work}/out/modules`).filter((file) => file !== "index.md")
  mkdirSync(`${root}build/api`, { recursive: true })
  for (const file of modules) {
    const text = readFileSync(`${work}/out/modules/${file}`, "utf8")
      // what a site generator would read, which there is none of
      .replace(/^[\s\S]*?(?=^## )/m, "")
      .replaceAll(/\{@link (\w+)\}/g, "`$1`")
    writeFileSync(`${root}build/api/${file.replace(".ts.md", ".md")}`, text)
  }
  const list = modules.map((file) => file.replace(".ts.md", "")).map((module) => `- [${module}](${module}.md)\n`)
  writeFileSync(`${root}build/api/README.md`, `# ${name}\n\n${list.join("")}`)
}
rmSync(work, { recursive: true })
process.exitCode = status ?? 1
