import { describe, expect, it } from "@effect/vitest"
import { FliptProvider } from "@flipt-client-effect/openfeature"
import {
  type Client,
  type EvaluationContext,
  type EventDetails,
  OpenFeature,
  ProviderEvents,
  type ServerProviderEvents
} from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as FliptClient from "flipt-client-effect/FliptClient"
import { booleanFlag, makeDocument, variantFlag } from "../../../test/support/documents.js"
import * as Fault from "../../../test/support/Fault.js"
import * as FliptServer from "../../../test/support/FliptServer.js"
import { constraint, percentage, targeted, variants } from "./support/flags.js"
import * as Register from "./support/register.js"

const user = { targetingKey: "user-42" }
const isPro = [constraint("STRING", "plan", "eq", "pro")]

const document = makeDocument(
  [
    booleanFlag("on", true),
    booleanFlag("off", false),
    targeted("for-pros", { enabled: false, match: true, constraints: isPro, segments: ["pros", "beta"] }),
    percentage("everyone", 100),
    variantFlag("theme", "dark", '{"accent":"teal","shades":[{"name":"deep"}]}'),
    variantFlag("limit", "10"),
    variantFlag("limit-with-unit", "10ms"),
    variantFlag("scalar", "one", "1"),
    variantFlag("null", "none", "null"),
    variantFlag("broken", "dark", "{"),
    variants("banner", {
      byDefault: { key: "plain", attachment: '{"lines":1}' },
      match: { key: "big", constraints: isPro }
    }),
    variants("unset", { match: { key: "big", constraints: isPro } }),
    variants("disabled", { enabled: false, byDefault: { key: "plain" } }),
    targeted("at-least-18", { enabled: false, match: true, constraints: [constraint("NUMBER", "age", "gte", "18")] }),
    targeted("since-2024", {
      enabled: false,
      match: true,
      constraints: [constraint("DATETIME", "joined", "gte", "2024-01-01T00:00:00Z")]
    }),
    targeted("staff", { enabled: false, match: true, constraints: [constraint("BOOLEAN", "staff", "true")] }),
    targeted("no-plan", { enabled: false, match: true, constraints: [constraint("STRING", "plan", "empty")] }),
    targeted("nested", { enabled: false, match: true, constraints: [constraint("STRING", "user.plan", "eq", "pro")] }),
    targeted("listed", { enabled: false, match: true, constraints: [constraint("STRING", "roles.1", "eq", "admin")] }),
    targeted("by-key", { enabled: false, match: true, constraints: [constraint("STRING", "targetingKey", "notempty")] })
  ],
  "shop"
)

const serve = FliptServer.make({ documents: { shop: document } })

/** All events of a client, and a way to wait for them. */
const record = (client: Client) =>
  Effect.gen(function* () {
    const seen: Array<{ readonly type: string; readonly details: EventDetails | undefined }> = []
    const waiting = new Set<() => void>()
    for (const type of Object.values(ProviderEvents) as Array<ServerProviderEvents>) {
      const handler = (details: EventDetails | undefined) => {
        seen.push({ type, details })
        for (const check of waiting) check()
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => client.addHandler(type, handler)),
        () => Effect.sync(() => client.removeHandler(type, handler))
      )
    }
    const next = (type: ServerProviderEvents, from = 0) =>
      Effect.async<EventDetails>((resume) => {
        const check = () => {
          const found = seen.slice(from).find((event) => event.type === type)
          if (found !== undefined) {
            waiting.delete(check)
            resume(Effect.succeed(found.details as EventDetails))
          }
        }
        waiting.add(check)
        check()
      })
    return { seen, next }
  })

const details = {
  boolean: (client: Client, key: string, fallback: boolean, context: EvaluationContext = user) =>
    Effect.promise(() => client.getBooleanDetails(key, fallback, context)),
  string: (client: Client, key: string, fallback: string, context: EvaluationContext = user) =>
    Effect.promise(() => client.getStringDetails(key, fallback, context)),
  number: (client: Client, key: string, fallback: number, context: EvaluationContext = user) =>
    Effect.promise(() => client.getNumberDetails(key, fallback, context)),
  object: (client: Client, key: string, context: EvaluationContext = user) =>
    Effect.promise(() => client.getObjectDetails(key, { fallback: true }, context))
}

