/**
 * What is measured: both engines of this library, the official client, and other SDKs. Each SDK is used through its
 * public API with its fastest settings: no metrics, events or logging, flags already in memory, and contexts in its own
 * form, prepared before the timing. The comment on each subject says how it models Flipt's flags. Conditions are
 * inline, because that is faster than a reference to a segment in every SDK that has both.
 *
 * `prepare` returns an entity in the SDK's form, `bare` one without attributes, for (a). `boolean` and `variant` evaluate.
 * Without a match, `variant` returns anything but one of the variants.
 */
import * as ConfigCat from "@configcat/sdk"
import type { FliptClient } from "@flipt-io/flipt-client-js"
import { type FeatureDefinition, GrowthBookClient } from "@growthbook/growthbook"
import launchDarkly, { type LDContext, type LDEvaluationDetail } from "@launchdarkly/node-server-sdk"
import launchDarklyIntegrations from "@launchdarkly/node-server-sdk/integrations"
import type { EvaluationContext } from "@openfeature/core"
import { FlagdCore } from "@openfeature/flagd-core"
import unleash, { type Context as UnleashContext } from "unleash-client"
import type { FeatureInterface } from "unleash-client/lib/feature.js"
import type { Constraint, Operator, StrategyTransportInterface } from "unleash-client/lib/strategy/strategy.js"
import { flagdDocument } from "./flagd.js"
import { copyOf } from "./modules.js"
import { officialClient } from "./official.js"
import type * as OursModule from "./ours.js"
import type { Ours } from "./ours.js"
import type { Subject } from "./subject.js"
import { countries, documentOf, type Entity, type FlagOfKind, groups, type Kind, variants } from "./workloads.js"

type Flags = ReadonlyArray<FlagOfKind>
type Attributes = Partial<Entity["attributes"]>

const flagsBy = <A>(flags: Flags, makers: Readonly<Record<Kind, (key: string) => A>>): Record<string, A> =>
  Object.fromEntries(flags.map(({ key, kind }) => [key, makers[kind](key)]))

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, log: () => {} }

const ours = async (name: string): Promise<(flags: Flags) => Promise<Ours>> => {
  const { compile, subjectOf } = await copyOf<typeof OursModule>("ours", name)
  return async (flags) => subjectOf(await compile(documentOf(flags)))
}

/** The official client takes only strings in a context. */
const texts = (attributes: Attributes): Record<string, string> =>
  Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, String(value)]))

const official = async (
  flags: Flags
): Promise<
  Subject<{ readonly entityId: string; readonly context: Record<string, string> }> & { readonly client: FliptClient }
> => {
  const client = await officialClient(documentOf(flags))
  return {
    client,
    prepare: ({ attributes, id }) => ({ entityId: id, context: texts(attributes) }),
    bare: ({ id }) => ({ entityId: id, context: {} }),
    boolean: (flagKey, { context, entityId }) => client.evaluateBoolean({ flagKey, entityId, context }).enabled,
    variant: (flagKey, { context, entityId }) => client.evaluateVariant({ flagKey, entityId, context }).variantKey,
    close: () => client.close()
  }
}

/**
 * Unleash: (a) a flexible rollout of 50 %, (b) the default strategy with three constraints and its own variants, (c) five
 * default strategies, each with one constraint.
 */
const unleashSubject = async (flags: Flags): Promise<Subject<UnleashContext>> => {
  const feature = (name: string, strategies: Array<StrategyTransportInterface>): FeatureInterface => ({
    name,
    type: "release",
    enabled: true,
    strategies,
    variants: []
  })
  const is = (contextName: string, operator: string, values: Array<string>): Constraint => ({
    contextName,
    operator: operator as Operator,
    values,
    inverted: false
  })
  const makers = {
    boolean: (key: string) =>
      feature(key, [
        {
          name: "flexibleRollout",
          parameters: { rollout: "50", stickiness: "default", groupId: key },
          constraints: []
        }
      ]),
    variant: (key: string) =>
      feature(key, [
        {
          name: "default",
          parameters: { groupId: key },
          constraints: [
            is("plan", "IN", ["pro"]),
            { contextName: "age", operator: "NUM_GT" as Operator, value: "18", values: [], inverted: false },
            is("country", "IN", countries)
          ],
          variants: variants.map((name, place) => ({
            name,
            weight: place === 2 ? 334 : 333,
            weightType: "variable",
            stickiness: "default"
          }))
        }
      ]),
    segments: (key: string) =>
      feature(
        key,
        groups.map((group) => ({ name: "default", parameters: {}, constraints: [is("group", "IN", [group])] }))
      )
  }
  const client = new unleash.Unleash({
    appName: "bench",
    // nothing listens there: all features come from the bootstrap
    url: "http://127.0.0.1:9/",
    refreshInterval: 0,
    disableMetrics: true,
    skipInstanceCountWarning: true,
    storageProvider: new unleash.InMemStorageProvider(),
    bootstrap: { data: Object.values(flagsBy(flags, makers)) }
  })
  client.on("error", () => {})
  client.on("warn", () => {})
  await new Promise<void>((resolve) => client.once("ready", () => resolve()))
  return {
    prepare: ({ attributes, id }) => ({ userId: id, properties: texts(attributes) }),
    bare: ({ id }) => ({ userId: id }),
    boolean: (key, context) => client.isEnabled(key, context),
    variant: (key, context) => client.getVariant(key, context).name,
    close: () => client.destroy()
  }
}

