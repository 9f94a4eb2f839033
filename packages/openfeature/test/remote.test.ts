/**
 * Compares this provider with Flipt's remote provider, `@openfeature/flipt-provider`, for the same flags and requests.
 * Equal results are asserted for both. Every difference is a row in the README's table and is asserted for each.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import { FliptProvider as RemoteProvider } from "@openfeature/flipt-provider"
import {
  type EvaluationContext,
  type EvaluationDetails,
  type FlagValue,
  type JsonValue,
  OpenFeature
} from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import { booleanFlag, makeDocument, variantFlag } from "../../../test/support/documents.js"
import * as FliptServer from "../../../test/support/FliptServer.js"
import * as EvaluationServer from "./support/EvaluationServer.js"
import { constraint, percentage, targeted, variants } from "./support/flags.js"
import * as Register from "./support/register.js"

const user = { targetingKey: "user-42" }
const isPro = [constraint("STRING", "plan", "eq", "pro")]

const document = makeDocument([
  booleanFlag("on", true),
  booleanFlag("off", false),
  targeted("for-pros", { enabled: false, match: true, constraints: isPro }),
  percentage("everyone", 100),
  variantFlag("theme", "dark", '{"hello":"world"}'),
  variantFlag("limit", "10"),
  variantFlag("ratio", "0.5"),
  variantFlag("limit-with-unit", "10ms"),
  variantFlag("scalar", "one", "1"),
  variantFlag("broken", "dark", "hello"),
  variants("unset", { match: { key: "big", constraints: isPro } }),
  variants("banner", {
    byDefault: { key: "plain", attachment: '{"lines":1}' },
    match: { key: "big", constraints: isPro }
  }),
  variants("disabled", { enabled: false, byDefault: { key: "plain" } }),
  targeted("at-least-18", { enabled: false, match: true, constraints: [constraint("NUMBER", "age", "gte", "18")] }),
  targeted("staff", { enabled: false, match: true, constraints: [constraint("BOOLEAN", "staff", "true")] }),
  targeted("no-plan", { enabled: false, match: true, constraints: [constraint("STRING", "plan", "empty")] }),
  targeted("since-2024", {
    enabled: false,
    match: true,
    constraints: [constraint("DATETIME", "joined", "gte", "2024-01-01T00:00:00Z")]
  }),
  targeted("by-key", { enabled: false, match: true, constraints: [constraint("STRING", "targetingKey", "notempty")] })
])

type Kind = "boolean" | "string" | "number" | "object"

interface Case {
  readonly title: string
  readonly kind: Kind
  readonly key: string
  readonly fallback: JsonValue
  readonly context?: EvaluationContext
}

interface Outcome {
  readonly value: JsonValue
  readonly reason: string
  readonly errorCode?: string
}

const ask = (name: string, { context = user, fallback, key, kind }: Case): Promise<EvaluationDetails<FlagValue>> => {
  const client = OpenFeature.getClient(name)
  switch (kind) {
    case "boolean":
      return client.getBooleanDetails(key, fallback as boolean, context)
    case "string":
      return client.getStringDetails(key, fallback as string, context)
    case "number":
      return client.getNumberDetails(key, fallback as number, context)
    case "object":
      return client.getObjectDetails(key, fallback, context)
  }
}

const outcomeOf = ({ errorCode, reason, value }: EvaluationDetails<FlagValue>): Outcome => ({
  value: value as JsonValue,
  reason: reason ?? "",
  ...(errorCode === undefined ? {} : { errorCode })
})

/** Registers both providers and evaluates with both. */
const both = <A>(
  engine: string,
  body: (askBoth: (it: Case) => Effect.Effect<{ readonly remote: Outcome; readonly ours: Outcome }>) => Effect.Effect<A>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* Register.useEngine(engine)
      const server = yield* FliptServer.make({ documents: { default: document } })
      const url = yield* EvaluationServer.make(document)
      yield* Effect.acquireRelease(
        Effect.promise(async () => {
          await OpenFeature.setProviderAndWait("remote", new RemoteProvider("default", { url }))
          await OpenFeature.setProviderAndWait("ours", Register.make({ url: server.url }))
        }),
        () => Effect.promise(() => OpenFeature.clearProviders())
      )
      return yield* body((it) =>
        Effect.promise(async () => ({
          remote: outcomeOf(await ask("remote", it)),
          ours: outcomeOf(await ask("ours", it))
        }))
      )
    })
  )

