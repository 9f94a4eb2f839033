/**
 * Reads the files and commands in a page of the documentation.
 */

export interface Section {
  /** Keyed by the file name in the comment on the block's first line. */
  readonly files: Readonly<Record<string, string>>
  readonly commands: ReadonlyArray<string>
}

const fileName = /^(?:\/\/|<!--) ([\w./-]+)(?: -->)?\n/

/** The sections of a page, keyed by title. */
export const sections = (page: string): ReadonlyMap<string, Section> =>
  new Map(
    page
      .split(/^## /m)
      .slice(1)
      .map((section) => {
        const blocks = Array.from(section.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm), ([, language, text]) => ({
          language: language!,
          text: text!
        }))
        const files = blocks.flatMap(({ text }) => {
          const name = fileName.exec(text)?.[1]
          return name === undefined ? [] : [[name, text] as const]
        })
        const commands = blocks.flatMap(({ language, text }) => (language === "sh" ? text.trim().split("\n") : []))
        return [section.split("\n")[0]!.trim(), { files: Object.fromEntries(files), commands }]
      })
  )
