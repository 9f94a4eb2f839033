// @ts-check
/**
 * `node scripts/native/publish.mjs <release> [--dry-run] [--registry=<url>]` publishes what `pack.mjs` or
 * `editions/effect4/pack.mjs` packed: first the platforms, then the client, then its companions, so that nobody installs a
 * package whose dependencies are missing. It can run again after a failure: a package that the registry has with the same
 * bytes is skipped, and one with other bytes stops the release.
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { npm, tryNpm } from "./npm.mjs"
import { companionsOf } from "./pack.mjs"
import { platforms } from "./platforms.mjs"

/** @typedef {import("./pack.mjs").Release} Release */

/** @param {Release} release */
const checkComplete = ({ development, packages, tag }) => {
  if (development) {
    throw new Error("this is a development build. Run npm run native:pack without --development")
  }
  const root = fileURLToPath(new URL("../..", import.meta.url))
  // the edition for Effect 4 uses the platforms of the other release
  const expected = tag === "effect4" ? ["client"] : [...platforms.map(({ id }) => id), "client", ...companionsOf(root)]
  const missing = expected.filter((id) => !packages.some((it) => it.id === id))
  if (missing.length > 0) {
    throw new Error(`the release lacks ${missing.join(", ")}. Run npm run native:pack without naming platforms`)
  }
  if (packages.map(({ id }) => id).join() !== expected.join()) {
    throw new Error(`release.json must list, in this order: ${expected.join(", ")}`)
  }
}

/** The integrity of a version in the registry; `undefined` where it has none. @param {string} spec @param {ReadonlyArray<string>} registry */
const publishedIntegrity = (spec, registry) => {
  const { status, stderr, stdout } = tryNpm(["view", spec, "dist.integrity", "--json", "--prefer-online", ...registry])
  if (status === 0) {
    return stdout.trim() === "" ? undefined : String(JSON.parse(stdout))
  }
  if (`${stdout}${stderr}`.includes("E404")) {
    return undefined
  }
  throw new Error(`npm view ${spec} failed: ${stderr.trim()}`)
}

const main = () => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { "dry-run": { type: "boolean", default: false }, registry: { type: "string" } }
  })
  const folder = resolve(positionals[0] ?? "build/release")
  /** @type {Release} */
  const release = JSON.parse(readFileSync(join(folder, "release.json"), "utf8"))
  checkComplete(release)
  const registry = values.registry === undefined ? [] : [`--registry=${values.registry}`]
  for (const { integrity, name, tarball } of release.packages) {
    const file = join(folder, "tarballs", tarball)
    const actual = `sha512-${createHash("sha512").update(readFileSync(file)).digest("base64")}`
    if (actual !== integrity) {
      throw new Error(`${file} is not what was packed: its integrity is ${actual} instead of ${integrity}`)
    }
    const spec = `${name}@${release.version}`
    const published = publishedIntegrity(spec, registry)
    if (published === integrity) {
      console.log(`${spec}: already published`)
      continue
    }
    if (published !== undefined) {
      throw new Error(`${spec} is in the registry with other bytes. Release another version`)
    }
    const provenance = process.env.GITHUB_ACTIONS === "true" ? ["--provenance"] : []
    const dryRun = values["dry-run"] ? ["--dry-run"] : []
    npm(["publish", file, "--access=public", `--tag=${release.tag}`, ...provenance, ...dryRun, ...registry])
    console.log(`${spec}: ${values["dry-run"] ? "would be published" : "published"}`)
  }
}

try {
  main()
} catch (error) {
  console.error(`publish: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
