/**
 * Writes the edition for Effect 4 to build/effect4: `npm run effect4`.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { rewrite } from "./codemod.mjs"

const root = fileURLToPath(new URL("../../", import.meta.url))
const out = join(root, "build/effect4")
const folders = ["src", "test", "examples"]
const only = process.argv.slice(2)
const wanted = (name) => only.length === 0 || only.some((f) => name.startsWith(`${root}${f}`))

const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile)
const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
const program = ts.createProgram(fileNames.filter(wanted), options)
const checker = program.getTypeChecker()
for (const folder of folders) rmSync(join(out, folder), { recursive: true, force: true })
for (const fileName of fileNames) {
  const path = fileName.slice(root.length)
  if (!folders.some((f) => path.startsWith(`${f}/`)) || !path.endsWith(".ts")) continue
  if (only.length && !only.some((f) => path.startsWith(f))) continue
  const target = join(out, path)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, rewrite(program.getSourceFile(fileName), checker))
}