/**
 * GrowthBook: (a) a forced value with half coverage, (b) an experiment with a condition and weights, (c) five forced
 * values with a condition each. It does not use a scoped instance, which also tracks evaluations.
 */
const growthbook = async (flags: Flags): Promise<Subject<{ readonly attributes: Record<string, unknown> }>> => {
  const makers: Readonly<Record<Kind, (key: string) => FeatureDefinition>> = {
    boolean: () => ({
      defaultValue: false,
      rules: [{ force: true, coverage: 0.5, hashAttribute: "id", hashVersion: 2 }]
    }),
    variant: (key: string) => ({
      defaultValue: "none",
      rules: [
        {
          key,
          condition: { plan: "pro", age: { $gt: 18 }, country: { $in: countries } },
          variations: variants,
          weights: [0.3333, 0.3333, 0.3334],
          hashAttribute: "id",
          hashVersion: 2
        }
      ]
    }),
    segments: () => ({
      defaultValue: false,
      rules: groups.map((group) => ({ condition: { group }, force: true }))
    })
  }
  const client = new GrowthBookClient().initSync({ payload: { features: flagsBy(flags, makers) } })
  return {
    prepare: ({ attributes, id }) => ({ attributes: { id, ...attributes } }),
    bare: ({ id }) => ({ attributes: { id } }),
    boolean: (key, context) => client.isOn(key, context),
    variant: (key, context) => client.getFeatureValue(key, "none", context),
    close: () => client.destroy()
  }
}

/**
 * LaunchDarkly with TestData: (a) a fallthrough by percentage, (b) a rule of three clauses with a percentage rollout,
 * (c) five rules of one clause. Its functions return promises, but `variationDetail` calls its callback synchronously, so
 * the loop awaits nothing.
 */
const launchdarkly = async (flags: Flags): Promise<Subject<LDContext>> => {
  const data = new launchDarklyIntegrations.TestData()
  const clause = (attribute: string, op: string, values: ReadonlyArray<unknown>) => ({
    contextKind: "user",
    attribute,
    op,
    values,
    negate: false
  })
  const rollout = (weights: ReadonlyArray<number>) => ({
    contextKind: "user",
    variations: weights.map((weight, variation) => ({ variation, weight }))
  })
  const flag = (key: string, rest: object) => ({
    key,
    version: 1,
    on: true,
    salt: key,
    targets: [],
    prerequisites: [],
    ...rest
  })
  const makers = {
    boolean: (key: string) =>
      flag(key, {
        variations: [true, false],
        offVariation: 1,
        rules: [],
        fallthrough: { rollout: rollout([50_000, 50_000]) }
      }),
    variant: (key: string) =>
      flag(key, {
        variations: [...variants, "none"],
        offVariation: 3,
        rules: [
          {
            id: "rule",
            clauses: [
              clause("plan", "in", ["pro"]),
              clause("age", "greaterThan", [18]),
              clause("country", "in", countries)
            ],
            rollout: rollout([33_330, 33_330, 33_340])
          }
        ],
        fallthrough: { variation: 3 }
      }),
    segments: (key: string) =>
      flag(key, {
        variations: [true, false],
        offVariation: 1,
        rules: groups.map((group) => ({ id: group, clauses: [clause("group", "in", [group])], variation: 0 })),
        fallthrough: { variation: 1 }
      })
  }
  for (const it of Object.values(flagsBy(flags, makers))) {
    await data.usePreconfiguredFlag(it)
  }
  const client = launchDarkly.init("sdk-key", {
    updateProcessor: data.getFactory(),
    sendEvents: false,
    diagnosticOptOut: true,
    logger: silent
  })
  await client.waitForInitialization({ timeout: 10 })
  let value: unknown
  const take = (_: unknown, detail: LDEvaluationDetail) => {
    value = detail.value
  }
  return {
    prepare: ({ attributes, id }) => ({ kind: "user", key: id, ...attributes }),
    bare: ({ id }) => ({ kind: "user", key: id }),
    boolean: (key, context) => {
      value = undefined
      client.variationDetail(key, context, false, take)
      return value
    },
    variant: (key, context) => {
      value = undefined
      client.variationDetail(key, context, "none", take)
      return value
    },
    close: () => client.close()
  }
}

