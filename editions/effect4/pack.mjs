/**
 * Packs the edition for Effect 4 into `build/release-effect4`, with the platform packages of this release as optional
 * dependencies. Run `npm run test:effect4` first, which builds the edition.
 */
import { mkdirSync, readFileSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { packClient } from "../../scripts/native/pack.mjs"

const root = fileURLToPath(new URL("../../", import.meta.url))
const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"))
const out = `${root}build/release-effect4`

rmSync(out, { recursive: true, force: true })
mkdirSync(`${out}/tarballs`, { recursive: true })
const { bytes, name, tarball } = packClient(`${root}build/effect4`, out, version)
rmSync(`${out}/stage`, { recursive: true })
console.log(`${name}: ${tarball}, ${bytes} bytes`)
