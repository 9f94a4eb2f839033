// @ts-check
/**
 * Reads the platform of a library from its bytes, so that every library can be checked on any machine.
 */

/**
 * @typedef {object} Library
 * @property {"linux" | "darwin" | "win32"} os
 * @property {"x64" | "arm64" | undefined} cpu
 * @property {"glibc" | "musl" | undefined} libc
 * @property {string | undefined} glibc the newest version of glibc that it needs
 * @property {string | undefined} macos the oldest macOS that loads it
 * @property {ReadonlyArray<string>} exports
 * @property {ReadonlyArray<string>} needed libraries that it is linked against
 * @property {boolean} signed whether it has the code signature that macOS on arm64 demands
 */

/** @param {number} value @param {Readonly<Record<number, "x64" | "arm64">>} names */
const cpuOf = (value, names) => names[value]

/** @param {Buffer} bytes @param {number} offset */
const text = (bytes, offset) => bytes.toString("latin1", offset, bytes.indexOf(0, offset))

/** Compares versions such as 2.9 and 2.28. @param {string} a @param {string} b */
export const compareVersions = (a, b) => {
  const [x, y] = [a, b].map((version) => version.split(".").map(Number))
  for (let i = 0; i < Math.max(x?.length ?? 0, y?.length ?? 0); i++) {
    const difference = (x?.[i] ?? 0) - (y?.[i] ?? 0)
    if (difference !== 0) {
      return difference
    }
  }
  return 0
}

const DYNSYM = 11
const DYNAMIC = 6
const VERNEED = 0x6ffffffe

/** @param {Buffer} bytes @returns {Library} */
const elf = (bytes) => {
  /** @param {number} offset */
  const long = (offset) => Number(bytes.readBigUInt64LE(offset))
  const sections = Array.from({ length: bytes.readUInt16LE(60) }, (_, index) => {
    const at = long(40) + index * bytes.readUInt16LE(58)
    return {
      type: bytes.readUInt32LE(at + 4),
      at: long(at + 24),
      size: long(at + 32),
      link: bytes.readUInt32LE(at + 40)
    }
  })
  /** @type {Array<string>} */
  const exports = []
  /** @type {Array<string>} */
  const needed = []
  /** @type {Array<string>} */
  const versions = []
  for (const { at, link, size, type } of sections) {
    const strings = sections[link]?.at ?? 0
    if (type === DYNSYM) {
      for (let symbol = at; symbol < at + size; symbol += 24) {
        const name = text(bytes, strings + bytes.readUInt32LE(symbol))
        const local = (bytes[symbol + 4] ?? 0) >> 4 === 0
        const undefinedHere = bytes.readUInt16LE(symbol + 6) === 0
        if (name !== "" && !local && !undefinedHere) {
          exports.push(name)
        }
      }
    } else if (type === DYNAMIC) {
      for (let entry = at; entry < at + size; entry += 16) {
        if (long(entry) === 1) {
          needed.push(text(bytes, strings + long(entry + 8)))
        }
      }
    } else if (type === VERNEED) {
      for (let need = at, next = 1; next !== 0; need += next) {
        let aux = need + bytes.readUInt32LE(need + 8)
        for (let left = bytes.readUInt16LE(need + 2); left > 0; left--) {
          versions.push(text(bytes, strings + bytes.readUInt32LE(aux + 8)))
          aux += bytes.readUInt32LE(aux + 12)
        }
        next = bytes.readUInt32LE(need + 12)
      }
    }
  }
  const glibc = versions.filter((version) => /^GLIBC_\d/.test(version)).map((version) => version.slice("GLIBC_".length))
  return {
    os: "linux",
    cpu: cpuOf(bytes.readUInt16LE(18), { 62: "x64", 183: "arm64" }),
    // glibc versions its symbols, and musl has none
    libc: glibc.length > 0 ? "glibc" : "musl",
    glibc: glibc.sort(compareVersions).at(-1),
    macos: undefined,
    exports,
    needed,
    signed: false
  }
}

const LC = {
  symtab: 0x02,
  loadDylib: 0x0c,
  loadWeakDylib: 0x18,
  codeSignature: 0x1d,
  versionMin: 0x24,
  buildVersion: 0x32
}

