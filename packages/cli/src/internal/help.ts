/**
 * Formats `--help` from the definitions of the commands.
 */
import * as CliConfig from "@effect/cli/CliConfig"
import type * as HelpDoc from "@effect/cli/HelpDoc"
import type * as Span from "@effect/cli/HelpDoc/Span"
import { examples, helps } from "./app.js"
import * as Text from "./text.js"
import { version } from "./version.js"

const config = CliConfig.make({ showBuiltIns: false })

const textOf = (span: Span.Span): string => {
  switch (span._tag) {
    case "Text":
    case "URI":
      return span.value
    case "Sequence":
      return textOf(span.left) + textOf(span.right)
    default:
      return textOf(span.value)
  }
}

/** The description that `@effect/cli` adds to every option. */
const boilerplate =
  /^(?:A user-defined piece of text\.|A true or false value\.|This setting is optional\.|One of the following: .*|This option may be repeated zero or more times\.|This argument may be repeated zero or more times\.)$/

const paragraphs = (doc: HelpDoc.HelpDoc): ReadonlyArray<string> => {
  switch (doc._tag) {
    case "Paragraph":
      return [textOf(doc.value)]
    case "Sequence":
      return [...paragraphs(doc.left), ...paragraphs(doc.right)]
    default:
      return []
  }
}

interface Entry {
  readonly name: string
  readonly text: string
}

/** The entries of each section, keyed by its header. */
const sectionsOf = (doc: HelpDoc.HelpDoc): ReadonlyMap<string, ReadonlyArray<Entry>> => {
  const sections = new Map<string, Array<Entry>>()
  let current = ""
  const visit = (it: HelpDoc.HelpDoc): void => {
    switch (it._tag) {
      case "Header":
        current = textOf(it.value)
        break
      case "Sequence":
        visit(it.left)
        visit(it.right)
        break
      case "DescriptionList": {
        const entries = it.definitions.map(([name, description]) => ({
          name: textOf(name).replace(/^\((-\w, --[\w-]+.*)\)(?:\.\.\.)?$/, "$1"),
          text: paragraphs(description)
            .filter((text) => !boilerplate.test(text))
            .join(" ")
        }))
        sections.set(current, [...(sections.get(current) ?? []), ...entries])
        break
      }
      default:
    }
  }
  visit(doc)
  return sections
}

export interface Style {
  readonly width: number
  readonly bold: (text: string) => string
}

const MAX_NAMES = 34

const writeEntries = (entries: ReadonlyArray<Entry>, width: number): string => {
  const column = Math.min(MAX_NAMES, Math.max(...entries.map(({ name }) => name.length))) + 4
  return entries
    .map(({ name, text }) => {
      const [first = "", ...rest] = Text.wrap(text, Math.max(30, width - column))
      const head = `  ${name}`
      const start = head.length + 2 > column ? `${head}\n${" ".repeat(column)}` : Text.pad(head, column)
      return [`${start}${first}`, ...rest.map((line) => " ".repeat(column) + line)].join("\n")
    })
    .join("\n")
}

const indent = (lines: ReadonlyArray<string>): string => lines.map((line) => `  ${line}`).join("\n")

const descriptionOf = (doc: HelpDoc.HelpDoc): string => {
  const found: Array<string> = []
  const visit = (it: HelpDoc.HelpDoc, isWithin: boolean): boolean => {
    switch (it._tag) {
      case "Header":
        return textOf(it.value) === "DESCRIPTION"
      case "Paragraph":
        if (isWithin) {
          found.push(textOf(it.value))
        }
        return isWithin
      case "Sequence":
        return visit(it.right, visit(it.left, isWithin))
      default:
        return isWithin
    }
  }
  visit(doc, false)
  return found.join(" ")
}

const SOURCES = `Flags come from a Flipt server unless you name a file: --file for a snapshot document or a seed, --features for Flipt's features.yml. The FLIPT_* variables describe the server, and options override them.`

const SECRETS =
  "Credentials come from FLIPT_CLIENT_TOKEN or FLIPT_JWT_TOKEN, or from a file: other users can see the arguments of a command."

