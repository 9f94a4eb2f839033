/**
 * Recorded answers of the official engine to several thousand requests, with one document per line. Segment keys are
 * sorted, because the engine's order is random. Timestamps and durations are omitted.
 */
import { readFileSync } from "node:fs"
import type { BatchEntry, EvaluationRequest, FlagInfo } from "../../src/Model.js"

export interface Line {
  readonly namespace: string
  readonly document: unknown
  readonly cases: ReadonlyArray<{
    readonly kind: "variant" | "boolean"
    readonly request: EvaluationRequest
    readonly expected: { readonly ok: Record<string, unknown> } | { readonly error: string }
  }>
  readonly batch: { readonly requests: ReadonlyArray<EvaluationRequest>; readonly expected: unknown }
  readonly flags: ReadonlyArray<FlagInfo>
  readonly snapshot: unknown
}

export const corpus: ReadonlyArray<Line> = readFileSync(new URL("../fixtures/corpus.ndjson", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => JSON.parse(line) as Line)

export const encode = (document: unknown): ReadonlyArray<Uint8Array> => [
  new TextEncoder().encode(typeof document === "string" ? document : JSON.stringify(document))
]

/** A result in the corpus's form: without our tag, segment keys sorted. */
export const normalize = ({ _tag, ...result }: BatchEntry): Record<string, unknown> =>
  "segmentKeys" in result ? { ...result, segmentKeys: [...result.segmentKeys].sort() } : result

/** A batch entry in the corpus's form. */
export const normalizeEntry = (entry: BatchEntry): Record<string, unknown> => ({
  type: `${entry._tag.toUpperCase()}_EVALUATION_RESPONSE_TYPE`,
  [entry._tag.toLowerCase()]: normalize(entry)
})

export const decodeSeed = (seed: string): unknown => JSON.parse(Buffer.from(seed, "base64").toString("utf8"))

/** Removes what this library adds to the official message. */
export const explanation =
  /; (?:none of the \d+ flags of the namespace has this key|the namespace has no flag with this key|it is a (?:variant|boolean) flag, so use evaluate(?:Variant|Boolean))$/
