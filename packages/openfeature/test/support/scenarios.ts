/**
 * The scenarios of OpenFeature's Gherkin suites, as data: https://github.com/open-feature/spec, folder
 * `specification/assets/gherkin`, as of August 2026. An entry is a scenario, or a row of a scenario's examples.
 *
 * If Flipt's flags cannot express the suite's flags, an entry has the reason and what is expected instead, or it is
 * skipped.
 */
import type { EvaluationContext, JsonValue } from "@openfeature/server-sdk"
import { booleanFlag, makeDocument } from "../../../../test/support/documents.js"
import { constraint, targeted, variants } from "./flags.js"

export type FlagType = "Boolean" | "String" | "Integer" | "Float" | "Object"

/** The expected details of an evaluation. Absent ones are not checked. */
export interface Expected {
  readonly value?: JsonValue
  readonly variant?: string | undefined
  readonly reason?: string
  readonly errorCode?: string | undefined
}

/** Why a result differs from the suite. */
export const reasons = {
  static:
    "the suite expects STATIC for a flag without targeting; Flipt returns DEFAULT whenever no rule matches, even if there is none",
  name: "a string or number is the key of the variant, so the variant cannot have another name",
  emptyKey: "a string is the key of the variant, and Flipt has no variant with an empty key",
  disabledBoolean: "Flipt's boolean flags are on or off, so disabling one turns it off",
  metadata: "Flipt sends no flag metadata to its clients",
  noMetadata: "the metadata of every flag has namespace and digest, so it is never empty",
  cached: "the provider evaluates every time and caches no values"
} as const

export type Reason = keyof typeof reasons

export interface Scenario {
  readonly suite: "evaluation" | "evaluation_v2" | "hooks" | "metadata"
  readonly title: string
  readonly provider: "stable" | "not ready" | "error" | "fatal" | "stale"
  readonly type: FlagType
  readonly key: string
  readonly fallback: JsonValue
  readonly context: EvaluationContext
  readonly expected: Expected
  /** What Flipt returns instead, and why. */
  readonly instead?: { readonly expected: Expected; readonly because: ReadonlyArray<Reason> }
  /** Why it is skipped. */
  readonly skipped?: Reason
}

const template = { showImages: true, title: "Check out these pics!", imagesPerPage: 100 }
const ballmer = "ballmer@macrosoft.com"
const isBallmer = [constraint("STRING", "email", "eq", ballmer)]
const templateText = JSON.stringify(template)

/** The flags of the suites, as Flipt flags. */
export const document = makeDocument([
  booleanFlag("boolean-flag", true),
  booleanFlag("boolean-zero-flag", false),
  targeted("boolean-targeted-zero-flag", { enabled: false, match: false, constraints: isBallmer }),
  variants("string-flag", { byDefault: { key: "hi" } }),
  variants("string-disabled-flag", { enabled: false, byDefault: { key: "hi" } }),
  variants("integer-flag", { byDefault: { key: "10" } }),
  variants("integer-zero-flag", { byDefault: { key: "0" } }),
  variants("integer-targeted-zero-flag", { byDefault: { key: "0" }, match: { key: "0", constraints: isBallmer } }),
  variants("integer-disabled-flag", { enabled: false, byDefault: { key: "10" } }),
  variants("float-flag", { byDefault: { key: "0.5" } }),
  variants("float-zero-flag", { byDefault: { key: "0.0" } }),
  variants("float-targeted-zero-flag", { byDefault: { key: "0.0" }, match: { key: "0.0", constraints: isBallmer } }),
  variants("float-disabled-flag", { enabled: false, byDefault: { key: "0.5" } }),
  variants("object-flag", { byDefault: { key: "template", attachment: templateText } }),
  variants("object-zero-flag", { byDefault: { key: "zero", attachment: "{}" } }),
  variants("object-targeted-zero-flag", {
    byDefault: { key: "zero", attachment: "{}" },
    match: { key: "zero", attachment: "{}", constraints: isBallmer }
  }),
  variants("object-disabled-flag", { enabled: false, byDefault: { key: "template", attachment: templateText } }),
  variants("wrong-flag", { byDefault: { key: "uno" } }),
  variants("context-aware", {
    byDefault: { key: "EXTERNAL" },
    match: {
      key: "INTERNAL",
      constraints: [
        constraint("STRING", "fn", "eq", "Sulisław"),
        constraint("STRING", "ln", "eq", "Świętopełk"),
        constraint("NUMBER", "age", "eq", "29"),
        constraint("BOOLEAN", "customer", "false")
      ]
    }
  }),
  variants("complex-targeted", {
    byDefault: { key: "EXTERNAL" },
    match: {
      key: "INTERNAL",
      constraints: [...isBallmer, constraint("NUMBER", "age", "gt", "10"), constraint("BOOLEAN", "customer", "false")]
    }
  })
])

