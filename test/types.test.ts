/**
 * Tests of types: `npm run check` fails if one of them is wrong. Running the tests only proves that the exports exist.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import { expectTypeOf, it } from "@effect/vitest"
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Auth from "../src/Auth.js"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as Flag from "../src/Flag.js"
import * as FliptClient from "../src/FliptClient.js"
import * as FliptClients from "../src/FliptClients.js"
import * as FliptError from "../src/FliptError.js"
import * as FliptTest from "../src/FliptTest.js"
import * as Hook from "../src/Hook.js"
import * as platformDefault from "../src/internal/platform/default.js"
import type * as platformNode from "../src/internal/platform/node.js"
import type * as Model from "../src/Model.js"
import type * as Snapshot from "../src/Snapshot.js"
import * as SnapshotStore from "../src/SnapshotStore.js"
import * as Status from "../src/Status.js"
import * as Telemetry from "../src/Telemetry.js"
import * as Tls from "../src/Tls.js"

it("every layer requires, provides and fails with what is documented", () => {
  expectTypeOf(Engine.layer).toEqualTypeOf<Layer.Layer<Engine.Engine, FliptError.EngineError>>()
  expectTypeOf(Engine.layerNative).toEqualTypeOf<Layer.Layer<Engine.Engine, FliptError.EngineError>>()
  expectTypeOf(Engine.layerPortable).toEqualTypeOf<Layer.Layer<Engine.Engine>>()
  expectTypeOf(Engine.layerMock).returns.toEqualTypeOf<Layer.Layer<Engine.Engine>>()

  expectTypeOf(Auth.layerNone).toEqualTypeOf<Layer.Layer<Auth.Auth>>()
  expectTypeOf(Auth.layerClientToken).returns.toEqualTypeOf<Layer.Layer<Auth.Auth, FliptError.ValidationError>>()
  expectTypeOf(Auth.layerJwt).returns.toEqualTypeOf<Layer.Layer<Auth.Auth, FliptError.ValidationError>>()
  expectTypeOf(Auth.layerConfig).returns.toEqualTypeOf<
    Layer.Layer<Auth.Auth, ConfigError.ConfigError | FliptError.ValidationError>
  >()
  const acquire: Effect.Effect<Auth.Credential, Error, "R" | Scope.Scope> = null as never
  expectTypeOf(() => Auth.layerProvider({ acquire, renewBefore: undefined })).returns.toEqualTypeOf<
    Layer.Layer<Auth.Auth, FliptError.AuthError | FliptError.ValidationError, "R">
  >()
  expectTypeOf(Auth.layerTokenFile).returns.toEqualTypeOf<
    Layer.Layer<Auth.Auth, FliptError.AuthError | FliptError.ValidationError>
  >()

  expectTypeOf(Tls.layer).returns.toEqualTypeOf<Layer.Layer<Tls.Tls, FliptError.ValidationError>>()
  expectTypeOf(Tls.layerConfig).returns.toEqualTypeOf<
    Layer.Layer<Tls.Tls, FliptError.ValidationError | ConfigError.ConfigError>
  >()
  expectTypeOf(Tls.make).returns.toEqualTypeOf<Effect.Effect<Tls.Service, FliptError.ValidationError>>()
  expectTypeOf(Tls.layerSystem).toEqualTypeOf<Layer.Layer<Tls.Tls>>()
  expectTypeOf(Tls.layerHttpClient).toEqualTypeOf<Layer.Layer<HttpClient.HttpClient, never, Tls.Tls>>()

  expectTypeOf(Fetcher.layerPolling).returns.toEqualTypeOf<
    Layer.Layer<Fetcher.Fetcher, FliptError.ValidationError, HttpClient.HttpClient | Auth.Auth>
  >()
  expectTypeOf(Fetcher.layerFile).returns.toEqualTypeOf<Layer.Layer<Fetcher.Fetcher, FliptError.ValidationError>>()
  expectTypeOf(Fetcher.layerStatic).returns.toEqualTypeOf<Layer.Layer<Fetcher.Fetcher, FliptError.ValidationError>>()
  const fetch = (_: Option.Option<string>): Effect.Effect<string, Error, "R"> => null as never
  expectTypeOf(() => Fetcher.layerEffect({ fetch })).returns.toEqualTypeOf<
    Layer.Layer<Fetcher.Fetcher, FliptError.ValidationError, "R">
  >()

  expectTypeOf(SnapshotStore.layerFileSystem).returns.toEqualTypeOf<
    Layer.Layer<SnapshotStore.SnapshotStore, FliptError.ValidationError>
  >()
  expectTypeOf(SnapshotStore.layerKeyValueStore).toEqualTypeOf<
    Layer.Layer<SnapshotStore.SnapshotStore, never, KeyValueStore.KeyValueStore>
  >()

  expectTypeOf(FliptClient.layer).returns.toEqualTypeOf<Layer.Layer<FliptClient.FliptClient, FliptError.StartError>>()
  expectTypeOf(FliptClient.layerConfig).returns.toEqualTypeOf<
    Layer.Layer<FliptClient.FliptClient, FliptError.StartError | ConfigError.ConfigError>
  >()
  expectTypeOf(FliptClient.layerWithoutDependencies).returns.toEqualTypeOf<
    Layer.Layer<FliptClient.FliptClient, FliptError.StartError, Engine.Engine | Fetcher.Fetcher>
  >()
  expectTypeOf(FliptClient.layerMock).returns.toEqualTypeOf<Layer.Layer<FliptClient.FliptClient>>()
  expectTypeOf(FliptClient.make).returns.toEqualTypeOf<
    Effect.Effect<FliptClient.Service, FliptError.StartError, Scope.Scope>
  >()
  expectTypeOf(FliptClient.makeWithoutDependencies).returns.toEqualTypeOf<
    Effect.Effect<FliptClient.Service, FliptError.StartError, Engine.Engine | Fetcher.Fetcher | Scope.Scope>
  >()
})

it("an evaluation fails with two errors, and requires only the client", () => {
  expectTypeOf(FliptClient.evaluateBoolean).returns.toEqualTypeOf<
    Effect.Effect<Model.BooleanResult, FliptError.ValidationError | FliptError.EvaluationError, FliptClient.FliptClient>
  >()
  expectTypeOf(FliptClient.evaluateVariant).returns.toEqualTypeOf<
    Effect.Effect<Model.VariantResult, FliptError.EvaluateError, FliptClient.FliptClient>
  >()
  expectTypeOf(FliptClient.evaluateBatch).returns.toEqualTypeOf<
    Effect.Effect<ReadonlyArray<Model.BatchEntry>, FliptError.EvaluateError, FliptClient.FliptClient>
  >()
  expectTypeOf<Snapshot.Snapshot["boolean"]>().returns.toEqualTypeOf<
    Either.Either<Model.BooleanResult, FliptError.EvaluateError>
  >()
})

it("pinning requires the client and a Scope, and changes nothing else about an effect", () => {
  expectTypeOf<FliptClient.Service["pinned"]>().toEqualTypeOf<Effect.Effect<FliptClient.Service, never, Scope.Scope>>()
  const effect: Effect.Effect<1, "E", "R" | Scope.Scope> = null as never
  expectTypeOf(() => FliptClient.withPinned(effect)).returns.toEqualTypeOf<
    Effect.Effect<1, "E", "R" | Scope.Scope | FliptClient.FliptClient>
  >()
})

it("hooks and telemetry are References, and their layers require nothing", () => {
  expectTypeOf(Hook.layer()).toEqualTypeOf<Layer.Layer<Hook.Hooks>>()
  expectTypeOf<Effect.Effect.Success<typeof Hook.Hooks>>().toEqualTypeOf<ReadonlyArray<Hook.Hook>>()
  expectTypeOf({ before: undefined, after: () => {} }).toExtend<Hook.Hook>()
  expectTypeOf<Parameters<NonNullable<Hook.Hook["error"]>>[1]>().toEqualTypeOf<FliptError.EvaluateError>()
  expectTypeOf(Telemetry.layer).returns.toEqualTypeOf<Layer.Layer<Telemetry.Telemetry, FliptError.ValidationError>>()
  expectTypeOf<Effect.Effect.Success<typeof Telemetry.Telemetry>>().toEqualTypeOf<Telemetry.Settings>()
  expectTypeOf({ events: undefined, metrics: undefined, entityId: undefined }).toExtend<Telemetry.Options>()
  expectTypeOf({ events: true }).not.toExtend<Telemetry.Options>()
})

it("a typed flag has its type and no error, and requires the client and at most the entity", () => {
  const theme = Flag.variant("theme", ["light", "dark"], { default: "light" })
  type Theme = "light" | "dark"
  expectTypeOf(theme).toEqualTypeOf<Flag.Finite<Theme>>()
  expectTypeOf(theme.values).toEqualTypeOf<ReadonlyArray<Theme>>()
  expectTypeOf(Flag.boolean).returns.toEqualTypeOf<Flag.Finite<boolean>>()
  expectTypeOf(() => theme.get()).returns.toEqualTypeOf<
    Effect.Effect<Theme, never, FliptClient.FliptClient | Flag.Entity>
  >()
  expectTypeOf(() => theme.get({ entityId: "a" })).returns.toEqualTypeOf<
    Effect.Effect<Theme, never, FliptClient.FliptClient>
  >()
  expectTypeOf(() => theme.detail()).returns.toEqualTypeOf<
    Effect.Effect<Flag.Detail<Theme>, never, FliptClient.FliptClient | Flag.Entity>
  >()
  expectTypeOf(theme.watch).returns.toEqualTypeOf<Stream.Stream<Theme, never, FliptClient.FliptClient>>()
  expectTypeOf(theme.read).toEqualTypeOf<(snapshot: Snapshot.Snapshot, entity: Model.Entity) => Theme>()
  expectTypeOf<Flag.Detail<Theme>["error"]>().toEqualTypeOf<
    FliptError.EvaluateError | FliptError.DecodeError | undefined
  >()
  const limits = Flag.json("limits", Schema.Struct({ max: Schema.NumberFromString }), { default: { max: 1 } })
  expectTypeOf(limits).toEqualTypeOf<Flag.Flag<{ readonly max: number }>>()
  expectTypeOf(limits).not.toExtend<Flag.Finite<unknown>>()
  expectTypeOf<Flag.Flag<Theme>>().toExtend<Flag.Flag<string>>()
  expectTypeOf<Flag.Flag<string>>().not.toExtend<Flag.Flag<Theme>>()
  // @ts-expect-error a default that is not one of the variants
  Flag.variant("theme", ["light", "dark"], { default: "blue" })
  // @ts-expect-error a default that does not have the Schema's type
  Flag.json("limits", Schema.Struct({ max: Schema.Int }), { default: { max: "1" } })
  // @ts-expect-error a Schema that requires a service
  const needing = () => Flag.json("limits", null as unknown as Schema.Schema<number, string, "Service">, { default: 1 })
  expectTypeOf(needing).toBeFunction()
  expectTypeOf(Flag.validate).returns.toEqualTypeOf<
    Effect.Effect<ReadonlyArray<Flag.Difference>, never, FliptClient.FliptClient>
  >()
  expectTypeOf(Flag.layerValidate).returns.toEqualTypeOf<
    Layer.Layer<never, FliptError.ValidationError, FliptClient.FliptClient>
  >()
})

it("the test kit accepts the values of a flag, and adds only itself to the requirements of a test", () => {
  const theme = Flag.variant("theme", ["light", "dark"], { default: "light" })
  const limits = Flag.json("limits", Schema.Struct({ max: Schema.Int }), { default: { max: 1 } })
  const test: Effect.Effect<number, Error, "R"> = null as never
  expectTypeOf(FliptTest.layer).returns.toEqualTypeOf<Layer.Layer<FliptClient.FliptClient | FliptTest.FliptTest>>()
  expectTypeOf(() => FliptTest.set(theme, "dark")).returns.toEqualTypeOf<
    Effect.Effect<void, never, FliptTest.FliptTest>
  >()
  expectTypeOf(() => FliptTest.set(limits, () => ({ max: 2 }))).returns.toEqualTypeOf<
    Effect.Effect<void, never, FliptTest.FliptTest>
  >()
  expectTypeOf(() => FliptTest.set("on", (request) => request.entityId === "a")).returns.toEqualTypeOf<
    Effect.Effect<void, never, FliptTest.FliptTest>
  >()
  // @ts-expect-error not one of the variants
  FliptTest.set(theme, "blue")
  expectTypeOf(() => FliptTest.isolated(test)).returns.toEqualTypeOf<
    Effect.Effect<number, Error, "R" | FliptTest.FliptTest>
  >()
  expectTypeOf(() => FliptTest.forEachValue(theme, (_: "light" | "dark") => test)).returns.toEqualTypeOf<
    Effect.Effect<void, Error, "R" | FliptTest.FliptTest>
  >()
  // @ts-expect-error the values of a json flag are unknown
  const refused = () => FliptTest.forEachValue(limits, () => test)
  expectTypeOf(refused).toBeFunction()
})

it("clients of many namespaces require what their layers require, and remove the client from an effect's requirements", () => {
  expectTypeOf(FliptClients.layer).returns.toEqualTypeOf<
    Layer.Layer<FliptClients.FliptClients, FliptError.ValidationError | FliptError.EngineError>
  >()
  const needing: Layer.Layer<FliptClient.FliptClient, FliptError.FetchError, "R"> = null as never
  expectTypeOf(() => FliptClients.layerWithoutDependencies({ client: () => needing })).returns.toEqualTypeOf<
    Layer.Layer<FliptClients.FliptClients, FliptError.ValidationError, "R">
  >()
  expectTypeOf(() =>
    FliptClients.layerWithoutDependencies({
      client: ({ environment, namespace }) => FliptClient.layerMock({ [environment + namespace]: true })
    })
  ).returns.toEqualTypeOf<Layer.Layer<FliptClients.FliptClients, FliptError.ValidationError>>()
  expectTypeOf<FliptClients.Service["get"]>().returns.toEqualTypeOf<
    Effect.Effect<FliptClient.Service, FliptError.StartError, Scope.Scope>
  >()
  const asks: Effect.Effect<1, "E", FliptClient.FliptClient | "R" | Scope.Scope> = null as never
  expectTypeOf(FliptClients.provide({ namespace: "shop" })(asks)).toEqualTypeOf<
    Effect.Effect<1, "E" | FliptError.StartError, FliptClients.FliptClients | "R" | Scope.Scope>
  >()
  expectTypeOf({ namespace: "shop" }).not.toExtend<FliptClients.Options>()
  expectTypeOf({ idleTimeToLive: undefined, fetchMode: undefined }).toExtend<FliptClients.Options>()
  expectTypeOf<Parameters<FliptClients.Service["get"]>[0]>().toEqualTypeOf<Model.Target>()
})

it("options and contexts accept undefined as absent, and reject values that cannot be sent", () => {
  const plan: string | undefined = undefined
  expectTypeOf({ flagKey: "a", entityId: "b", context: { plan } }).toExtend<Model.EvaluationRequest>()
  expectTypeOf({ flagKey: "a", entityId: "b", context: undefined }).toExtend<Model.EvaluationRequest>()
  expectTypeOf({ flagKey: "a", entityId: "b", context: { nested: {} } }).not.toExtend<Model.EvaluationRequest>()
  expectTypeOf({ flagKey: "a", entityId: "b", context: { n: 1n } }).not.toExtend<Model.EvaluationRequest>()
  expectTypeOf({ url: undefined, updateInterval: undefined }).toExtend<FliptClient.Options>()
  expectTypeOf({ authentication: { clientToken: "plain" } }).not.toExtend<FliptClient.Options>()
  expectTypeOf({ caCertFile: undefined, http2: undefined, proxy: undefined }).toExtend<Tls.Options>()
  expectTypeOf({ clientKeyData: "plain" }).not.toExtend<Tls.Options>()
  expectTypeOf({ keyPassphrase: "plain" }).not.toExtend<Tls.Options>()
  expectTypeOf<Tls.Options>().toExtend<NonNullable<FliptClient.Options["tlsConfig"]>>()
  expectTypeOf<{
    caCertFile: Config.Config<string>
    clientKeyData: Config.Config<Redacted.Redacted>
    minVersion: Config.Config<"TLSv1.2" | "TLSv1.3">
    http2: Config.Config<boolean>
  }>().toExtend<Config.Config.Wrap<Tls.Options>>()
  expectTypeOf<{ tlsConfig: { caCertFile: Config.Config<string> } }>().toExtend<FliptClient.ConfigOptions>()
  expectTypeOf({ clientToken: "plain" }).not.toExtend<Auth.Credential>()
  expectTypeOf<{ jwtToken: Redacted.Redacted; expiresIn: undefined }>().toExtend<Auth.Credential>()
  expectTypeOf<{ authentication: { jwtToken: Redacted.Redacted } }>().toExtend<FliptClient.Options>()
  expectTypeOf<{
    url: Config.Config<string>
    authentication: { clientToken: Config.Config<Redacted.Redacted> }
  }>().toExtend<FliptClient.ConfigOptions>()
})

it("the errors are one family", () => {
  expectTypeOf(FliptError.isFliptError).guards.toEqualTypeOf<FliptError.FliptError>()
  expectTypeOf<FliptError.FliptError["_tag"]>().toEqualTypeOf<
    "ValidationError" | "EvaluationError" | "FetchError" | "EngineError" | "AuthError" | "DecodeError"
  >()
  expectTypeOf<Effect.Effect.Success<typeof Fetcher.RetryPolicy>>().toEqualTypeOf<
    Schedule.Schedule<unknown, FliptError.FetchError>
  >()
})

it("a store accepts a Fetcher's source as target, and never fails", () => {
  expectTypeOf<Effect.Effect.Success<typeof SnapshotStore.SnapshotStore>>().toEqualTypeOf<SnapshotStore.Service>()
  expectTypeOf<Fetcher.Source>().toExtend<SnapshotStore.Target>()
  expectTypeOf<SnapshotStore.Target>().toExtend<Model.Target>()
  expectTypeOf<Model.Target>().not.toExtend<SnapshotStore.Target>()
  expectTypeOf<SnapshotStore.Service["load"]>().returns.toEqualTypeOf<
    Effect.Effect<Option.Option<SnapshotStore.Entry>>
  >()
  expectTypeOf<SnapshotStore.Service["save"]>().returns.toEqualTypeOf<Effect.Effect<void>>()
})

it("a status distinguishes its kinds", () => {
  expectTypeOf<Status.Status["_tag"]>().toEqualTypeOf<"Starting" | "Ready" | "Stale" | "Failed">()
  expectTypeOf(Status.is("Stale")).guards.toExtend<Status.Trouble>()
})

it("all platforms have the same exports", () => {
  expectTypeOf(platformDefault).toExtend<{
    readonly [K in keyof typeof platformNode]: (typeof platformNode)[K]
  }>()
})
