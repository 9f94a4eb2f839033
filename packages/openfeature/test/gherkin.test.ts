/**
 * Runs OpenFeature's Gherkin suites against the stand-in server, with each engine.
 */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import {
  AsyncLocalStorageTransactionContextPropagator,
  type Client,
  type EvaluationContext,
  type EvaluationDetails,
  type FlagValue,
  type Hook,
  type HookContext,
  type JsonValue,
  NOOP_TRANSACTION_CONTEXT_PROPAGATOR,
  OpenFeature,
  ProviderEvents
} from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { makeDocument } from "../../../test/support/documents.js"
import * as Fault from "../../../test/support/Fault.js"
import * as FliptServer from "../../../test/support/FliptServer.js"
import { constraint, variants } from "./support/flags.js"
import * as Register from "./support/register.js"
import { document, type FlagType, groups, type Level, reasons, type Scenario, scenarios } from "./support/scenarios.js"

/** The suites set no targeting key, but Flipt requires one. */
const user = { targetingKey: "user-42" }

const evaluate = (
  client: Client,
  type: FlagType,
  key: string,
  fallback: JsonValue,
  context: EvaluationContext,
  hooks: Array<Hook> = []
): Effect.Effect<EvaluationDetails<FlagValue>> =>
  Effect.promise((): Promise<EvaluationDetails<FlagValue>> => {
    switch (type) {
      case "Boolean":
        return client.getBooleanDetails(key, fallback as boolean, context, { hooks })
      case "String":
        return client.getStringDetails(key, fallback as string, context, { hooks })
      case "Integer":
      case "Float":
        return client.getNumberDetails(key, fallback as number, context, { hooks })
      case "Object":
        return client.getObjectDetails(key, fallback, context, { hooks })
    }
  })

const awaitEvent = (client: Client, type: "Error" | "Stale") =>
  Effect.async<void>((resume) => {
    const handler = () => {
      client.removeHandler(ProviderEvents[type], handler)
      resume(Effect.void)
    }
    client.addHandler(ProviderEvents[type], handler)
  })

/** A provider in each state of the suites. */
const start = (engine: string, kind: Scenario["provider"], flags: object = document) =>
  Effect.gen(function* () {
    yield* Register.useEngine(engine)
    const server = yield* FliptServer.make({ documents: { default: flags } })
    OpenFeature.setContext(user)
    yield* Effect.addFinalizer(() => Effect.sync(() => OpenFeature.setContext({})))
    switch (kind) {
      case "stable":
        return yield* Register.ready(Register.make({ url: server.url }))
      case "not ready": {
        yield* server.failAlways(Fault.hangBeforeHeaders)
        const client = yield* Register.set(Register.make({ url: server.url }))
        yield* server.awaitRequests(1)
        return client
      }
      case "error": {
        yield* server.failAlways(Fault.status(400))
        const client = yield* Register.set(Register.make({ url: server.url }))
        yield* awaitEvent(client, "Error")
        return client
      }
      case "fatal": {
        const client = yield* Register.set(Register.make({ url: "no url" }))
        yield* awaitEvent(client, "Error")
        return client
      }
      case "stale": {
        const client = yield* Register.ready(Register.make({ url: server.url, updateInterval: "20 millis" }))
        yield* server.failAlways(Fault.status(400))
        yield* awaitEvent(client, "Stale")
        return client
      }
    }
  })

/** A stable provider for all tests of a block. */
const shareStable = (engine: string, flags?: object) => {
  const scope = Effect.runSync(Scope.make())
  beforeAll(() => Effect.runPromise(Effect.asVoid(Scope.extend(start(engine, "stable", flags), scope))))
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
}

/** The result of an evaluation, with the details that the suite checks. */
const check = (scenario: Scenario, details: EvaluationDetails<FlagValue>) => {
  const wanted = { flagKey: scenario.key, ...(scenario.instead?.expected ?? scenario.expected) }
  const found = details as unknown as Record<string, unknown>
  expect(Object.fromEntries(Object.keys(wanted).map((name) => [name, found[name]]))).toEqual(wanted)
}

