/**
 * Overlays: files that are written by hand for Effect 4. An overlay that replaces a generated file starts with the hash
 * of its source, so that the overlay cannot miss a change of the source.
 */
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))
const folder = fileURLToPath(new URL("overlays/", import.meta.url))

const header = /^\/\/ Written after sha256:([0-9a-f]{16}) of the same path\n/

const hashOf = (text) => createHash("sha256").update(text).digest("hex").slice(0, 16)

/** The source with the same path, or `undefined` if the overlay adds a file. */
const sourceOf = (path) => (existsSync(`${root}${path}`) ? readFileSync(`${root}${path}`, "utf8") : undefined)

/** The paths of the overlays in the project. */
export const overlays = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => `${entry.parentPath}/${entry.name}`.replaceAll("\\", "/").slice(folder.length).replace(/^\//, ""))
  .sort()

const textOf = (path) => readFileSync(`${folder}${path}`, "utf8")

/** The text of an overlay, without its header. */
export const read = (path) => textOf(path).replace(header, "")

/** Problems with the overlays, and how to fix them. */
export const problems = () =>
  overlays.flatMap((path) => {
    const source = sourceOf(path)
    const written = header.exec(textOf(path))?.[1]
    if (source === undefined) {
      return written === undefined
        ? []
        : [`editions/effect4/overlays/${path} replaces ${path}, which is gone. Delete the overlay or move it.`]
    }
    return written === hashOf(source)
      ? []
      : [
          `${path} has changed since editions/effect4/overlays/${path} was last updated. Update the overlay, then run: ` +
            `npm run effect4 -- --accept ${path}`
        ]
  })

/** Records that an overlay is up to date with its source. */
export const accept = (path) => {
  const source = sourceOf(path)
  if (source === undefined || !overlays.includes(path)) {
    throw new Error(`${path} has no overlay in editions/effect4/overlays`)
  }
  writeFileSync(`${folder}${path}`, `// Written after sha256:${hashOf(source)} of the same path\n${read(path)}`)
}
