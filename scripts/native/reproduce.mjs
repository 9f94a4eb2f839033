// @ts-check
/**
 * `npm run native:reproduce -- <platform>…` builds again in a folder of another name, and compares the bytes with those
 * in `build/native`.
 */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { platformOf } from "./platforms.mjs"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** A copy of what a build reads. */
const copyCheckout = () => {
  const copy = mkdtempSync(join(tmpdir(), "another folder-"))
  cpSync(join(root, "scripts"), join(copy, "scripts"), { recursive: true })
  cpSync(join(root, "native"), join(copy, "native"), {
    recursive: true,
    filter: (path) => path !== join(root, "native", "target")
  })
  mkdirSync(join(copy, "build"))
  if (existsSync(join(root, "build", "native-tools"))) {
    symlinkSync(join(root, "build", "native-tools"), join(copy, "build", "native-tools"))
  }
  return copy
}

for (const platform of process.argv.slice(2).map(platformOf)) {
  const copy = copyCheckout()
  try {
    const built = spawnSync(process.execPath, [join(copy, "scripts", "native", "build.mjs"), platform.id], {
      stdio: "inherit"
    })
    const path = join("build", "native", platform.id, platform.file)
    if (built.status !== 0) {
      throw new Error("it does not build")
    }
    if (!readFileSync(join(root, path)).equals(readFileSync(join(copy, path)))) {
      throw new Error(`${path} has other bytes when it is built in ${copy}`)
    }
    console.log(`${platform.id}: the same bytes in two folders`)
  } catch (error) {
    console.error(`${platform.id}: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
