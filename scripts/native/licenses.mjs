// @ts-check
/**
 * The licences of everything that is linked into a library besides this project's own code.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"

/**
 * @typedef {object} Artifact a message of cargo about a crate that it compiled
 * @property {string} reason
 * @property {string} manifest_path
 * @property {ReadonlyArray<string>} filenames
 */

const mit = (/** @type {string} */ holder) => `Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`

/** The license texts of a crate. If it offers a choice of licenses, the MIT one. @param {string} folder */
const textsOf = (folder) => {
  const files = readdirSync(folder).filter((file) => /^(?:licen[cs]e|copying|notice)/i.test(file))
  const preferred = files.filter((file) => /mit|notice/i.test(file))
  return (preferred.length > 0 ? preferred : files).map((file) => readFileSync(join(folder, file), "utf8").trim())
}

/** @param {string} title @param {ReadonlyArray<string>} texts */
const section = (title, texts) => `## ${title}\n\n${texts.map((text) => `\`\`\`text\n${text}\n\`\`\`\n`).join("\n")}`

/**
 * The notices as Markdown. Throws when a crate has no licence text, since then the package must not be published.
 *
 * @param {object} build
 * @param {ReadonlyArray<Artifact>} build.artifacts what cargo compiled
 * @param {string} build.target the target of rustc: other crates run at build time only
 * @param {string} build.crate the folder of this project's crate
 * @param {string} build.sources the sources of the standard library
 * @param {string | undefined} build.zig the library folder of zig, whose runtime is linked in
 * @param {boolean} build.mingw whether the C runtime of MinGW is linked in
 */
export const licenses = ({ artifacts, crate, mingw, sources, target, zig }) => {
  const linked = artifacts.filter(
    ({ filenames, reason }) =>
      reason === "compiler-artifact" && filenames.some((file) => file.split(/[\\/]/).includes(target))
  )
  const folders = [...new Set(linked.map(({ manifest_path }) => dirname(manifest_path)))]
    .filter((folder) => !folder.startsWith(sources) && folder !== crate)
    .sort((a, b) => (basename(a) < basename(b) ? -1 : 1))
  const crates = folders.map((folder) => {
    const texts = textsOf(folder)
    if (texts.length === 0) {
      throw new Error(`${folder} has no licence text`)
    }
    return section(basename(folder), texts)
  })
  /** @param {string} file */
  const ofZig = (file) => readFileSync(join(/** @type {string} */ (zig), file), "utf8").trim()
  const runtime =
    zig === undefined
      ? []
      : [
          section("compiler-rt of zig", [
            existsSync(join(zig, "..", "LICENSE")) ? ofZig("../LICENSE") : mit("Zig contributors")
          ]),
          section("LLVM libunwind", [ofZig("libunwind/LICENSE.TXT")]),
          ...(mingw ? [section("MinGW-w64 runtime", [ofZig("libc/mingw/COPYING")])] : [])
        ]
  return [
    "# Licences of third parties\n\nThe library in this package contains code of these projects.\n",
    section("The Rust standard library", [mit("The Rust Project Contributors")]),
    ...crates,
    ...runtime
  ].join("\n")
}