/** @param {Buffer} bytes @returns {Library} */
const machO = (bytes) => {
  /** @type {Array<string>} */
  const exports = []
  /** @type {Array<string>} */
  const needed = []
  /** @type {string | undefined} */
  let macos
  let signed = false
  for (let at = 32, left = bytes.readUInt32LE(16); left > 0; left--) {
    // the upper bit says that the dynamic loader must know the command
    const command = bytes.readUInt32LE(at) & 0x7fffffff
    if (command === LC.symtab) {
      const [symbols = 0, count = 0, strings = 0] = [8, 12, 16].map((offset) => bytes.readUInt32LE(at + offset))
      for (let symbol = symbols; symbol < symbols + 16 * count; symbol += 16) {
        const type = bytes[symbol + 4] ?? 0
        const debug = (type & 0xe0) !== 0
        const privateExternal = (type & 0x10) !== 0
        const external = (type & 0x01) !== 0
        const defined = (type & 0x0e) !== 0
        if (!debug && external && !privateExternal && defined) {
          exports.push(text(bytes, strings + bytes.readUInt32LE(symbol)).replace(/^_/, ""))
        }
      }
    } else if (command === LC.loadDylib || command === LC.loadWeakDylib) {
      needed.push(text(bytes, at + bytes.readUInt32LE(at + 8)))
    } else if (command === LC.buildVersion || command === LC.versionMin) {
      const version = bytes.readUInt32LE(at + (command === LC.buildVersion ? 12 : 8))
      macos = `${version >> 16}.${(version >> 8) & 0xff}`
    } else if (command === LC.codeSignature) {
      signed = true
    }
    at += bytes.readUInt32LE(at + 4)
  }
  return {
    os: "darwin",
    cpu: cpuOf(bytes.readUInt32LE(4), { 16777223: "x64", 16777228: "arm64" }),
    libc: undefined,
    glibc: undefined,
    macos,
    exports,
    needed,
    signed
  }
}

/** @param {Buffer} bytes @returns {Library} */
const portableExecutable = (bytes) => {
  const header = bytes.readUInt32LE(60)
  const optional = header + 24
  const sections = Array.from({ length: bytes.readUInt16LE(header + 6) }, (_, index) => {
    const at = optional + bytes.readUInt16LE(header + 20) + index * 40
    const size = Math.max(bytes.readUInt32LE(at + 8), bytes.readUInt32LE(at + 16))
    return { address: bytes.readUInt32LE(at + 12), size, at: bytes.readUInt32LE(at + 20) }
  })
  /** The place in the file of an address in memory. @param {number} address */
  const placeOf = (address) => {
    const section = sections.find((it) => address >= it.address && address < it.address + it.size)
    if (section === undefined) {
      throw new Error(`no section contains the address ${address}`)
    }
    return section.at + address - section.address
  }
  const [exportTable = 0, importTable = 0] = [112, 120].map((offset) => bytes.readUInt32LE(optional + offset))
  /** @type {Array<string>} */
  const exports = []
  /** @type {Array<string>} */
  const needed = []
  if (exportTable !== 0) {
    const table = placeOf(exportTable)
    const names = placeOf(bytes.readUInt32LE(table + 32))
    for (let index = 0; index < bytes.readUInt32LE(table + 24); index++) {
      exports.push(text(bytes, placeOf(bytes.readUInt32LE(names + 4 * index))))
    }
  }
  if (importTable !== 0) {
    for (let entry = placeOf(importTable); bytes.readUInt32LE(entry + 12) !== 0; entry += 20) {
      needed.push(text(bytes, placeOf(bytes.readUInt32LE(entry + 12))))
    }
  }
  return {
    os: "win32",
    cpu: cpuOf(bytes.readUInt16LE(header + 4), { 34404: "x64", 43620: "arm64" }),
    libc: undefined,
    glibc: undefined,
    macos: undefined,
    exports,
    needed,
    signed: false
  }
}

/** The platform of a library. Throws if the bytes are not a complete library. @param {Buffer} bytes */
export const inspect = (bytes) => {
  try {
    if (bytes.readUInt32BE(0) === 0x7f454c46) {
      return elf(bytes)
    }
    if (bytes.readUInt32LE(0) === 0xfeedfacf) {
      return machO(bytes)
    }
    if (bytes.readUInt16LE(0) === 0x5a4d) {
      return portableExecutable(bytes)
    }
  } catch (cause) {
    throw new Error(`it is damaged: ${cause instanceof Error ? cause.message : cause}`)
  }
  throw new Error("it is neither ELF, Mach-O nor PE")
}

