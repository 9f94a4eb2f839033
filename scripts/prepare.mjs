/**
 * Builds the native engine in a checkout, after `npm ci` and `npm install`. If a tool is missing or the crates are not
 * available, it prints one line, and the portable engine is used. If the crate does not compile, or the library does not
 * load, the installation fails.
 *
 * Needs no dev dependency.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const native = fileURLToPath(new URL("../native/", import.meta.url))

const without = (reason) => {
  console.log(`The native engine was not built: ${reason}. The portable engine is used instead.`)
  process.exit(0)
}

const fail = (reason) => {
  console.error(`The native engine failed: ${reason}`)
  process.exit(1)
}

/** Runs a command in the crate's folder. Returns `undefined` if the command does not exist. */
const run = (command, args, options = {}) => {
  const result = spawnSync(command, args, { cwd: native, encoding: "utf8", ...options })
  return result.error?.code === "ENOENT" ? undefined : result
}

const lastLines = (text) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("Updating") && !line.startsWith("warning: spurious"))
    .slice(-3)
    .join(" ")

if (!existsSync(join(native, "Cargo.toml"))) {
  without("its sources are missing")
}
if (run("cargo", ["--version"]) === undefined) {
  without("cargo is not installed (https://rustup.rs)")
}
if (process.platform !== "win32" && run("cc", ["--version"]) === undefined) {
  without("the linker cc is not installed")
}

// crates in the cache need no network
const fetched = run("cargo", ["fetch", "--locked", "--offline"])
if (fetched.status !== 0) {
  const { status, stderr } = run("cargo", ["fetch", "--locked"], {
    env: { ...process.env, CARGO_NET_RETRY: "1", CARGO_HTTP_TIMEOUT: "15" }
  })
  if (status !== 0) {
    if (/--locked was passed|failed to parse manifest/.test(stderr)) {
      fail(lastLines(stderr))
    }
    without(`its crates cannot be fetched (${lastLines(stderr)})`)
  }
}

const built = run("cargo", ["build", "--release", "--locked", "--offline"], { stdio: "inherit" })
if (built.status !== 0) {
  fail("the crate does not compile")
}

const name = { win32: "flipt_client_effect.dll", darwin: "libflipt_client_effect.dylib" }[process.platform]
const library = join(native, "target", "release", name ?? "libflipt_client_effect.so")
let koffi
try {
  koffi = (await import("koffi")).default
} catch (error) {
  without(`koffi does not run on this platform (${error.message})`)
}
try {
  koffi.load(library).func("uint32_t fce_abi_version()")()
} catch (error) {
  fail(`${library} does not load: ${error.message}`)
}
console.log("Built the native engine.")