describe.each(Register.engineNames)("with the %s engine, a provider", (engine) => {
  const start = (options: ConstructorParameters<typeof FliptProvider>[0] = {}) =>
    Effect.gen(function* () {
      yield* Register.useEngine(engine)
      const server = yield* serve
      const provider = Register.make({ url: server.url, namespace: "shop", ...options })
      return { server, provider, client: yield* Register.ready(provider) }
    })

  it.scopedLive("returns boolean flags, with the reason", () =>
    Effect.gen(function* () {
      const { client } = yield* start()
      const found = yield* Effect.all({
        on: details.boolean(client, "on", false),
        off: details.boolean(client, "off", true),
        matched: details.boolean(client, "for-pros", false, { ...user, plan: "pro" }),
        unmatched: details.boolean(client, "for-pros", true),
        split: details.boolean(client, "everyone", false)
      })
      const digest = expect.stringMatching(/^[0-9a-f]{40}$/)
      const flagMetadata = {
        environment: "default",
        namespace: "shop",
        flagSetId: "default/shop",
        digest,
        version: digest
      }
      expect(found).toEqual({
        on: { flagKey: "on", value: true, variant: "on", reason: "DEFAULT", flagMetadata },
        off: { flagKey: "off", value: false, variant: "off", reason: "DEFAULT", flagMetadata },
        matched: {
          flagKey: "for-pros",
          value: true,
          variant: "on",
          reason: "TARGETING_MATCH",
          flagMetadata: { ...flagMetadata, segmentKeys: "pros,beta" }
        },
        unmatched: { flagKey: "for-pros", value: false, variant: "off", reason: "DEFAULT", flagMetadata },
        split: { flagKey: "everyone", value: true, variant: "on", reason: "SPLIT", flagMetadata }
      })
      expect(found.matched.flagMetadata.version).toBe(found.matched.flagMetadata.digest)
    })
  )

  it.scopedLive("returns the variant's key, the key as a number, and the attachment", () =>
    Effect.gen(function* () {
      const { client } = yield* start()
      const match = { reason: "TARGETING_MATCH" }
      expect(yield* details.string(client, "theme", "light")).toMatchObject({
        value: "dark",
        variant: "dark",
        ...match
      })
      expect(yield* details.number(client, "limit", 0)).toMatchObject({ value: 10, variant: "10", ...match })
      expect(yield* details.number(client, "limit-with-unit", 0)).toMatchObject({ value: 10, variant: "10ms" })
      expect(yield* details.object(client, "theme")).toMatchObject({
        value: { accent: "teal", shades: [{ name: "deep" }] },
        variant: "dark",
        ...match
      })
      expect(yield* details.object(client, "scalar")).toMatchObject({ value: 1, ...match })
      expect(yield* details.object(client, "null")).toMatchObject({ value: null, variant: "none", ...match })
    })
  )

  it.scopedLive("parses an attachment once, and freezes it", () =>
    Effect.gen(function* () {
      const { client } = yield* start()
      const { value } = yield* details.object(client, "theme")
      expect((yield* details.object(client, "theme")).value).toBe(value)
      const { shades } = value as unknown as { readonly shades: ReadonlyArray<object> }
      expect([value, shades, shades[0]].map((part) => Object.isFrozen(part))).toEqual([true, true, true])
    })
  )

  it.scopedLive("returns the default variant of a flag, or else the caller's default", () =>
    Effect.gen(function* () {
      const { client } = yield* start()
      expect(yield* details.string(client, "banner", "none")).toMatchObject({
        value: "plain",
        variant: "plain",
        reason: "DEFAULT"
      })
      expect(yield* details.object(client, "banner")).toMatchObject({ value: { lines: 1 }, reason: "DEFAULT" })
      const without = yield* Effect.all([
        details.string(client, "unset", "none"),
        details.string(client, "disabled", "none"),
        details.number(client, "disabled", 7),
        details.object(client, "disabled")
      ])
      expect(without.map(({ reason, value, variant }) => [value, reason, variant])).toEqual([
        ["none", "DEFAULT", undefined],
        ["none", "DISABLED", undefined],
        [7, "DISABLED", undefined],
        [{ fallback: true }, "DISABLED", undefined]
      ])
    })
  )

  it.scopedLive("returns OpenFeature's error codes", () =>
    Effect.gen(function* () {
      const { client } = yield* start()
      const found = yield* Effect.all([
        details.boolean(client, "no-such-flag", true),
        details.boolean(client, "theme", true),
        details.string(client, "on", "none"),
        details.number(client, "theme", 1),
        details.object(client, "limit"),
        details.object(client, "broken"),
        details.boolean(client, "on", true, {}),
        details.boolean(client, "on", true, { targetingKey: "" }),
        details.boolean(client, "on", true, { targetingKey: " " }),
        details.boolean(client, "on", true, { targetingKey: 7 } as unknown as EvaluationContext),
        details.boolean(client, "on", true, { ...user, age: Number.NaN }),
        details.boolean(client, "on", true, { ...user, joined: new Date("never") }),
        details.boolean(client, "on", true, { ...user, owner: { plan: "pro" } }),
        details.boolean(client, "on", true, { ...user, roles: ["admin"] }),
        details.boolean(client, " ", true)
      ])
      expect(found.map(({ errorCode, errorMessage }) => [errorCode, errorMessage])).toEqual([
        ["FLAG_NOT_FOUND", expect.stringContaining("shop/no-such-flag")],
        ["TYPE_MISMATCH", expect.stringContaining("theme is not a boolean flag")],
        ["TYPE_MISMATCH", expect.stringContaining("on is not a variant flag")],
        ["TYPE_MISMATCH", 'variant "dark" of flag "theme" is not a number'],
        ["TYPE_MISMATCH", expect.stringContaining('variant "10" of flag "limit" has no attachment')],
        ["PARSE_ERROR", 'the attachment of variant "dark" of flag "broken" is not JSON'],
        ["TARGETING_KEY_MISSING", expect.stringContaining("the context has no targetingKey")],
        ["TARGETING_KEY_MISSING", expect.stringContaining("the context has no targetingKey")],
        ["TARGETING_KEY_MISSING", "entityId cannot be empty"],
        ["INVALID_CONTEXT", "targetingKey must be a string, not a number"],
        ["INVALID_CONTEXT", expect.stringContaining('context property "age" must be')],
        ["INVALID_CONTEXT", expect.stringContaining('context property "joined" must be')],
        ["INVALID_CONTEXT", expect.stringContaining('context property "owner" is an object')],
        ["INVALID_CONTEXT", expect.stringContaining('context property "roles" is a list')],
        ["GENERAL", "flagKey cannot be empty"]
      ])
      expect(found.map(({ reason }) => reason)).toEqual(found.map(() => "ERROR"))
      expect(found[0]).toMatchObject({ value: true, flagMetadata: { namespace: "shop" } })
    })
  )

  it.scopedLive("accepts numbers, dates, booleans and null in a context", () =>
    Effect.gen(function* () {
      const { client } = yield* start()
      const ask = (key: string, context: EvaluationContext) =>
        Effect.map(details.boolean(client, key, false, { ...user, ...context }), ({ value }) => value)
      expect(
        yield* Effect.all([
          ask("at-least-18", { age: 18 }),
          ask("at-least-18", { age: 17 }),
          ask("since-2024", { joined: new Date("2024-06-01T00:00:00Z") }),
          ask("since-2024", { joined: new Date("2023-06-01T00:00:00Z") }),
          ask("staff", { staff: true }),
          ask("staff", { staff: false }),
          ask("no-plan", { plan: null }),
          ask("no-plan", { plan: "pro" }),
          ask("by-key", {})
        ])
      ).toEqual([true, false, true, false, true, false, true, false, false])
    })
  )

  it.scopedLive("flattens a context if configured, up to a limit", () =>
    Effect.gen(function* () {
      const { client } = yield* start({ nestedContext: "flatten" })
      const ask = (key: string, context: EvaluationContext) =>
        details.boolean(client, key, false, { ...user, ...context })
      expect((yield* ask("nested", { user: { plan: "pro", age: null } })).value).toBe(true)
      expect((yield* ask("nested", { user: { plan: "pro" }, "user.plan": "free" })).value).toBe(false)
      expect((yield* ask("listed", { roles: ["user", "admin"] })).value).toBe(true)
      expect((yield* ask("on", { user: { age: Number.NaN } })).errorMessage).toContain('"user.age" must be')
      const itself: Record<string, EvaluationContext[string]> = {}
      itself.itself = itself
      expect(yield* ask("on", itself)).toMatchObject({
        errorCode: "INVALID_CONTEXT",
        errorMessage: expect.stringContaining("more than 1000 nested values")
      })
      const wide = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`p${index}`, index]))
      expect((yield* ask("on", { wide })).errorCode).toBeUndefined()
      expect((yield* ask("on", { wide: { ...wide, more: 1 } })).errorCode).toBe("INVALID_CONTEXT")
    })
  )

  it.scopedLive("emits CONFIGURATION_CHANGED with the flags that changed, and answers with the new state", () =>
    Effect.gen(function* () {
      const { client, server } = yield* start({ fetchMode: "streaming" })
      const events = yield* record(client)
      yield* server.awaitStreams(1)
      yield* server.setDocument(
        makeDocument([booleanFlag("on", false), booleanFlag("new", true), variantFlag("theme", "dark")], "shop"),
        { namespace: "shop" }
      )
      const { flagsChanged } = (yield* events.next(ProviderEvents.ConfigurationChanged)) as EventDetails & {
        readonly flagsChanged: ReadonlyArray<string>
      }
      expect(flagsChanged).toEqual(expect.arrayContaining(["on", "new", "theme", "limit"]))
      expect(flagsChanged).not.toContain("no-such-flag")
      expect((yield* details.boolean(client, "on", true)).value).toBe(false)
      expect((yield* details.boolean(client, "new", false)).value).toBe(true)
    })
  )

  it.scopedLive("is STALE in an outage, keeps serving the last state, and is READY after it", () =>
    Effect.gen(function* () {
      const { client, server } = yield* start({ updateInterval: "20 millis" })
      const events = yield* record(client)
      yield* server.failAlways(Fault.status(400))
      expect((yield* events.next(ProviderEvents.Stale)).message).toContain("status 400")
      expect(client.providerStatus).toBe("STALE")
      expect(yield* details.boolean(client, "on", false)).toMatchObject({ value: true, reason: "STALE" })
      expect(yield* details.string(client, "disabled", "none")).toMatchObject({ value: "none", reason: "STALE" })
      const before = events.seen.length
      yield* server.failAlways(undefined)
      yield* events.next(ProviderEvents.Ready, before)
      expect(client.providerStatus).toBe("READY")
      expect(yield* details.boolean(client, "on", false)).toMatchObject({ value: true, reason: "DEFAULT" })
    })
  )

  it.scopedLive("is in ERROR in an outage with the strategy fail, and READY after it", () =>
    Effect.gen(function* () {
      const { client, server } = yield* start({ errorStrategy: "fail", updateInterval: "20 millis" })
      const events = yield* record(client)
      yield* server.failAlways(Fault.status(400))
      expect(yield* events.next(ProviderEvents.Error)).toMatchObject({
        errorCode: "GENERAL",
        message: expect.stringContaining("status 400")
      })
      expect(client.providerStatus).toBe("ERROR")
      expect(yield* details.boolean(client, "on", true)).toMatchObject({ value: true, errorCode: "GENERAL" })
      const before = events.seen.length
      yield* server.failAlways(undefined)
      yield* events.next(ProviderEvents.Ready, before)
      expect(yield* details.boolean(client, "off", true)).toMatchObject({ value: false, reason: "DEFAULT" })
    })
  )

  it.scopedLive("that starts in an outage is in ERROR, and READY when the outage is over", () =>
    Effect.gen(function* () {
      yield* Register.useEngine(engine)
      const server = yield* serve
      yield* server.failAlways(Fault.status(400))
      const provider = Register.make({ url: server.url, namespace: "shop", updateInterval: "20 millis" })
      const client = yield* Register.set(provider)
      const events = yield* record(client)
      yield* events.next(ProviderEvents.Error)
      expect(client.providerStatus).toBe("ERROR")
      expect((yield* details.boolean(client, "on", false)).errorCode).toBe("PROVIDER_NOT_READY")
      yield* server.failAlways(undefined)
      yield* events.next(ProviderEvents.Ready)
      expect(client.providerStatus).toBe("READY")
      expect((yield* details.boolean(client, "on", false)).value).toBe(true)
    })
  )

  it.scopedLive("that starts from a snapshot while the server is down is STALE from the start", () =>
    Effect.gen(function* () {
      yield* Register.useEngine(engine)
      const server = yield* serve
      const seed = yield* Effect.scoped(
        Effect.flatMap(FliptClient.make({ url: server.url, namespace: "shop" }), (client) => client.getSnapshot)
      )
      yield* server.failAlways(Fault.status(400))
      const client = yield* Register.ready(Register.make({ url: server.url, namespace: "shop", snapshot: seed }))
      const events = yield* record(client)
      yield* events.next(ProviderEvents.Stale)
      expect(client.providerStatus).toBe("STALE")
      expect(yield* details.boolean(client, "on", false)).toMatchObject({ value: true, reason: "STALE" })
    })
  )

  it.scopedLive("leaves nothing when it is closed, and can be opened again", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* start({ fetchMode: "streaming" })
      yield* server.awaitStreams(1)
      yield* Effect.promise(() => Promise.all([provider.onClose(), provider.onClose()]))
      yield* server.awaitConnections(0)
      expect(yield* Effect.promise(() => provider.resolveBooleanEvaluation("on", false, user))).toMatchObject({
        value: false,
        errorCode: "PROVIDER_NOT_READY"
      })
      yield* Effect.promise(() => provider.initialize())
      expect(yield* Effect.promise(() => provider.resolveBooleanEvaluation("on", false, user))).toMatchObject({
        value: true
      })
    })
  )

  it.scopedLive("that is closed during its start does not start", () =>
    Effect.gen(function* () {
      yield* Register.useEngine(engine)
      const server = yield* serve
      yield* server.failAlways(Fault.hangBeforeHeaders)
      const provider = Register.make({ url: server.url, namespace: "shop" })
      const starting = provider.initialize().then(
        () => undefined,
        (error: unknown) => error
      )
      yield* server.awaitRequests(1)
      yield* Effect.promise(() => provider.onClose())
      expect(yield* Effect.promise(() => starting)).toMatchObject({ code: "PROVIDER_NOT_READY" })
      yield* server.awaitConnections(0)
    })
  )
})

