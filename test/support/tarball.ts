/**
 * npm's package format: a compressed tar archive with its files in the folder `package`.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { gunzipSync, gzipSync } from "node:zlib"

const BLOCK = 512

const field = (text: string, length: number): Buffer => Buffer.from(text.padEnd(length, "\0").slice(0, length), "utf8")
const octal = (value: number, length: number): Buffer =>
  field(`${value.toString(8).padStart(length - 1, "0")}\0`, length)

/** A ustar header has 100 bytes for the name and 155 for its folder. */
const splitName = (path: string): readonly [name: string, prefix: string] => {
  if (path.length <= 100) {
    return [path, ""]
  }
  const slash = path.indexOf("/", path.length - 101)
  return [path.slice(slash + 1), path.slice(0, slash)]
}

const header = (path: string, size: number): Buffer => {
  const [name, prefix] = splitName(path)
  const parts = (checksum: Buffer) => [
    field(name, 100),
    octal(0o644, 8),
    octal(0, 8),
    octal(0, 8),
    octal(size, 12),
    octal(0, 12),
    checksum,
    field("0", 1),
    field("", 100),
    field("ustar\u000000", 8),
    field("", 80),
    field(prefix, 155),
    field("", 12)
  ]
  const sum = Buffer.concat(parts(Buffer.from(" ".repeat(8)))).reduce((total, byte) => total + byte, 0)
  return Buffer.concat(parts(field(`${sum.toString(8).padStart(6, "0")}\0 `, 8)))
}

/** Packs files, keyed by their paths in the package. */
export const pack = (files: ReadonlyMap<string, Buffer>): Buffer =>
  gzipSync(
    Buffer.concat([
      ...[...files].flatMap(([path, bytes]) => [
        header(`package/${path}`, bytes.length),
        bytes,
        Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)
      ]),
      Buffer.alloc(2 * BLOCK)
    ]),
    { level: 1 }
  )

/** Packs a folder without files that programs do not load: declarations, source maps, sources and CommonJS builds. */
export const packInstalled = (folder: string): Buffer => {
  const files = new Map<string, Buffer>()
  for (const entry of Fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = Path.relative(folder, Path.join(entry.parentPath, entry.name)).replaceAll("\\", "/")
    if (
      entry.isFile() &&
      !/(?:^|\/)node_modules\/|^(?:src\/.*\.ts$|dist\/cjs\/|dist\/dts\/)|\.map$|\.d\.[cm]?ts$/.test(path)
    ) {
      files.set(path, Fs.readFileSync(Path.join(folder, path)))
    }
  }
  return pack(files)
}

/** A file of a packed package. */
export const read = (tarball: Buffer, path: string): Buffer | undefined => {
  const tar = gunzipSync(tarball)
  const text = (start: number, length: number) => tar.toString("utf8", start, start + length).replace(/\0.*$/s, "")
  for (let at = 0; at < tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    if (text(at, 100) === `package/${path}`) {
      return tar.subarray(at + BLOCK, at + BLOCK + size)
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
  return undefined
}
