/**
 * Formats findings. Documents repeat a segment in every rule that uses it, so a finding about it is printed once.
 */
import type { Finding } from "../../Lint.js"
import { quote, wrap } from "../explain/text.js"

/** The number of places printed for one finding. */
const MAX_PLACES = 5

const INDENT = " ".repeat(10)

/** Groups findings that differ only in their place, in the order of the first of each group. */
export const group = (findings: ReadonlyArray<Finding>): ReadonlyArray<ReadonlyArray<Finding>> => {
  const groups = new Map<string, Array<Finding>>()
  for (const finding of findings) {
    const key = JSON.stringify([finding.kind, finding.here, finding.server, finding.advice])
    const found = groups.get(key)
    if (found === undefined) {
      groups.set(key, [finding])
    } else {
      found.push(finding)
    }
  }
  return [...groups.values()]
}

const where = ({ flag, place }: Finding): string => `flag ${quote(flag, 40)}, ${place}`

const formatGroup = (group: ReadonlyArray<Finding>): string => {
  const { advice, here, kind, server } = group[0] as Finding
  const rest = group.length - MAX_PLACES
  return [
    kind,
    ...group.slice(0, MAX_PLACES).flatMap((finding) => wrap(where(finding), "    ", "  ")),
    ...(rest > 0 ? [`  and ${rest} more ${rest === 1 ? "place" : "places"}`] : []),
    ...wrap(here, INDENT, "  Here:   "),
    ...wrap(server, INDENT, "  Server: "),
    ...wrap(advice, INDENT, "  To do:  ")
  ].join("\n")
}

export const formatFindings = (findings: ReadonlyArray<Finding>): string =>
  findings.length === 0 ? "No findings" : group(findings).map(formatGroup).join("\n\n")
