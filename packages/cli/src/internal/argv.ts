/**
 * Preprocesses arguments in ways that the parser does not support.
 */

/** Rewrites `--context a=1 b=2` to `--context a=1 --context b=2`. */
export const expandContext = (argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  const expanded: Array<string> = []
  /** Whether the last option was `--context`, so that the next argument may be another pair. */
  let state: "outside" | "first" | "more" = "outside"
  for (const [index, argument] of argv.entries()) {
    if (argument === "--") {
      return [...expanded, ...argv.slice(index)]
    }
    if (argument === "--context" || argument === "-c") {
      state = "first"
    } else if (state === "first") {
      state = "more"
    } else if (argument.startsWith("--context=")) {
      state = "more"
    } else if (state === "more" && argument.includes("=") && !argument.startsWith("-")) {
      expanded.push("--context")
    } else {
      state = "outside"
    }
    expanded.push(argument)
  }
  return expanded
}

/** Whether the arguments request help or are empty. */
export const asksForHelp = (argv: ReadonlyArray<string>): boolean => {
  const end = argv.indexOf("--")
  const before = end < 0 ? argv : argv.slice(0, end)
  return argv.length === 0 || argv[0] === "help" || before.includes("--help") || before.includes("-h")
}

/** Extracts `--log-level` from any position, because the parser accepts it only before other options. */
export const takeLogLevel = (
  argv: ReadonlyArray<string>
): { readonly level: string | undefined; readonly rest: ReadonlyArray<string> } => {
  const end = argv.indexOf("--")
  const at = argv.findIndex(
    (argument, index) => (end < 0 || index < end) && (argument === "--log-level" || argument.startsWith("--log-level="))
  )
  if (at < 0) {
    return { level: undefined, rest: argv }
  }
  const isSeparate = argv[at] === "--log-level"
  return {
    level: isSeparate ? (argv[at + 1] ?? "") : (argv[at] as string).slice("--log-level=".length),
    rest: argv.filter((_, index) => index !== at && !(isSeparate && index === at + 1))
  }
}