const EXIT_CODES: ReadonlyArray<Entry> = [
  { name: "0", text: "Done." },
  { name: "1", text: "diff found differences, lint findings, or doctor a problem." },
  { name: "2", text: "The command line or a variable is wrong." },
  { name: "3", text: "There is no such flag, or it cannot be evaluated." },
  { name: "4", text: "The flags cannot be fetched or read." },
  { name: "5", text: "The flags were read but are not valid." },
  { name: "130", text: "Ended by Ctrl-C." }
]

const BUILT_IN: ReadonlyArray<Entry> = [
  { name: "-h, --help", text: "Print the help of a command." },
  { name: "--version", text: "Print the version." },
  { name: "--completions bash|zsh|fish", text: "Print a script that completes commands and options." },
  { name: "--log-level debug|info|...", text: "Print the client's log from this level on. Default: warning." }
]

const rootHelp = ({ bold, width }: Style): string =>
  [
    `flipt-client ${version}\n\n${Text.wrap("Evaluates, explains, compares and checks the flags of Flipt.", width).join("\n")}`,
    `${bold("USAGE")}\n\n  flipt-client <command> [options]`,
    `${bold("COMMANDS")}\n\n${writeEntries(
      helps.map(([name, help]) => ({
        name,
        // the first sentence
        text: descriptionOf(help(config)).replace(/(?<=\.) .*$/, "")
      })),
      width
    )}\n\n  flipt-client <command> --help prints options and examples.`,
    `${bold("SOURCES")}\n\n${indent(Text.wrap(SOURCES, width - 2))}\n\n${indent(Text.wrap(SECRETS, width - 2))}`,
    `${bold("OPTIONS")}\n\n${writeEntries(BUILT_IN, width)}`,
    `${bold("EXIT CODES")}\n\n${writeEntries(EXIT_CODES, width)}`,
    `${bold("EXAMPLES")}\n\n${indent(["evaluate", "explain", "diff", "lint"].map((name) => examples[name]?.[0] ?? ""))}`
  ].join("\n\n")

/** Options about the source of the flags are listed after the command's own. */
const sourceOption =
  /^(?:-n, )?--(?:file|features|url|environment|namespace|reference|token-file|jwt-file|ca-cert-file|client-cert-file|client-key-file|insecure-skip-verify|proxy|request-timeout)\b/

const commandHelp = (name: string, doc: HelpDoc.HelpDoc, { bold, width }: Style): string => {
  const sections = sectionsOf(doc)
  const args = sections.get("ARGUMENTS") ?? []
  const options = sections.get("OPTIONS") ?? []
  const own = options.filter((it) => !sourceOption.test(it.name))
  const source = options.filter((it) => sourceOption.test(it.name))
  const isRequired = (it: Entry) => it.name.includes("--entity") && name !== "watch"
  const usage = [
    "flipt-client",
    name,
    ...args.map((it) => (name === "evaluate" ? `[${it.name}]` : name === "watch" ? `[${it.name} ...]` : it.name)),
    ...own.filter(isRequired).map((it) => it.name.replace(/^-\w, /, "")),
    "[options]"
  ]
  return [
    `${bold(usage.join(" "))}\n\n${Text.wrap(descriptionOf(doc), width).join("\n")}`,
    ...(args.length === 0 ? [] : [`${bold("ARGUMENTS")}\n\n${writeEntries(args, width)}`]),
    `${bold("OPTIONS")}\n\n${writeEntries(own, width)}`,
    `${bold("SOURCE")}\n\n${writeEntries(source, width)}\n\n  More FLIPT_* variables: see docs/configuration.md of flipt-client-effect.`,
    `${bold("EXAMPLES")}\n\n${indent(examples[name] ?? [])}`
  ].join("\n\n")
}

/** The help of the command in the arguments, or else of all commands. */
export const write = ([first, second]: ReadonlyArray<string>, style: Style): string => {
  const named = first === "help" ? second : first
  const found = helps.find(([name]) => name === named)
  return found === undefined ? rootHelp(style) : commandHelp(found[0], found[1](config), style)
}