const types: ReadonlyArray<FlagType> = ["Boolean", "String", "Integer", "Float", "Object"]

type Row = Pick<Scenario, "fallback"> & { readonly value: JsonValue; readonly variant: string }

const rows: Readonly<Record<FlagType, Row>> = {
  Boolean: { fallback: false, value: true, variant: "on" },
  String: { fallback: "bye", value: "hi", variant: "greeting" },
  Integer: { fallback: 1, value: 10, variant: "ten" },
  Float: { fallback: 0.1, value: 0.5, variant: "half" },
  Object: { fallback: {}, value: template, variant: "template" }
}

const zeros: Readonly<Record<FlagType, Pick<Row, "fallback" | "value">>> = {
  Boolean: { fallback: true, value: false },
  String: { fallback: "hi", value: "" },
  Integer: { fallback: 1, value: 0 },
  Float: { fallback: 0.1, value: 0 },
  Object: { fallback: { a: 1 }, value: {} }
}

/** Defaults that differ from every value of the flags. */
const fallbackOf = (type: FlagType): JsonValue => (type === "Object" ? { a: 1 } : rows[type].fallback)

const keyOf = (type: FlagType, kind = ""): string => `${type.toLowerCase()}-${kind}flag`

const isNamedByValue = (type: FlagType): boolean => type !== "Boolean" && type !== "Object"

type Part = Omit<Scenario, "context" | "provider"> & Partial<Pick<Scenario, "context" | "provider">>

const scenario = (part: Part): Scenario => ({ context: {}, provider: "stable", ...part })

/** Flipt's answers where the suite expects STATIC, or a variant whose name differs from its value. */
const adapted = (type: FlagType, expected: Expected): Pick<Scenario, "expected" | "instead"> => {
  const because: Array<Reason> = []
  if (expected.reason === "STATIC") {
    because.push("static")
  }
  if (expected.variant !== undefined && isNamedByValue(type)) {
    because.push("name")
  }
  return because.length === 0
    ? { expected }
    : {
        expected,
        instead: {
          because,
          expected: {
            ...expected,
            ...(because.includes("static") ? { reason: "DEFAULT" } : {}),
            ...(because.includes("name") ? { variant: String(rows[type].value) } : {})
          }
        }
      }
}

