/**
 * Warns when a client loads a state with findings.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Finding } from "../../Lint.js"
import type { Snapshot } from "../../Snapshot.js"
import { OnLoad } from "../client/onLoad.js"
import { quote } from "../explain/text.js"
import { check } from "./check.js"
import { group } from "./format.js"

/** The number of findings in one warning. */
const MAX_FINDINGS = 5

const describe = (group: ReadonlyArray<Finding>): string => {
  const { advice, flag, here, place } = group[0] as Finding
  const others = group.length - 1
  return `flag ${quote(flag)}, ${place}${others === 0 ? "" : ` and ${others} more`}: ${here}; ${advice}`
}

const message = (namespace: string, findings: ReadonlyArray<Finding>): string => {
  const groups = group(findings)
  const rest = groups.length - MAX_FINDINGS
  return [
    `Flipt: namespace ${quote(namespace)} has flags that probably do not work as intended`,
    ...groups.slice(0, MAX_FINDINGS).map(describe),
    ...(rest > 0 ? [`and ${rest} more; Lint.check finds all of them`] : [])
  ].join("\n- ")
}

/** Remembers the last warning, so that a state that is loaded every few seconds does not fill the log. */
const makeWarn = (): ((snapshot: Snapshot) => Effect.Effect<void>) => {
  let last = ""
  return (snapshot) =>
    check(snapshot).pipe(
      Effect.flatMap((findings) => {
        const text = findings.length === 0 ? "" : message(snapshot.namespace, findings)
        const isNew = text !== last
        last = text
        return isNew && text !== "" ? Effect.logWarning(text) : Effect.void
      }),
      // the client may have closed the Snapshot already
      Effect.ignore
    )
}

export const warnings: Layer.Layer<never> = Layer.succeed(OnLoad, makeWarn)