const same: ReadonlyArray<Case & { readonly outcome: Outcome }> = [
  {
    title: "a boolean flag with a segment",
    kind: "boolean",
    key: "for-pros",
    fallback: false,
    context: { ...user, plan: "pro" },
    outcome: { value: true, reason: "TARGETING_MATCH" }
  },
  {
    title: "the key of a variant",
    kind: "string",
    key: "theme",
    fallback: "light",
    outcome: { value: "dark", reason: "TARGETING_MATCH" }
  },
  {
    title: "no rule matches, and there is no default variant",
    kind: "string",
    key: "unset",
    fallback: "small",
    outcome: { value: "small", reason: "DEFAULT" }
  },
  {
    title: "a disabled flag",
    kind: "string",
    key: "disabled",
    fallback: "small",
    outcome: { value: "small", reason: "DISABLED" }
  },
  {
    title: "a disabled flag as a number",
    kind: "number",
    key: "disabled",
    fallback: 1,
    outcome: { value: 1, reason: "DISABLED" }
  },
  {
    title: "an integer",
    kind: "number",
    key: "limit",
    fallback: 0,
    outcome: { value: 10, reason: "TARGETING_MATCH" }
  },
  {
    title: "a fraction",
    kind: "number",
    key: "ratio",
    fallback: 0,
    outcome: { value: 0.5, reason: "TARGETING_MATCH" }
  },
  {
    title: "a number with a unit",
    kind: "number",
    key: "limit-with-unit",
    fallback: 0,
    outcome: { value: 10, reason: "TARGETING_MATCH" }
  },
  {
    title: "a key that is not a number",
    kind: "number",
    key: "theme",
    fallback: 0,
    outcome: { value: 0, reason: "ERROR", errorCode: "TYPE_MISMATCH" }
  },
  {
    title: "an attachment",
    kind: "object",
    key: "theme",
    fallback: {},
    outcome: { value: { hello: "world" }, reason: "TARGETING_MATCH" }
  },
  {
    title: "an attachment that is a number",
    kind: "object",
    key: "scalar",
    fallback: {},
    outcome: { value: 1, reason: "TARGETING_MATCH" }
  },
  {
    title: "no attachment",
    kind: "object",
    key: "limit",
    fallback: {},
    outcome: { value: {}, reason: "ERROR", errorCode: "TYPE_MISMATCH" }
  },
  {
    title: "a number in the context",
    kind: "boolean",
    key: "at-least-18",
    fallback: false,
    context: { ...user, age: 18 },
    outcome: { value: true, reason: "TARGETING_MATCH" }
  },
  {
    title: "a boolean in the context",
    kind: "boolean",
    key: "staff",
    fallback: false,
    context: { ...user, staff: true },
    outcome: { value: true, reason: "TARGETING_MATCH" }
  },
  {
    title: "null in the context",
    kind: "boolean",
    key: "no-plan",
    fallback: false,
    context: { ...user, plan: null },
    outcome: { value: true, reason: "TARGETING_MATCH" }
  }
]