const evaluation: ReadonlyArray<Scenario> = [
  ...types.map((type) =>
    scenario({
      suite: "evaluation",
      title: `value of type ${type}`,
      type,
      key: keyOf(type),
      fallback: type === "Object" ? null : rows[type].fallback,
      expected: { value: rows[type].value }
    })
  ),
  ...types.map((type) =>
    scenario({
      suite: "evaluation",
      title: `details of type ${type}`,
      type,
      key: keyOf(type),
      fallback: type === "Object" ? null : rows[type].fallback,
      ...adapted(type, { value: rows[type].value, variant: rows[type].variant, reason: "STATIC" })
    })
  ),
  scenario({
    suite: "evaluation",
    title: "value by the context",
    type: "String",
    key: "context-aware",
    fallback: "EXTERNAL",
    context: { fn: "Sulisław", ln: "Świętopełk", age: 29, customer: false },
    expected: { value: "INTERNAL" }
  }),
  scenario({
    suite: "evaluation",
    title: "flag not found",
    type: "String",
    key: "missing-flag",
    fallback: "uh-oh",
    expected: { value: "uh-oh", reason: "ERROR", errorCode: "FLAG_NOT_FOUND" }
  }),
  scenario({
    suite: "evaluation",
    title: "type mismatch",
    type: "Integer",
    key: "wrong-flag",
    fallback: 13,
    expected: { value: 13, reason: "ERROR", errorCode: "TYPE_MISMATCH" }
  })
]

const email = (address: string): EvaluationContext => ({ email: address })

/** A scenario of evaluation_v2, for each type. */
const each = (
  title: string,
  make: (type: FlagType) => Omit<Part, "suite" | "title" | "type">
): ReadonlyArray<Scenario> =>
  types.map((type) => scenario({ suite: "evaluation_v2", title: `${title}, ${type}`, type, ...make(type) }))

const noEmptyKey = (type: FlagType): Pick<Part, "skipped"> => (type === "String" ? { skipped: "emptyKey" } : {})

const unavailable = (title: string, provider: Scenario["provider"], errorCode: string) =>
  each(title, (type) => ({
    provider,
    key: keyOf(type),
    fallback: fallbackOf(type),
    expected: { value: fallbackOf(type), reason: "ERROR", errorCode }
  }))

const evaluationV2: ReadonlyArray<Scenario> = [
  ...each("value", (type) => ({
    key: keyOf(type),
    fallback: rows[type].fallback,
    expected: { value: rows[type].value }
  })),
  ...each("zero value", (type) => ({
    key: keyOf(type, "zero-"),
    fallback: zeros[type].fallback,
    ...adapted(type, { value: zeros[type].value, reason: "STATIC" }),
    ...noEmptyKey(type)
  })),
  ...each("zero value by targeting", (type) => ({
    key: keyOf(type, "targeted-zero-"),
    fallback: zeros[type].fallback,
    context: email(ballmer),
    expected: { value: zeros[type].value, reason: "TARGETING_MATCH" },
    ...noEmptyKey(type)
  })),
  ...each("zero value by default, beside targeting", (type) => ({
    key: keyOf(type, "targeted-zero-"),
    fallback: zeros[type].fallback,
    context: email("ballmer@none.com"),
    expected: { value: zeros[type].value, reason: "DEFAULT" },
    ...noEmptyKey(type)
  })),
  ...each("flag not found", (type) => ({
    key: "non-existent-flag",
    fallback: fallbackOf(type),
    expected: { value: fallbackOf(type), reason: "ERROR", errorCode: "FLAG_NOT_FOUND" }
  })),
  ...each("type mismatch", (type) => ({
    key: type === "Boolean" ? "string-flag" : "boolean-flag",
    fallback: fallbackOf(type),
    expected: { value: fallbackOf(type), reason: "ERROR", errorCode: "TYPE_MISMATCH" }
  })),
  ...unavailable("provider not ready", "not ready", "PROVIDER_NOT_READY"),
  ...unavailable("provider in a fatal state", "fatal", "PROVIDER_FATAL"),
  ...each("all details", (type) => ({
    key: keyOf(type),
    fallback: rows[type].fallback,
    ...adapted(type, { value: rows[type].value, variant: rows[type].variant, reason: "STATIC" })
  })),
  scenario({
    suite: "evaluation_v2",
    title: "metadata of a flag",
    type: "Boolean",
    key: "metadata-flag",
    fallback: true,
    expected: {},
    skipped: "metadata"
  }),
  ...each("empty context", (type) => ({
    key: keyOf(type, "targeted-zero-"),
    fallback: type === "Float" ? 1 : type === "String" ? "str" : zeros[type].fallback,
    expected: { value: zeros[type].value, reason: "DEFAULT" },
    ...noEmptyKey(type)
  })),
  scenario({
    suite: "evaluation_v2",
    title: "targeting by several properties",
    type: "String",
    key: "complex-targeted",
    fallback: "default",
    context: { email: ballmer, role: "admin", age: 65, customer: false },
    expected: { value: "INTERNAL", reason: "TARGETING_MATCH" }
  }),
  scenario({
    suite: "evaluation_v2",
    title: "structure",
    type: "Object",
    key: "object-flag",
    fallback: {},
    ...adapted("Object", { value: template, reason: "STATIC" })
  }),
  ...each("variant", (type) => ({
    key: keyOf(type),
    fallback: rows[type].fallback,
    ...adapted(type, { variant: rows[type].variant })
  })),
  ...(["Boolean", "String"] as const).map((type) =>
    scenario({
      suite: "evaluation_v2",
      title: `reason CACHED, ${type}`,
      type,
      key: keyOf(type),
      fallback: rows[type].fallback,
      expected: { reason: "CACHED" },
      skipped: "cached"
    })
  ),
  ...each("reason DISABLED", (type) => ({
    key: keyOf(type, "disabled-"),
    fallback: fallbackOf(type),
    expected: { value: fallbackOf(type), reason: "DISABLED" },
    ...(type === "Boolean" ? { skipped: "disabledBoolean" as const } : {})
  })),
  ...each("evaluation without blocking", (type) => ({
    key: keyOf(type),
    fallback: rows[type].fallback,
    expected: { value: rows[type].value }
  }))
]

