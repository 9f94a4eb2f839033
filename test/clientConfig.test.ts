/**
 * A client's options, from code and from the environment.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Engine from "../src/Engine.js"
import * as Fetcher from "../src/Fetcher.js"
import * as FliptClient from "../src/FliptClient.js"
import { onDocument } from "./support/documents.js"
import * as Fault from "./support/Fault.js"
import * as FliptServer from "./support/FliptServer.js"
import { captured } from "./support/logs.js"
import { makeClient, on } from "./support/testClient.js"

describe("options", () => {
  const bad: ReadonlyArray<readonly [string, unknown]> = [
    ["url", { url: "localhost:8080" }],
    ["environment", { environment: "" }],
    ["namespace", { namespace: " " }],
    ["updateInterval", { updateInterval: 0 }],
    ["requestTimeout", { requestTimeout: "soon" }],
    ["errorStrategy", { errorStrategy: "ignore" }],
    ["fetchMode", { fetchMode: "carrier pigeon" }],
    ["tlsConfig", { tlsConfig: "strict" }],
    ["tlsConfig.minVersion", { tlsConfig: { minVersion: "TLSv1.1" } }],
    ["snapshot", { snapshot: 7 }],
    ["authentication", { authentication: { clientToken: "not redacted" } }],
    ["authentication", { authentication: {} }],
    ["authentication.clientToken", { authentication: { clientToken: Redacted.make("") } }],
    ["updateIntervall", { updateIntervall: 30 }]
  ]

  it.effect.each(bad.map(([path, options]) => ({ path, options })))(
    "an invalid $path is an error that names it",
    ({ options, path }) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.scoped(FliptClient.make(options as FliptClient.Options)))
        expect(error).toMatchObject({ _tag: "ValidationError", reason: "Option", path })
        expect(error.message).toContain(path)
        expect(error.message).not.toContain("not redacted")
      })
  )

  it.scopedLive("that are undefined count as absent, as does a tlsConfig without settings", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const client = yield* makeClient({
        url: server.url,
        namespace: undefined,
        authentication: undefined,
        updateInterval: undefined,
        fetchMode: "polling",
        tlsConfig: { caCertFile: undefined }
      })
      expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
    })
  )
})

describe("layerConfig", () => {
  const withVariables = (variables: Record<string, string>) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

  it.scopedLive("reads the FLIPT_* variables", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ token: { kind: "client", value: "t0ken" } })
      yield* server.setDocument(onDocument(true, "shop"), { environment: "staging", namespace: "shop" })
      const result = yield* FliptClient.evaluateBoolean(on).pipe(
        Effect.provide(FliptClient.layerConfig()),
        withVariables({
          FLIPT_URL: server.url,
          FLIPT_ENVIRONMENT: "staging",
          FLIPT_NAMESPACE: "shop",
          FLIPT_REFERENCE: "main",
          FLIPT_CLIENT_TOKEN: "t0ken",
          FLIPT_FETCH_MODE: "polling",
          FLIPT_UPDATE_INTERVAL: "infinity",
          FLIPT_REQUEST_TIMEOUT: "2.5",
          FLIPT_ERROR_STRATEGY: "fail"
        })
      )
      expect(result.enabled).toBe(true)
      expect((yield* server.requests)[0]?.query).toEqual({ reference: "main" })
    })
  )

  it.scopedLive("accepts the variables with additional options", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      const config = Config.map(FliptClient.config, (options) => ({ ...options, headers: { "X-Team": "checkout" } }))
      yield* FliptClient.evaluateBoolean(on).pipe(
        Effect.provide(FliptClient.layerConfig(config)),
        withVariables({ FLIPT_URL: server.url })
      )
      expect((yield* server.requests)[0]?.headers["x-team"]).toBe("checkout")
    })
  )

  it.scopedLive("reads a bare number as seconds", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
      yield* Effect.gen(function* () {
        yield* FliptClient.FliptClient
        yield* server.awaitRequests(3)
      }).pipe(
        Effect.provide(FliptClient.layerConfig()),
        withVariables({ FLIPT_URL: server.url, FLIPT_UPDATE_INTERVAL: "0.02" })
      )
    })
  )

  it.effect.each([
    { name: "FLIPT_UPDATE_INTERVAL", value: "soon" },
    { name: "FLIPT_REQUEST_TIMEOUT", value: "-1" },
    { name: "FLIPT_ERROR_STRATEGY", value: "ignore" },
    { name: "FLIPT_FETCH_MODE", value: "pigeon" },
    { name: "FLIPT_HTTP2", value: "2" },
    { name: "FLIPT_TLS_MIN_VERSION", value: "1.3" }
  ])("names an invalid $name", ({ name, value }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(FliptClient.layerConfig()))).pipe(
        withVariables({ [name]: value })
      )
      expect(String(error).split(name)).toHaveLength(2)
    })
  )

  it.effect("treats empty variables as unset", () =>
    Effect.gen(function* () {
      const read = (variables: Record<string, string>) => FliptClient.config.pipe(withVariables(variables))
      const names = new Set<string>()
      const recording = ConfigProvider.mapInputPath(ConfigProvider.fromMap(new Map()), (name) => {
        names.add(name)
        return name
      })
      yield* Effect.withConfigProvider(FliptClient.config, recording)
      expect(names.size).toBe(26)
      const none = yield* read({})
      for (const name of names) {
        expect([name, yield* read({ [name]: "" })]).toEqual([name, none])
      }
    })
  )

  it.scopedLive("accepts an object of Configs, or a single Config", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({
        documents: { default: onDocument(true) },
        token: { kind: "client", value: "t0ken" }
      })
      const layers = [
        FliptClient.layerConfig({
          url: Config.string("FLAGS_URL"),
          authentication: { clientToken: Config.redacted("FLAGS_TOKEN") }
        }),
        FliptClient.layerConfig({
          url: Config.string("FLAGS_URL"),
          authentication: Config.map(Config.redacted("FLAGS_TOKEN"), (clientToken) => ({ clientToken }))
        }),
        FliptClient.layerConfig(
          Config.all({ url: Config.string("FLAGS_URL"), token: Config.redacted("FLAGS_TOKEN") }).pipe(
            Config.map(({ token, url }) => ({ url, authentication: { clientToken: token } }))
          )
        )
      ]
      for (const layer of layers) {
        const result = yield* FliptClient.evaluateBoolean(on).pipe(
          Effect.provide(layer),
          withVariables({ FLAGS_URL: server.url, FLAGS_TOKEN: "t0ken" })
        )
        expect(result.enabled).toBe(true)
      }
    })
  )
})

describe("the one-stop layer", () => {
  it.scopedLive("warns about services in the context that it ignores", () =>
    captured((logs) =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
        yield* FliptClient.evaluateBoolean(on).pipe(
          Effect.provide(
            FliptClient.layer({ url: server.url }).pipe(
              Layer.provide([Engine.layerMock({ on: false }), FetchHttpClient.layer])
            )
          )
        )
        const lines = logs.filter((line) => line.message.includes("is ignored"))
        expect(lines.map((line) => line.level)).toEqual(["WARN", "DEBUG"])
        expect(lines[0]?.message).toContain("flipt-client-effect/Engine")
        expect(lines[1]?.message).toContain("HttpClient")
        expect(lines.every((line) => line.message.includes("layerWithoutDependencies"))).toBe(true)
      })
    )
  )

  it.scopedLive("uses a RetryPolicy that is provided to it", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make()
      yield* server.failAlways(Fault.status(503))
      yield* Effect.flip(
        Effect.scoped(
          Layer.build(
            FliptClient.layer({ url: server.url }).pipe(
              Layer.provide(Layer.succeed(Fetcher.RetryPolicy, Schedule.recurs(6)))
            )
          )
        )
      )
      expect((yield* server.requests).length).toBe(7)
    })
  )
})
