// @ts-check
/**
 * The platforms that have a package with the native library. Everything else that names them is derived from this list
 * or tested against it: the loader, the release workflow and docs/platforms.md.
 */

/**
 * @typedef {object} Toolchain
 * @property {string} target the target of rustc; for cargo-zigbuild, a version of glibc can follow it
 * @property {ReadonlyArray<string>} [rustflags]
 */

/**
 * @typedef {object} Platform
 * @property {string} id the end of the package's name
 * @property {NodeJS.Platform} os
 * @property {"x64" | "arm64"} cpu
 * @property {"glibc" | "musl"} [libc] as in the field `libc` of a manifest
 * @property {string} [glibc] the oldest glibc that the library may need
 * @property {string} [macos] the oldest macOS
 * @property {string} file the name of the library
 * @property {Toolchain} cross builds it with zig, on Linux
 * @property {Toolchain} [host] builds it with the linker of the platform, on the platform
 * @property {string} runner the machine of the release workflow that builds it
 */

const linux = "libflipt_client_effect.so"
const darwin = "libflipt_client_effect.dylib"
const windows = "flipt_client_effect.dll"

const GLIBC = "2.28"
// a musl library is linked against the system's musl, or it would bring a second one into the process
const musl = { rustflags: ["-Ctarget-feature=-crt-static"] }
// a Windows library that does not need the Visual C++ runtime to be installed
const msvc = { rustflags: ["-Ctarget-feature=+crt-static"] }

/** @type {ReadonlyArray<Platform>} */
export const platforms = [
  {
    id: "linux-x64-gnu",
    os: "linux",
    cpu: "x64",
    libc: "glibc",
    glibc: GLIBC,
    file: linux,
    cross: { target: `x86_64-unknown-linux-gnu.${GLIBC}` },
    runner: "ubuntu-24.04"
  },
  {
    id: "linux-arm64-gnu",
    os: "linux",
    cpu: "arm64",
    libc: "glibc",
    glibc: GLIBC,
    file: linux,
    cross: { target: `aarch64-unknown-linux-gnu.${GLIBC}` },
    runner: "ubuntu-24.04"
  },
  {
    id: "linux-x64-musl",
    os: "linux",
    cpu: "x64",
    libc: "musl",
    file: linux,
    cross: { target: "x86_64-unknown-linux-musl", ...musl },
    runner: "ubuntu-24.04"
  },
  {
    id: "linux-arm64-musl",
    os: "linux",
    cpu: "arm64",
    libc: "musl",
    file: linux,
    cross: { target: "aarch64-unknown-linux-musl", ...musl },
    runner: "ubuntu-24.04"
  },
  {
    id: "darwin-x64",
    os: "darwin",
    cpu: "x64",
    macos: "11.0",
    file: darwin,
    cross: { target: "x86_64-apple-darwin" },
    host: { target: "x86_64-apple-darwin" },
    runner: "macos-15-intel"
  },
  {
    id: "darwin-arm64",
    os: "darwin",
    cpu: "arm64",
    macos: "11.0",
    file: darwin,
    cross: { target: "aarch64-apple-darwin" },
    host: { target: "aarch64-apple-darwin" },
    runner: "macos-15"
  },
  {
    id: "win32-x64",
    os: "win32",
    cpu: "x64",
    file: windows,
    cross: { target: "x86_64-pc-windows-gnullvm" },
    host: { target: "x86_64-pc-windows-msvc", ...msvc },
    runner: "windows-2022"
  },
  {
    id: "win32-arm64",
    os: "win32",
    cpu: "arm64",
    file: windows,
    cross: { target: "aarch64-pc-windows-gnullvm" },
    host: { target: "aarch64-pc-windows-msvc", ...msvc },
    runner: "windows-11-arm"
  }
]

/** @param {Platform} platform */
export const packageName = ({ id }) => `@flipt-client-effect/native-${id}`

/**
 * The platform with an id.
 *
 * @param {string} id
 */
export const platformOf = (id) => {
  const found = platforms.find((platform) => platform.id === id)
  if (found === undefined) {
    throw new Error(`${id} is not a platform. The platforms are ${platforms.map((it) => it.id).join(", ")}`)
  }
  return found
}

const isMusl = () => {
  const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (process.report.getReport())
  return header.glibcVersionRuntime === undefined
}

/** The platform of this machine; `undefined` where there is no package for it. */
export const hostPlatform = () =>
  platforms.find(
    ({ cpu, libc, os }) =>
      os === process.platform && cpu === process.arch && (libc === undefined || (libc === "musl") === isMusl())
  )