/** What a library may be linked against: what every system of its platform has. */
const system = {
  linux: /^(?:lib(?:c|m|dl|pthread|rt|util)\.so(?:\.\d+)?|libc\.musl-\w+\.so\.1|ld-(?:linux|musl)-[\w-]+\.so\.\d+)$/,
  darwin: /^\/(?:usr\/lib|System\/Library)\//,
  win32: /^(?:kernel32|ntdll|ws2_32|userenv|advapi32|bcrypt|bcryptprimitives|ucrtbase|msvcrt|api-ms-win-[\w-]+)\.dll$/i
}

/**
 * Names that zig's linker for Mach-O also exports, because it accepts no list of exports: those of Rust's runtime and of
 * the linker itself. They are harmless, because macOS looks up each symbol in the library that it was linked against.
 */
const leftByZig = /^(?:_R\w+|rust_eh_personality|_mh_dylib_header|__dso_handle)$/

/**
 * The reasons why a library does not run on a platform, or why the loader refuses it. Empty if it runs.
 *
 * @param {import("./platforms.mjs").Platform} platform
 * @param {Buffer} bytes
 * @param {ReadonlyArray<string>} abi the functions that the loader binds
 * @returns {ReadonlyArray<string>}
 */
export const mismatchesOf = (platform, bytes, abi) => {
  /** @type {Library} */
  let library
  try {
    library = inspect(bytes)
  } catch (error) {
    return [/** @type {Error} */ (error).message]
  }
  const missing = abi.filter((name) => !library.exports.includes(name))
  const left = library.os === "darwin" ? leftByZig : undefined
  const extra = library.exports.filter((name) => !abi.includes(name) && !left?.test(name))
  return [
    library.os === platform.os ? [] : [`it is for ${library.os} instead of ${platform.os}`],
    library.cpu === platform.cpu
      ? []
      : [`it is for ${library.cpu ?? "an unknown processor"} instead of ${platform.cpu}`],
    library.libc === platform.libc ? [] : [`it is for ${library.libc} instead of ${platform.libc}`],
    missing.length === 0 ? [] : [`it does not export ${missing.join(", ")}`],
    extra.length === 0 ? [] : [`it exports ${extra.join(", ")}, which the ABI does not have`],
    platform.id === "darwin-arm64" && !library.signed ? ["it has no code signature, and macOS kills the process"] : []
  ].flat()
}

/**
 * The reasons why a library must not be published for a platform. Empty if it can be. In addition to {@link mismatchesOf},
 * it must run on the platform's oldest system, and contain no path of the machine that built it.
 *
 * @param {import("./platforms.mjs").Platform} platform
 * @param {Buffer} bytes
 * @param {ReadonlyArray<string>} abi
 * @returns {ReadonlyArray<string>}
 */
export const problemsOf = (platform, bytes, abi) => {
  const mismatches = mismatchesOf(platform, bytes, abi)
  if (mismatches.length > 0) {
    return mismatches
  }
  const library = inspect(bytes)
  const foreign = library.needed.filter((name) => !system[library.os].test(name))
  const path = pathIn(bytes)
  return [
    foreign.length === 0 ? [] : [`it needs ${foreign.join(", ")}, which not every system has`],
    platform.glibc !== undefined && library.glibc !== undefined && compareVersions(library.glibc, platform.glibc) > 0
      ? [`it needs glibc ${library.glibc}, but the limit is ${platform.glibc}`]
      : [],
    platform.macos !== undefined && library.macos !== undefined && compareVersions(library.macos, platform.macos) > 0
      ? [`it needs macOS ${library.macos}, but the limit is ${platform.macos}`]
      : [],
    path === undefined ? [] : [`it contains a path of the machine that built it: ${path}`]
  ].flat()
}

/** Finds a home, temporary or work folder in the bytes, which reveals the machine that built the library. @param {Buffer} bytes */
export const pathIn = (bytes) =>
  /(?:\/(?:home|root|tmp|work|Users|runner|builds|github)\/|[A-Z]:\\(?:a|Users|hostedtoolcache)\\)[\w.+\-/\\]{3,60}/.exec(
    bytes.toString("latin1")
  )?.[0]
