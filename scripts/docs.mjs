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

// docgen requires a homepage in package.json
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
// docgen would also run the examples. test/docs.test.ts compiles them instead. In docgen 0.5 only this variable
// disables it.
const docgen = createRequire(import.meta.url).resolve("@effect/docgen/bin.cjs")
const env = { ...process.env, DOCGEN_RUN_EXAMPLES: "false" }
const { status } = spawnSync(process.execPath, [docgen], { cwd: work, env, stdio: "inherit" })
if (status === 0) {
  const modules = readdirSync(`${work}/out/modules`).filter((file) => file !== "index.md")
  mkdirSync(`${root}build/api`, { recursive: true })
  for (const file of modules) {
    const text = readFileSync(`${work}/out/modules/${file}`, "utf8")
      // files for a site generator, which is not used
      .replace(/^[\s\S]*?(?=^## )/m, "")
      .replaceAll(/\{@link (\w+)\}/g, "`$1`")
    writeFileSync(`${root}build/api/${file.replace(".ts.md", ".md")}`, text)
  }
  const list = modules.map((file) => file.replace(".ts.md", "")).map((module) => `- [${module}](${module}.md)\n`)
  writeFileSync(`${root}build/api/README.md`, `# ${name}\n\n${list.join("")}`)
}
rmSync(work, { recursive: true })
process.exitCode = status ?? 1
