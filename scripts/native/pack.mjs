// @ts-check
/**
 * `npm run native:pack -- [<platform>…]` packs a release into `build/release`: one package for each platform, from
 * `build/native`, the client with all of them as optional dependencies, and its companions in `packages`. The platforms
 * are added while packing: in the committed manifest they would break `npm ci` until they are published. The checkout
 * stays as it is.
 *
 * - `--development` packs the build of the checkout for this machine. `publish.mjs` refuses the result.
 * - `--out=<folder>` packs into another folder.
 */
import { createHash } from "node:crypto"
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { dirname, join, resolve } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { exportsOf } from "./abi.mjs"
import { mismatchesOf, problemsOf } from "./inspect.mjs"
import { npm } from "./npm.mjs"
import { hostPlatform, packageName, platformOf, platforms } from "./platforms.mjs"

/** @typedef {import("./platforms.mjs").Platform} Platform */

/**
 * @typedef {object} Client the fields of the client's manifest that a platform package shares
 * @property {string} name
 * @property {string} version
 * @property {string} license
 * @property {unknown} [repository]
 */

/**
 * @typedef {object} Packed
 * @property {string} id the platform; `client` for the client; the folder in `packages` for a companion
 * @property {string} name
 * @property {string} tarball
 * @property {string} integrity
 * @property {string} sha256
 * @property {number} bytes
 */

/**
 * @typedef {object} Release what `release.json` says
 * @property {string} version of every package
 * @property {string} tag npm's tag: `latest`, or `effect4` for the edition for Effect 4
 * @property {boolean} development
 * @property {ReadonlyArray<Packed>} packages in the order in which they are published
 */

const NOTICES = "THIRD-PARTY-LICENSES.md"

/** @param {string} path */
const readJson = (path) => JSON.parse(readFileSync(path, "utf8"))

/** @param {string} path @param {unknown} value */
const writeJson = (path, value) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)

/**
 * The manifest of a platform package. The loader reads `library`, and checks the file against it before it loads it.
 *
 * @param {Platform} platform
 * @param {Client} client
 * @param {number} bytes the size of the library
 */
export const manifestOf = (platform, { license, name, repository, version }, bytes) => ({
  name: packageName(platform),
  version,
  description: `The native engine of ${name} for ${platform.id}`,
  license,
  ...(repository === undefined ? {} : { repository }),
  os: [platform.os],
  cpu: [platform.cpu],
  ...(platform.libc === undefined ? {} : { libc: [platform.libc] }),
  files: [platform.file, NOTICES],
  exports: { "./package.json": "./package.json" },
  library: { file: platform.file, bytes },
  // Yarn keeps packages zipped, and a library is loaded from a file
  preferUnplugged: true,
  publishConfig: { access: "public" }
})

/**
 * The manifest of the client as it is published: with the platform packages, and without what only a checkout needs.
 *
 * @param {Record<string, unknown>} manifest
 * @param {unknown} nativeVersion the version of the platform packages
 */
export const publishedManifest = (
  { devDependencies, overrides, scripts, workspaces, ...manifest },
  nativeVersion = manifest.version
) => ({
  ...manifest,
  optionalDependencies: {
    .../** @type {object} */ (manifest.optionalDependencies ?? {}),
    ...Object.fromEntries(platforms.map((platform) => [packageName(platform), nativeVersion]))
  }
})

/** @param {string} folder @param {string} tarballs @param {string} id @returns {Packed} */
const packFolder = (folder, tarballs, id) => {
  const [packed] = JSON.parse(
    npm(["pack", "--json", "--ignore-scripts", `--pack-destination=${tarballs}`], { cwd: folder })
  )
  const sha256 = createHash("sha256")
    .update(readFileSync(join(tarballs, packed.filename)))
    .digest("hex")
  return {
    id,
    name: packed.name,
    tarball: packed.filename,
    integrity: packed.integrity,
    sha256,
    bytes: packed.size
  }
}

/**
 * Packs a platform. Throws where the library is not for it.
 *
 * @param {object} from
 * @param {string} from.root the checkout
 * @param {Client} from.client
 * @param {Platform} from.platform
 * @param {string} from.library the file
 * @param {string} from.notices the licences of what is in it
 * @param {string} from.out
 * @param {boolean} from.development whether the package only has to run on this machine
 */
export const packPlatform = ({ client, development, library, notices, out, platform, root }) => {
  const check = development ? mismatchesOf : problemsOf
  const problems = check(platform, readFileSync(library), exportsOf(root))
  if (problems.length > 0) {
    throw new Error(`${library} is not a library for ${platform.id}: ${problems.join("; ")}`)
  }
  const folder = join(out, "stage", platform.id)
  mkdirSync(folder, { recursive: true })
  copyFileSync(library, join(folder, platform.file))
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"))
  writeFileSync(join(folder, NOTICES), notices)
  writeFileSync(
    join(folder, "README.md"),
    `# ${packageName(platform)}\n\nThe native engine of \`${client.name}\` for ${platform.id}. Install \`${client.name}\`, which installs this package on the platforms that need it.\n`
  )
  writeJson(join(folder, "package.json"), manifestOf(platform, client, statSync(library).size))
  return packFolder(folder, join(out, "tarballs"), platform.id)
}

