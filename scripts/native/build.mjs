// @ts-check
/**
 * `npm run native:build -- <platform>…` builds the native library for platforms of `platforms.mjs`, or for all of them.
 *
 * The standard library is compiled with the crate, so one compiler with its sources builds for every platform, and a
 * build has the same bytes in every folder. On Linux zig links for all platforms; on macOS and Windows the platform's own
 * linker builds for that system. The libraries and the licences of what is in them are put into
 * `build/native/<platform>/`. docs/releasing.md says how to install the tools.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { delimiter, join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { exportsOf } from "./abi.mjs"
import { problemsOf } from "./inspect.mjs"
import { licenses } from "./licenses.mjs"
import { platformOf, platforms } from "./platforms.mjs"

/** @typedef {import("./platforms.mjs").Platform} Platform */

const root = fileURLToPath(new URL("../..", import.meta.url))
const crate = join(root, "native")
const cross = process.platform === "linux"

/** An error whose message is printed without a stack. */
class Failure extends Error {}

/** @param {string} command @param {ReadonlyArray<string>} args @param {NodeJS.ProcessEnv} [env] */
const output = (command, args, env) => {
  const { error, status, stdout } = spawnSync(command, args, { cwd: crate, encoding: "utf8", env: env ?? process.env })
  return error === undefined && status === 0 ? stdout.trim() : undefined
}

/**
 * The compiler: `RUSTC` and `CARGO`, or what PATH has, or Debian's. It must have its sources.
 */
const findCompiler = () => {
  const candidates = [
    { rustc: process.env.RUSTC ?? "rustc", cargo: process.env.CARGO ?? "cargo" },
    { rustc: "/usr/bin/rustc", cargo: "/usr/bin/cargo" }
  ]
  for (const { cargo, rustc } of candidates) {
    const sysroot = output(rustc, ["--print", "sysroot"])
    const sources = sysroot && join(sysroot, "lib", "rustlib", "src", "rust")
    if (sysroot && sources && existsSync(join(sources, "library", "Cargo.lock"))) {
      return { rustc, cargo, sysroot, sources }
    }
  }
  throw new Failure("there is no rustc with its sources. Install rust-src (docs/releasing.md), or set RUSTC and CARGO")
}

/** PATH with the tools that docs/releasing.md installs, which take precedence. */
const path = [join(root, "build", "native-tools", "bin"), process.env.PATH].join(delimiter)

/** Arguments for the linker in addition to rustc's. @param {Platform} platform @param {string} folder for files */
const linkArguments = (platform, folder) => {
  if (platform.os === "darwin") {
    // by default a library for macOS contains the path that it was written to
    return [`-Wl,-install_name,@rpath/${platform.file}`]
  }
  if (cross && platform.os === "win32") {
    // cargo-zigbuild drops the list of exports that rustc makes for Windows, and the linker would export everything
    const definition = join(folder, "exports.def")
    mkdirSync(folder, { recursive: true })
    writeFileSync(
      definition,
      `EXPORTS\n${exportsOf(root)
        .map((name) => `  ${name}\n`)
        .join("")}`
    )
    return [definition]
  }
  return []
}

/** @param {Platform} platform @param {ReturnType<typeof findCompiler>} compiler */
const commandFor = (platform, compiler) => {
  const toolchain = cross ? platform.cross : platform.host
  if (toolchain === undefined || (!cross && platform.os !== process.platform)) {
    throw new Failure(`${platform.id} is not built on ${process.platform}`)
  }
  const target = toolchain.target.replace(/\.\d+\.\d+$/, "")
  const targetFolder = join(root, "build", "native-target")
  // keeps paths of this machine out of panic messages; the last matching prefix wins
  const remapped = [
    [compiler.sysroot, "/rust"],
    [compiler.sources, "/rust"],
    [process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "/cargo"],
    [crate, "/native"],
    [targetFolder, "/target"]
  ]
  const rustflags = [
    ...remapped.map(([from, to]) => `--remap-path-prefix=${from}=${to}`),
    ...(toolchain.rustflags ?? []),
    // zig's linker strips symbols; for Mach-O, rustc would need a tool of LLVM that Debian does not have
    ...(cross && platform.os === "darwin" ? ["-Cstrip=none", "-Clink-arg=-Wl,-s"] : [])
  ]
  const linked = linkArguments(platform, targetFolder).map((argument) => `-Clink-arg=${argument}`)
  const args = ["rustc", "--release", "--locked", "--lib", "--crate-type", "cdylib", "--target", toolchain.target]
  return {
    command: cross ? "cargo-zigbuild" : compiler.cargo,
    args: [...args, "-Zbuild-std=std,panic_unwind", "--message-format=json-render-diagnostics", "--", ...linked],
    target,
    file: join(targetFolder, target, "release", platform.file),
    env: {
      ...process.env,
      PATH: path,
      RUSTC: compiler.rustc,
      CARGO: compiler.cargo,
      CARGO_TARGET_DIR: targetFolder,
      CARGO_ENCODED_RUSTFLAGS: rustflags.join("\u001f"),
      SOURCE_DATE_EPOCH: "0",
      MACOSX_DEPLOYMENT_TARGET: platform.macos,
      // lets a stable compiler accept -Zbuild-std
      RUSTC_BOOTSTRAP: "1"
    }
  }
}

/** The folder with zig's own libraries, and their licences. */
const zigLibrary = () => {
  const described = output("python-zig", ["env"], { ...process.env, PATH: path }) ?? ""
  const found = /lib_dir"?\s*[=:]\s*"(.*?)"/.exec(described)?.[1]
  if (found === undefined) {
    throw new Failure("python-zig does not say where its libraries are. Install ziglang again (docs/releasing.md)")
  }
  return found
}

/** @param {Platform} platform @param {ReturnType<typeof findCompiler>} compiler */
const build = (platform, compiler) => {
  const { args, command, env, file, target } = commandFor(platform, compiler)
  const started = process.hrtime.bigint()
  const { error, status, stdout } = spawnSync(command, args, {
    cwd: crate,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 64 * 1024 * 1024,
    env
  })
  if (error !== undefined) {
    throw new Failure(`${command} does not run: ${error.message}. docs/releasing.md says how to install it`)
  }
  if (status !== 0) {
    throw new Failure(`${platform.id} does not build`)
  }
  const bytes = readFileSync(file)
  const problems = problemsOf(platform, bytes, exportsOf(root))
  if (problems.length > 0) {
    throw new Failure(`${file} is not a library for ${platform.id}: ${problems.join("; ")}`)
  }
  const folder = join(root, "build", "native", platform.id)
  mkdirSync(folder, { recursive: true })
  copyFileSync(file, join(folder, platform.file))
  writeFileSync(
    join(folder, "THIRD-PARTY-LICENSES.md"),
    licenses({
      artifacts: stdout.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : [])),
      target,
      crate: crate.replace(/[\\/]$/, ""),
      sources: compiler.sources,
      zig: cross ? zigLibrary() : undefined,
      mingw: platform.os === "win32"
    })
  )
  const seconds = Number((process.hrtime.bigint() - started) / 1_000_000_000n)
  const sha256 = createHash("sha256").update(bytes).digest("hex")
  console.log(`${platform.id}: ${bytes.length} bytes, sha256 ${sha256}, in ${seconds} s`)
}

try {
  const ids = process.argv.slice(2)
  const compiler = findCompiler()
  for (const platform of ids.length === 0 ? platforms : ids.map(platformOf)) {
    build(platform, compiler)
  }
} catch (error) {
  console.error(`native:build: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