/** `row` is the start of the row in the README's table. */
const different: ReadonlyArray<Case & { readonly row: string; readonly remote: Outcome; readonly ours: Outcome }> = [
  {
    title: "a boolean flag without a match",
    row: "Reason of a boolean flag",
    kind: "boolean",
    key: "off",
    fallback: true,
    remote: { value: false, reason: "TARGETING_MATCH" },
    ours: { value: false, reason: "DEFAULT" }
  },
  {
    title: "a percentage",
    row: "Reason of a boolean flag",
    kind: "boolean",
    key: "everyone",
    fallback: false,
    remote: { value: true, reason: "TARGETING_MATCH" },
    ours: { value: true, reason: "SPLIT" }
  },
  {
    title: "the default variant",
    row: "Default variant",
    kind: "string",
    key: "banner",
    fallback: "small",
    remote: { value: "small", reason: "DEFAULT" },
    ours: { value: "plain", reason: "DEFAULT" }
  },
  {
    title: "the default variant's attachment",
    row: "Default variant",
    kind: "object",
    key: "banner",
    fallback: {},
    remote: { value: {}, reason: "DEFAULT" },
    ours: { value: { lines: 1 }, reason: "DEFAULT" }
  },
  {
    title: "an attachment that is not JSON",
    row: "Attachment that is not JSON",
    kind: "object",
    key: "broken",
    fallback: {},
    remote: { value: {}, reason: "ERROR", errorCode: "TYPE_MISMATCH" },
    ours: { value: {}, reason: "ERROR", errorCode: "PARSE_ERROR" }
  },
  {
    title: "a flag that is not found",
    row: "Unknown flag",
    kind: "string",
    key: "no-such-flag",
    fallback: "small",
    remote: { value: "small", reason: "ERROR", errorCode: "GENERAL" },
    ours: { value: "small", reason: "ERROR", errorCode: "FLAG_NOT_FOUND" }
  },
  {
    title: "a variant flag requested as a boolean",
    row: "Flag of the other type",
    kind: "boolean",
    key: "theme",
    fallback: true,
    remote: { value: true, reason: "ERROR", errorCode: "GENERAL" },
    ours: { value: true, reason: "ERROR", errorCode: "TYPE_MISMATCH" }
  },
  {
    title: "no targeting key",
    row: "No `targetingKey`",
    kind: "boolean",
    key: "on",
    fallback: false,
    context: {},
    remote: { value: false, reason: "ERROR", errorCode: "GENERAL" },
    ours: { value: false, reason: "ERROR", errorCode: "TARGETING_KEY_MISSING" }
  },
  {
    title: "a date in the context",
    row: "Date in the context",
    kind: "boolean",
    key: "since-2024",
    fallback: false,
    context: { ...user, joined: new Date("2024-06-01T00:00:00Z") },
    remote: { value: false, reason: "TARGETING_MATCH" },
    ours: { value: true, reason: "TARGETING_MATCH" }
  },
  {
    title: "an object in the context",
    row: "Object or list in the context",
    kind: "boolean",
    key: "off",
    fallback: true,
    context: { ...user, owner: { plan: "pro" } },
    remote: { value: false, reason: "TARGETING_MATCH" },
    ours: { value: true, reason: "ERROR", errorCode: "INVALID_CONTEXT" }
  },
  {
    title: "a number in the context that is NaN or infinite",
    row: "`NaN` or `Infinity` in the context",
    kind: "boolean",
    key: "off",
    fallback: true,
    context: { ...user, age: Number.NaN },
    remote: { value: false, reason: "TARGETING_MATCH" },
    ours: { value: true, reason: "ERROR", errorCode: "INVALID_CONTEXT" }
  }
]

describe.each(Register.engineNames)("the remote provider and this one with the %s engine", (engine) => {
  it.live("agree", () =>
    both(engine, (askBoth) =>
      Effect.forEach(same, (it) =>
        Effect.map(askBoth(it), ({ ours, remote }) =>
          expect({ title: it.title, remote, ours }).toEqual({ title: it.title, remote: it.outcome, ours: it.outcome })
        )
      )
    )
  )

  it.live("differ as the README describes", () =>
    both(engine, (askBoth) =>
      Effect.forEach(different, (it) =>
        Effect.map(askBoth(it), ({ ours, remote }) =>
          expect({ title: it.title, remote, ours }).toEqual({ title: it.title, remote: it.remote, ours: it.ours })
        )
      )
    )
  )
})

it("every difference is a row in the README's table", () => {
  const readme = readFileSync(fileURLToPath(new URL("../README.md", import.meta.url)), "utf8")
  const rows = new Set(different.map(({ row }) => row))
  expect([...rows].filter((row) => !readme.includes(`\n| ${row} |`))).toEqual([])
})