const hooks: ReadonlyArray<Scenario> = [
  scenario({
    suite: "hooks",
    title: "after and finally receive the details",
    type: "Boolean",
    key: "boolean-flag",
    fallback: false,
    ...adapted("Boolean", { value: true, variant: "on", reason: "STATIC", errorCode: undefined })
  }),
  scenario({
    suite: "hooks",
    title: "error and finally receive a flag that is not found",
    type: "String",
    key: "missing-flag",
    fallback: "uh-oh",
    expected: { value: "uh-oh", variant: undefined, reason: "ERROR", errorCode: "FLAG_NOT_FOUND" }
  }),
  scenario({
    suite: "hooks",
    title: "error and finally receive a type mismatch",
    type: "Boolean",
    key: "wrong-flag",
    fallback: false,
    expected: { value: false, variant: undefined, reason: "ERROR", errorCode: "TYPE_MISMATCH" }
  })
]

const metadata: ReadonlyArray<Scenario> = [
  scenario({
    suite: "metadata",
    title: "metadata of a flag",
    type: "Boolean",
    key: "metadata-flag",
    fallback: true,
    expected: {},
    skipped: "metadata"
  }),
  ...(["Boolean", "Integer", "Float", "String"] as const).map((type) =>
    scenario({
      suite: "metadata",
      title: `no metadata, ${type}`,
      type,
      key: keyOf(type),
      fallback: rows[type].fallback,
      expected: {},
      skipped: "noMetadata"
    })
  )
]

/** All scenarios that are evaluations. The others are in the test itself. */
export const scenarios: ReadonlyArray<Scenario> = [...evaluation, ...evaluationV2, ...hooks, ...metadata]

/** The levels at which a context can be set. Later ones take precedence. */
export const levels = ["API", "Transaction", "Client", "Invocation", "Before Hooks"] as const

export type Level = (typeof levels)[number]

const without = (...some: ReadonlyArray<Level>) => levels.filter((level) => !some.includes(level))

/** The levels in each group of contextMerging's scenarios: with transactions, with hooks, and with both. */
export const groups: ReadonlyArray<ReadonlyArray<Level>> = [without("Before Hooks"), without("Transaction"), levels]