/** flagd, with the flags of lib/flagd.ts, compiled. */
const flagd = async (flags: Flags): Promise<Subject<EvaluationContext>> => {
  const core = new FlagdCore(undefined, silent)
  core.setConfigurations(JSON.stringify(flagdDocument(flags)))
  return {
    prepare: ({ attributes, id }) => ({ targetingKey: id, ...attributes }),
    bare: ({ id }) => ({ targetingKey: id }),
    boolean: (key, context) => core.resolveBooleanEvaluation(key, false, context, silent).value,
    variant: (key, context) => core.resolveStringEvaluation(key, "none", context, silent).value
  }
}

/**
 * ConfigCat's snapshot: (a) percentage options, (b) a targeting rule of three conditions with percentage options, (c)
 * five targeting rules. It compares clear text, not hashes. Percentages are integers.
 */
const configcat = async (flags: Flags): Promise<Subject<ConfigCat.IUser>> => {
  const TextIsOneOf = 0
  const NumberGreater = 14
  const TextEquals = 28
  const text = (s: string) => ({ v: { s }, i: s })
  const on = { v: { b: true }, i: "on" }
  const off = { v: { b: false }, i: "off" }
  const makers: Readonly<Record<Kind, () => object>> = {
    boolean: () => ({
      t: 0,
      p: [
        { p: 50, ...on },
        { p: 50, ...off }
      ],
      ...off
    }),
    variant: () => ({
      t: 1,
      r: [
        {
          c: [
            { u: { a: "plan", c: TextEquals, s: "pro" } },
            { u: { a: "age", c: NumberGreater, d: 18 } },
            { u: { a: "Country", c: TextIsOneOf, l: countries } }
          ],
          p: variants.map((key, place) => ({ p: place === 2 ? 34 : 33, ...text(key) }))
        }
      ],
      ...text("none")
    }),
    segments: () => ({
      t: 0,
      r: groups.map((group) => ({ c: [{ u: { a: "group", c: TextEquals, s: group } }], s: on })),
      ...off
    })
  }
  const config = { p: { u: "https://cdn-global.configcat.com", r: 0, s: "salt" }, f: flagsBy(flags, makers) }
  const client = ConfigCat.getClient(
    "1234567890123456789012/1234567890123456789012",
    ConfigCat.PollingMode.ManualPoll,
    {
      offline: true,
      logger: ConfigCat.createConsoleLogger(ConfigCat.LogLevel.Off),
      cache: { get: () => `${Date.now()}\n"etag"\n${JSON.stringify(config)}`, set: () => {} }
    }
  )
  await client.waitForReady()
  const snapshot = client.snapshot()
  const user = (id: string, country?: string, custom?: Record<string, ConfigCat.UserAttributeValue>): ConfigCat.IUser =>
    new ConfigCat.User(id, undefined, country, custom) as ConfigCat.IUser
  return {
    // a context cannot contain booleans
    prepare: ({ attributes: { beta, country, ...custom }, id }) => user(id, country, { ...custom, beta: String(beta) }),
    bare: ({ id }) => user(id),
    boolean: (key, user) => snapshot.getValue(key, false, user),
    variant: (key, user) => snapshot.getValue(key, "none", user),
    close: () => client.dispose()
  }
}

export const engines = { portable: await ours("portable"), native: await ours("native") }

export const peers = {
  official,
  unleash: unleashSubject,
  growthbook,
  launchdarkly,
  "flagd-core": flagd,
  configcat
}
