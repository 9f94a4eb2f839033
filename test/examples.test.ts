/**
 * Runs the unmodified examples, each in a separate process, with the build that `npm test` makes first.
 */
import { execFile } from "node:child_process"
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { authority } from "./support/certificates.js"
import { booleanFlag, makeDocument, variantFlag } from "./support/documents.js"
import * as FliptServer from "./support/FliptServer.js"
import * as Folder from "./support/Folder.js"
import * as Proxy from "./support/Proxy.js"

const root = fileURLToPath(new URL("..", import.meta.url))

const run = (name: string, variables: Readonly<Record<string, string>> = {}) =>
  Effect.async<string, Error>((resume) => {
    const { FLIPT_URL: _, ...environment } = process.env
    const child = execFile(
      process.execPath,
      [`build/examples/${name}.js`],
      { cwd: root, env: { ...environment, ...variables }, timeout: 120_000 },
      (error, stdout, stderr) =>
        // without log lines, which begin with a time
        resume(
          error === null
            ? Effect.succeed(stdout.replaceAll(/^(?:timestamp=|\[\d\d:).*\n/gm, ""))
            : Effect.fail(new Error(`${error.message}\n${stdout}${stderr}`))
        )
    )
    return Effect.sync(() => child.kill())
  })

it("there is a test for every example", () => {
  const names = readdirSync(`${root}examples`).filter((name) => name.endsWith(".ts"))
  // Vitest runs testing.test.ts, httpServer.test.ts runs http-server.ts, and packages/redis runs fleet.ts
  expect(names.sort()).toEqual([
    "errors.ts",
    "flags.ts",
    "fleet.ts",
    "http-server.ts",
    "namespaces.ts",
    "own-http-client.ts",
    "quickstart.ts",
    "rotating-jwt.ts",
    "snapshot.ts",
    "telemetry.ts",
    "testing.test.ts",
    "tls.ts",
    "workers.ts"
  ])
})

it.live("quickstart evaluates the flags of a file", () =>
  Effect.map(run("quickstart"), (output) => {
    const lines = output.trim().split("\n")
    // the file is small
    expect(lines[0]).toMatch(/^engine: portable; flags from the file, version [0-9a-f]{16}$/)
    expect(lines.slice(1)).toEqual([
      "  new-checkout (BOOLEAN_FLAG_TYPE): For all of the beta group, and a quarter of everyone else",
      "  theme (VARIANT_FLAG_TYPE): Dark for half of the paying customers, light for the other half",
      'variant of theme: light {"accent":"navy"} (MATCH_EVALUATION_REASON)',
      "new-checkout enabled: true (MATCH_EVALUATION_REASON)",
      "batch: new-checkout = true, theme = light, no-such-flag = NOT_FOUND_ERROR_EVALUATION_REASON"
    ])
  })
)

it.scopedLive("quickstart evaluates the flags of a server", () =>
  Effect.gen(function* () {
    const server = yield* FliptServer.make({
      documents: { shop: makeDocument([booleanFlag("on", true), variantFlag("theme", "dark")], "shop") },
      token: { kind: "client", value: "t0ken" }
    })
    const output = yield* run("quickstart", {
      FLIPT_URL: server.url,
      FLIPT_NAMESPACE: "shop",
      FLIPT_CLIENT_TOKEN: "t0ken"
    })
    expect(output).toContain("flags from the server")
    expect(output).toContain("variant of theme: dark")
    expect(output).toContain("on enabled: true")
    expect(output).not.toContain("t0ken")
  })
)

it.live("errors distinguishes an invalid request from an unknown flag", () =>
  Effect.map(run("errors"), (output) =>
    expect(output.trim().split("\n")).toEqual([
      "the request is wrong: flagKey: flagKey cannot be empty",
      "no evaluation (FlagNotFound): invalid request: failed to get flag information default/no-such-flag; none of the 2 flags of the namespace has this key",
      "no evaluation (FlagType): invalid request: theme is not a boolean flag; it is a variant flag, so use evaluateVariant",
      "new-checkout: false"
    ])
  )
)

it.live("flags returns typed values, and defaults with the error if something is wrong", () =>
  Effect.map(run("flags"), (output) =>
    expect(output.trim().split("\n")).toEqual([
      "user-42: checkout new, theme light, accent navy",
      expect.stringMatching(/^user-7: checkout (?:new|old), theme plain, accent grey$/),
      "old theme: plain, FALLBACK, since Flipt says light: DecodeError",
      "banner: true",
      expect.stringMatching(/^themes: (?:light|dark), (?:light|dark), (?:light|dark)$/),
      "banner: Missing: there is no flag banner",
      'theme: Variant: the variant "light" of flag theme is not one of the declared variants: "plain", "dark"'
    ])
  )
)

it.live("snapshot starts from a file while the server is down, and switches to the server when it is up", () =>
  Effect.map(run("snapshot"), (output) =>
    expect(output.trim().split("\n")).toEqual([
      "stored the state that the server has",
      "Stale, from the seed: new-checkout is true",
      "Ready, from the server: new-checkout is false"
    ])
  )
)

it.live("namespaces opens a client per tenant, and shares it", () =>
  Effect.map(run("namespaces"), (output) =>
    expect(output.trim().split("\n")).toEqual([
      "the server is asked for books",
      "books: free delivery for ada is true",
      "the server is asked for toys",
      "toys: free delivery for ada is false",
      "books: free delivery for bob is true",
      "the server is asked for cars",
      "cars: NotFound"
    ])
  )
)

it.live("own-http-client fetches with the global fetch, and with a custom Agent", () =>
  Effect.map(run("own-http-client"), (output) =>
    expect(output.trim().split("\n")).toEqual([
      "GET /internal/v1/evaluation/snapshot/namespace/default",
      "globalFetch: new-checkout is true",
      "ownAgent: new-checkout is true"
    ])
  )
)

it.scopedLive("tls fetches over TLS in every way", () =>
  Effect.gen(function* () {
    const { cert, issue } = yield* authority()
    const folder = yield* Folder.make
    const client = yield* issue({ name: "client" })
    Folder.replace(`${folder}/ca.crt`, cert)
    Folder.replace(`${folder}/client.crt`, client.cert)
    Folder.replace(`${folder}/client.key`, client.key)
    const server = yield* FliptServer.make({
      documents: { default: makeDocument([booleanFlag("on", true)]) },
      tls: {
        ...(yield* issue({ hosts: [{ type: "dns", value: "localhost" }] })),
        ca: cert,
        requestCert: true,
        rejectUnauthorized: false,
        http2: true
      }
    })
    const proxy = yield* Proxy.make()
    const output = yield* run("tls", {
      FLIPT_URL: server.url.replace("127.0.0.1", "localhost"),
      CERTIFICATES: folder,
      HTTPS_PROXY: proxy.url,
      NO_PROXY: "127.0.0.1"
    })
    expect(output.trim().split("\n")).toEqual([
      "customAuthority: 1 flags",
      "mutualTls: 1 flags",
      "fromData: 1 flags",
      "otherHost: 1 flags",
      "serverName: 1 flags",
      "unverified: 1 flags",
      "throughProxy: 1 flags",
      "fromParts: 1 flags"
    ])
    const seen = (yield* server.requests).map(({ tls }) => `${tls?.client ?? "-"} HTTP/${tls?.httpVersion}`)
    expect(seen).toEqual([
      "- HTTP/1.1",
      "client HTTP/1.1",
      "client HTTP/1.1",
      "- HTTP/1.1",
      "- HTTP/1.1",
      "- HTTP/1.1",
      "- HTTP/2.0",
      "- HTTP/1.1"
    ])
  })
)

it.live("rotating-jwt sends a new JWT when the first is about to expire", () =>
  Effect.map(run("rotating-jwt"), (output) =>
    expect(output.trim().split("\n")).toEqual(["new-checkout is true, fetched with JWT 1", "fetched again with JWT 2"])
  )
)

it.live("telemetry sends events and metrics to a collector", () =>
  Effect.map(run("telemetry"), (output) => {
    const event = (attributes: string) =>
      `span GET /checkout, event feature_flag.evaluation: ${attributes} feature_flag.provider.name=Flipt ` +
      "feature_flag.set.id=default/default feature_flag.context.id=22fbe5a20b5fe4a5"
    const metric = (tags: string) => `metric flipt_client_evaluations 1: environment=default namespace=default ${tags}`
    expect(output.trim().split("\n")).toEqual([
      metric("flag=new-checkout result=false reason=default"),
      metric("flag=no-such-flag result=flag_not_found reason=error"),
      metric("flag=theme result=light reason=targeting_match"),
      event("feature_flag.key=new-checkout feature_flag.result.value=false feature_flag.result.reason=default"),
      event("feature_flag.key=no-such-flag feature_flag.result.reason=error error.type=flag_not_found"),
      event("feature_flag.key=theme feature_flag.result.variant=light feature_flag.result.reason=targeting_match")
    ])
  })
)

it.live("workers evaluate the state that the main thread has loaded", () =>
  Effect.map(run("workers"), (output) => {
    expect(output.trim().split("\n")).toEqual(["the workers start: on,on", "the flag has changed: off,off"])
  })
)