/** A hook that records its calls. */
const recording = () => {
  const stages: Array<string> = []
  const details: Array<EvaluationDetails<FlagValue>> = []
  const hook: Hook = {
    before: () => void stages.push("before"),
    after: (_: HookContext, told) => {
      stages.push("after")
      details.push(told)
    },
    error: () => void stages.push("error"),
    finally: (_: HookContext, told) => {
      stages.push("finally")
      details.push(told)
    }
  }
  return { hook, stages, details }
}

const run = scenarios.filter(({ skipped }) => skipped === undefined)

describe.each(Register.engineNames)("with the %s engine", (engine) => {
  it.scopedLive.each(run.filter(({ provider }) => provider !== "stable"))("$suite: $title", (scenario) =>
    Effect.gen(function* () {
      const client = yield* start(engine, scenario.provider)
      check(scenario, yield* evaluate(client, scenario.type, scenario.key, scenario.fallback, scenario.context))
    })
  )

  it.scopedLive.each([
    ["stable", "READY"],
    ["not ready", "NOT_READY"],
    ["error", "ERROR"],
    ["fatal", "FATAL"],
    ["stale", "STALE"]
  ] as const)("evaluation_v2: the status of a provider that is %s", ([kind, status]) =>
    Effect.gen(function* () {
      const client = yield* start(engine, kind)
      expect(client.providerStatus).toBe(status)
    })
  )

  describe("and a stable provider,", () => {
    shareStable(engine)
    const stable = run.filter(({ provider }) => provider === "stable")

    it.live.each(stable.filter(({ suite }) => suite !== "hooks"))("$suite: $title", (scenario) =>
      Effect.gen(function* () {
        const { context, fallback, key, type } = scenario
        const client = OpenFeature.getClient()
        check(scenario, yield* evaluate(client, type, key, fallback, context))
        if (key === "context-aware") {
          expect(yield* evaluate(client, type, key, fallback, {})).toMatchObject({ value: "EXTERNAL" })
        }
      })
    )

    it.live.each(stable.filter(({ suite }) => suite === "hooks"))("hooks: $title", (scenario) =>
      Effect.gen(function* () {
        const { hook, details, stages } = recording()
        const client = OpenFeature.getClient().addHooks(hook)
        yield* evaluate(client, scenario.type, scenario.key, scenario.fallback, scenario.context)
        const isError = scenario.expected.errorCode !== undefined
        expect(stages).toEqual(["before", isError ? "error" : "after", "finally"])
        expect(details).toHaveLength(isError ? 1 : 2)
        for (const told of details) {
          check(scenario, told)
        }
      })
    )

    it.live("evaluation_v2: hooks in an evaluation's options, in order", () =>
      Effect.gen(function* () {
        const order: Array<string> = []
        const named = (name: string): Hook => ({
          before: () => void order.push(`before ${name}`),
          after: () => void order.push(`after ${name}`)
        })
        const hooks = [named("1"), named("2")]
        yield* evaluate(OpenFeature.getClient(), "Boolean", "boolean-flag", false, {}, hooks)
        expect(order).toEqual(["before 1", "before 2", "after 2", "after 1"])
      })
    )

    it.live("evaluation_v2: the context is not modified, and metadata and values are immutable", () =>
      Effect.gen(function* () {
        const client = OpenFeature.getClient()
        const context = { email: "ballmer@macrosoft.com", nothing: null, joined: new Date(0) }
        const before = structuredClone(context)
        const details = yield* evaluate(client, "Boolean", "boolean-targeted-zero-flag", true, context)
        expect(context).toEqual(before)
        expect(details).toMatchObject({ value: false, reason: "TARGETING_MATCH" })
        expect(Object.isFrozen(details.flagMetadata)).toBe(true)
        const object = yield* evaluate(client, "Object", "object-flag", {}, context)
        expect(Object.isFrozen(object.value)).toBe(true)
      })
    )
  })

  describe("contextMerging:", () => {
    /** The flag `key=value` matches if the merged context has this entry. */
    const flagOf = (key: string, value: string) => `${key}=${value}`
    const entries = [
      ...groups[2]!.flatMap((level) => [["key", level] as const, [level, `${level} value`] as const]),
      ["key", "value"] as const
    ]
    const merged = makeDocument(
      entries.map(([key, value]) =>
        variants(flagOf(key, value), {
          byDefault: { key: "no" },
          match: { key: "yes", constraints: [constraint("STRING", key, "eq", value)] }
        })
      )
    )

    shareStable(engine, merged)

    /** Sets entries at their levels, and checks that they reach the provider. */
    const reaches = (
      set: Partial<Record<Level, Record<string, string>>>,
      reach: ReadonlyArray<readonly [key: string, value: string]>
    ) =>
      Effect.gen(function* () {
        OpenFeature.setTransactionContextPropagator(new AsyncLocalStorageTransactionContextPropagator())
        OpenFeature.setContext({ ...user, ...set.API })
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            OpenFeature.setTransactionContextPropagator(NOOP_TRANSACTION_CONTEXT_PROPAGATOR)
            OpenFeature.setContext(user)
          })
        )
        const client = OpenFeature.getClient(set.Client ?? {}).addHooks({ before: () => set["Before Hooks"] })
        const ask = (key: string) =>
          Effect.promise(
            () =>
              new Promise<string>((resolve, reject) =>
                OpenFeature.setTransactionContext(set.Transaction ?? {}, () => {
                  client.getStringValue(key, "none", set.Invocation ?? {}).then(resolve, reject)
                })
              )
          )
        for (const [key, value] of reach) {
          expect(yield* ask(flagOf(key, value)), flagOf(key, value)).toBe("yes")
        }
      })

    const single = groups.flatMap((group) => group.map((level) => [level, group.join(", ")] as const))

    it.scopedLive.each(single)("an entry at the level %s, of %s", ([level]) =>
      reaches({ [level]: { key: "value" } }, [["key", "value"]])
    )

    it.scopedLive.each(groups.map((group) => [group] as const))("an entry at each level of %s", ([group]) =>
      reaches(
        Object.fromEntries(group.map((level) => [level, { [level]: `${level} value` }])),
        group.map((level) => [level, `${level} value`])
      )
    )

    it.scopedLive.each(single)("the same entry down to the level %s, of %s", ([last, names]) => {
      const group = names.split(", ") as Array<Level>
      return reaches(
        Object.fromEntries(group.slice(0, group.indexOf(last) + 1).map((level) => [level, { key: level }])),
        [["key", last]]
      )
    })
  })
})

it("the suites run completely, except for scenarios with a reason", () => {
  const count = (suite: Scenario["suite"]) => {
    const all = scenarios.filter((it) => it.suite === suite)
    return {
      all: all.length,
      adapted: all.filter((it) => it.instead !== undefined && it.skipped === undefined).length,
      skipped: all.filter((it) => it.skipped !== undefined).length
    }
  }
  expect({
    evaluation: count("evaluation"),
    hooks: count("hooks"),
    metadata: count("metadata"),
    // and seven that are not evaluations: five statuses, hooks in options, immutability
    evaluation_v2: count("evaluation_v2")
  }).toEqual({
    evaluation: { all: 13, adapted: 5, skipped: 0 },
    hooks: { all: 3, adapted: 1, skipped: 0 },
    metadata: { all: 5, adapted: 0, skipped: 5 },
    evaluation_v2: { all: 70, adapted: 13, skipped: 8 }
  })
  const used = scenarios.flatMap((it) => [
    ...(it.instead?.because ?? []),
    ...(it.skipped === undefined ? [] : [it.skipped])
  ])
  expect([...new Set(used)].sort()).toEqual(Object.keys(reasons).sort())
})