describe("a provider", () => {
  it.scopedLive("accepts tokens, headers and durations as plain values, and prints no token", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({
        documents: { shop: document },
        token: { kind: "jwt", value: "t0p-secret" }
      })
      const lines: Array<string> = []
      const write = (...parts: ReadonlyArray<unknown>) => void lines.push(parts.map(String).join(" "))
      const provider = new FliptProvider({
        url: server.url,
        namespace: "shop",
        authentication: { jwtToken: "t0p-secret" },
        headers: { "X-Team": "checkout" },
        requestTimeout: "5 seconds",
        updateInterval: "20 millis",
        logger: { debug: write, error: write, info: write, warn: write }
      })
      const client = yield* Register.ready(provider)
      const events = yield* record(client)
      yield* server.setToken({ kind: "jwt", value: "another" })
      const { message } = yield* events.next(ProviderEvents.Stale)
      expect((yield* server.requests)[0]?.headers).toMatchObject({
        authorization: "JWT t0p-secret",
        "x-team": "checkout"
      })
      expect(lines.join("\n")).toContain("not up to date")
      expect([message, ...lines].join("\n")).not.toContain("t0p-secret")
    })
  )

  it.live("has a fatal error if an option is invalid, and names it", () =>
    Effect.gen(function* () {
      const failure = (options: object) =>
        Effect.promise(() =>
          Register.make(options)
            .initialize()
            .then(
              () => undefined,
              (error: unknown) => error
            )
        )
      const found = yield* Effect.all([
        failure({ updateInterval: "soon" }),
        failure({ authentication: { clientToken: undefined } }),
        failure({ authentication: { token: "t" } }),
        failure({ headers: { "X-Team": 7 } }),
        failure({ tlsConfig: { keyPassphrase: 7 } }),
        failure({ intervall: 7 }),
        failure({ url: "ftp://flipt" })
      ])
      expect(found.map((error) => (error as { readonly code: string }).code)).toEqual(found.map(() => "PROVIDER_FATAL"))
      expect(found.map((error) => /[\w]+(?:\.[\w-]+)?(?= (?:must|is not known))/.exec(String(error))?.[0])).toEqual([
        "updateInterval",
        "authentication.clientToken",
        "authentication",
        "headers.X-Team",
        "tlsConfig.keyPassphrase",
        "intervall",
        "url"
      ])
    })
  )

  it.scopedLive("has a fatal error if Flipt refuses the token, with the strategy fail", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ token: { kind: "client", value: "right" } })
      const provider = Register.make({
        url: server.url,
        authentication: { clientToken: "wrong" },
        errorStrategy: "fail"
      })
      const client = yield* Register.set(provider)
      const events = yield* record(client)
      yield* events.next(ProviderEvents.Error)
      expect(client.providerStatus).toBe("FATAL")
    })
  )

  it.live("is not ready before it is initialized", () =>
    Effect.gen(function* () {
      const provider = new FliptProvider()
      expect(yield* Effect.promise(() => provider.resolveStringEvaluation("theme", "light", user))).toMatchObject({
        value: "light",
        reason: "ERROR",
        errorCode: "PROVIDER_NOT_READY",
        errorMessage: expect.stringContaining("not initialized")
      })
      yield* Effect.promise(() => provider.onClose())
    })
  )

  it.scopedLive("for an existing client leaves it open, and ends with it", () =>
    Effect.gen(function* () {
      const server = yield* serve
      const scope = yield* Scope.make()
      const made = yield* Scope.extend(FliptClient.make({ url: server.url, namespace: "shop" }), scope)
      const first = FliptProvider.fromClient(made)
      yield* Effect.promise(() => first.initialize())
      yield* Effect.promise(() => first.onClose())
      expect((yield* made.evaluateBoolean({ flagKey: "on", entityId: "user-42" })).enabled).toBe(true)
      const provider = FliptProvider.fromClient(made, { environment: "production" })
      const client = yield* Register.ready(provider)
      const events = yield* record(client)
      expect((yield* details.boolean(client, "on", false)).flagMetadata).toMatchObject({
        environment: "production",
        flagSetId: "production/shop"
      })
      yield* Scope.close(scope, Exit.void)
      expect((yield* events.next(ProviderEvents.Error)).message).toContain("closed")
      expect(client.providerStatus).toBe("FATAL")
      expect(yield* Effect.promise(() => provider.resolveBooleanEvaluation("on", false, user))).toMatchObject({
        errorCode: "PROVIDER_NOT_READY"
      })
    })
  )

  it.scopedLive("keeps no replaced state open", () =>
    Effect.gen(function* () {
      const server = yield* serve
      const made = yield* FliptClient.make({ url: server.url, namespace: "shop", fetchMode: "streaming" })
      const replaced = yield* Effect.scoped(made.snapshot)
      const client = yield* Register.ready(FliptProvider.fromClient(made))
      const events = yield* record(client)
      yield* server.awaitStreams(1)
      yield* server.setDocument(makeDocument([booleanFlag("on", false)], "shop"), { namespace: "shop" })
      yield* events.next(ProviderEvents.ConfigurationChanged)
      expect(replaced.boolean({ flagKey: "on", entityId: "user-42" })).toMatchObject({ left: { reason: "Closed" } })
    })
  )

  it.scopedLive("serves the new state before it reports the changes, even if the status is late", () =>
    Effect.gen(function* () {
      const server = yield* serve
      const made = yield* FliptClient.make({ url: server.url, namespace: "shop", fetchMode: "streaming" })
      const late = { ...made, statusChanges: Stream.concat(Stream.take(made.statusChanges, 1), Stream.never) }
      const client = yield* Register.ready(FliptProvider.fromClient(late))
      const events = yield* record(client)
      yield* server.awaitStreams(1)
      yield* server.setDocument(makeDocument([booleanFlag("on", false)], "shop"), { namespace: "shop" })
      yield* events.next(ProviderEvents.ConfigurationChanged)
      expect((yield* details.boolean(client, "on", true)).value).toBe(false)
    })
  )

  it.scopedLive("is registered for a domain by its layer until the layer's scope closes", () =>
    Effect.gen(function* () {
      const server = yield* serve
      const flags = FliptProvider.layer({ domain: "shop" }).pipe(
        Layer.provideMerge(FliptClient.layer({ url: server.url, namespace: "shop" }))
      )
      const scope = yield* Scope.make()
      const context = yield* Scope.extend(Layer.build(flags), scope)
      expect(Context.get(context, FliptClient.FliptClient)).toBeDefined()
      const client = OpenFeature.getClient("shop")
      expect(client.metadata.providerMetadata.name).toBe("Flipt")
      expect((yield* details.boolean(client, "on", false)).value).toBe(true)
      yield* Scope.close(scope, Exit.void)
      expect(client.metadata.providerMetadata.name).toBe("No-op Provider")
      expect((yield* details.boolean(client, "on", false)).value).toBe(false)
      yield* server.awaitConnections(0)
    })
  )
})
