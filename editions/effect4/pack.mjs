/**
 * Packs the edition for Effect 4 into `build/release-effect4`, with the platform packages of this release as optional
 * dependencies. Run `npm run test:effect4` first, which builds the edition. `scripts/native/publish.mjs` publishes it.
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { packClient, writeRelease } from "../../scripts/native/pack.mjs"

const root = fileURLToPath(new URL("../../", import.meta.url))
const edition = `${root}build/effect4`
const versionOf = (folder) => JSON.parse(readFileSync(`${folder}/package.json`, "utf8")).version
const out = `${root}build/release-effect4`

rmSync(out, { recursive: true, force: true })
mkdirSync(`${out}/tarballs`, { recursive: true })
const client = packClient(edition, out, versionOf(root))
writeRelease(out, { version: versionOf(edition), tag: "effect4", development: false, packages: [client] })
console.log(`${client.name}: ${client.tarball}, ${client.bytes} bytes`)