/** Packs the client, which must be built. @param {string} root @param {string} out @param {string} [nativeVersion] */
export const packClient = (root, out, nativeVersion) => {
  if (!existsSync(join(root, "dist", "index.js"))) {
    throw new Error(`${join(root, "dist")} is not built. Run npm run build`)
  }
  const folder = join(out, "stage", "client")
  const [{ files }] = JSON.parse(npm(["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root }))
  for (const { path } of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    cpSync(join(root, path), join(folder, path))
  }
  writeJson(join(folder, "package.json"), publishedManifest(readJson(join(root, "package.json")), nativeVersion))
  return packFolder(folder, join(out, "tarballs"), "client")
}

/** The companions of the client: the folders in `packages`. The edition for Effect 4 has none. @param {string} root */
export const companionsOf = (root) => readdirSync(join(root, "packages")).sort()

/** Packs a companion, which must be built. @param {string} root @param {string} id @param {string} version @param {string} out */
const packCompanion = (root, id, version, out) => {
  const folder = join(root, "packages", id)
  if (!existsSync(join(folder, "dist"))) {
    throw new Error(`${join(folder, "dist")} is missing. Run npm run build`)
  }
  const manifest = readJson(join(folder, "package.json"))
  if (manifest.version !== version) {
    throw new Error(
      `${manifest.name} has version ${manifest.version}, and the client ${version}. They must be the same`
    )
  }
  return packFolder(folder, join(out, "tarballs"), id)
}

/** Writes what a folder of packages contains, after all of them are packed. @param {string} out @param {Release} release */
export const writeRelease = (out, release) => {
  writeJson(join(out, "release.json"), release)
  writeFileSync(
    join(out, "SHA256SUMS"),
    release.packages.map(({ sha256, tarball }) => `${sha256}  tarballs/${tarball}\n`).join("")
  )
  rmSync(join(out, "stage"), { recursive: true })
}

/**
 * Packs a whole release.
 *
 * @param {object} options
 * @param {string} options.root the checkout
 * @param {string} options.out a folder that is made anew
 * @param {ReadonlyArray<Platform>} options.platforms
 * @param {boolean} options.development
 * @param {string | undefined} [options.nativeVersion] the version of the platforms, if it is not the client's
 * @returns {Release}
 */
export const packRelease = ({ development, nativeVersion, out, platforms, root }) => {
  /** @type {Client} */
  const client = readJson(join(root, "package.json"))
  const version = nativeVersion ?? client.version
  const crate = /^version = "(.*)"$/m.exec(readFileSync(join(root, "native", "Cargo.toml"), "utf8"))?.[1]
  if (crate !== version) {
    throw new Error(`native/Cargo.toml has version ${crate}, and the platforms ${version}. They must be the same`)
  }
  rmSync(out, { recursive: true, force: true })
  mkdirSync(join(out, "tarballs"), { recursive: true })
  const packages = platforms.map((platform) => {
    const folder = development ? join(root, "native", "target", "release") : join(root, "build", "native", platform.id)
    const library = join(folder, platform.file)
    if (!existsSync(library)) {
      throw new Error(`${library} is missing. Run npm run native:build -- ${platform.id}`)
    }
    const notices = development
      ? "A development build, not for publishing.\n"
      : readFileSync(join(folder, NOTICES), "utf8")
    return packPlatform({ root, client: { ...client, version }, platform, library, notices, development, out })
  })
  // dependencies first, so that the platforms are in the registry before the client
  packages.push(packClient(root, out, version))
  packages.push(...companionsOf(root).map((id) => packCompanion(root, id, client.version, out)))
  const release = { version: client.version, tag: "latest", development, packages }
  writeRelease(out, release)
  return release
}

const main = () => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      development: { type: "boolean", default: false },
      "native-version": { type: "string" },
      out: { type: "string" }
    }
  })
  const root = fileURLToPath(new URL("../..", import.meta.url))
  const out = resolve(values.out ?? join(root, "build", "release"))
  const host = hostPlatform()
  const chosen = values.development ? (host === undefined ? [] : [host]) : positionals.map(platformOf)
  const { packages } = packRelease({
    root,
    out,
    development: values.development,
    nativeVersion: values["native-version"],
    platforms: chosen.length === 0 ? platforms : chosen
  })
  for (const { bytes, name, tarball } of packages) {
    console.log(`${name}: ${tarball}, ${bytes} bytes`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main()
  } catch (error) {
    console.error(`native:pack: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
}
