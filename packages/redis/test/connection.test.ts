/**
 * Ways to connect: ACL users with the permissions that docs/fleet.md lists, TLS, and a Cluster.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fetcher from "flipt-client-effect/Fetcher"
import { authority, loopback } from "../../../test/support/certificates.js"
import { onDocument } from "../../../test/support/documents.js"
import * as FliptServer from "../../../test/support/FliptServer.js"
import * as Folder from "../../../test/support/Folder.js"
import { captured } from "../../../test/support/logs.js"
import { untilOf } from "../../../test/support/wait.js"
import { Connection, RedisFetcher, RedisSnapshotStore, Relay } from "../src/index.js"
import { awaitOn, awaitStatus, candidate, isOn, reader } from "./support/fleet.js"
import * as RedisServer from "./support/RedisServer.js"

const { missing } = RedisServer

const guide = Fs.readFileSync(fileURLToPath(new URL("../../../docs/fleet.md", import.meta.url)), "utf8")

/** The rules of the ACL user in docs/fleet.md. */
const rulesOf = (user: string) => new RegExp(`^ACL SETUSER ${user} (.*)$`, "m").exec(guide)![1]!.split(" ")

const serve = FliptServer.make({ documents: { default: onDocument(false) } })

describe.skipIf(missing !== undefined)(`a connection${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  it.scopedLive("needs only the permissions that docs/fleet.md lists", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const [redis, flipt] = yield* Effect.all([RedisServer.make(), serve])
        for (const user of ["flags", "flags-reader"]) {
          yield* Effect.promise(() => redis.client.call("ACL", ["SETUSER", user, ...rulesOf(user)]))
        }
        const as = (user: string, password: string) => ({
          url: Redacted.make(`redis://${user}:${password}@127.0.0.1:${redis.port}`)
        })
        const leader = yield* candidate({ redis: as("flags", "secret"), flipt: { url: flipt.url } })
        const other = yield* reader(as("flags-reader", "secret"))
        yield* awaitStatus(other, "Ready")
        yield* flipt.awaitStreams(1)
        yield* flipt.setDocument(onDocument(true))
        yield* awaitOn(other, true)
        yield* untilOf(other.client.status, ({ connected }) => connected)
        yield* leader.close
        const log = yield* Effect.promise(() => redis.client.call("ACL", ["LOG"]))
        // ioredis names its connections, but works without permission to do so
        const denied = JSON.stringify(log).match(/"object","[^"]*"/g) ?? []
        expect(denied.filter((object) => !object.includes("client|setinfo"))).toEqual([])
        expect(lines.filter(({ level }) => level === "WARN" || level === "ERROR")).toEqual([])
      })
    )
  )

  it.scopedLive("works over TLS", () =>
    Effect.gen(function* () {
      const ca = yield* authority()
      const { cert, key } = yield* ca.issue({ hosts: loopback })
      const folder = yield* Folder.make
      const write = (name: string, text: string) => {
        Fs.writeFileSync(Path.join(folder, name), text)
        return Path.join(folder, name)
      }
      const tlsPort = yield* RedisServer.freePort
      yield* RedisServer.make({
        args: [
          ...["--tls-port", String(tlsPort), "--tls-auth-clients", "no"],
          ...["--tls-cert-file", write("cert.pem", cert), "--tls-key-file", write("key.pem", key)],
          ...["--tls-ca-cert-file", write("ca.pem", ca.cert)]
        ]
      })
      const flipt = yield* serve
      const url = `rediss://127.0.0.1:${tlsPort}`
      const member = yield* candidate({ redis: { url, redis: { tls: { ca: ca.cert } } }, flipt: { url: flipt.url } })
      expect(yield* isOn(member)).toBe(false)
      yield* awaitOn(yield* reader({ url, redis: { tls: { ca: ca.cert } } }), false)
      const untrusting = yield* reader({ url, requestTimeout: "1 second" })
      const status = yield* untrusting.client.status
      expect(status._tag === "Failed" && status.error.message).toContain("certificate")
    })
  )

  it.scopedLive("works with a Cluster", () =>
    Effect.gen(function* () {
      // the default is the other port plus 10,000, which may not be a valid port
      const busPort = yield* RedisServer.freePort
      const args = ["--cluster-enabled", "yes", "--cluster-port", String(busPort), "--cluster-announce-ip", "127.0.0.1"]
      const [redis, flipt] = yield* Effect.all([RedisServer.make({ args }), serve])
      yield* Effect.promise(() => redis.client.call("CLUSTER", ["ADDSLOTSRANGE", "0", "16383"]))
      yield* untilOf(
        Effect.promise(() => redis.client.cluster("INFO")),
        (info) => String(info).includes("cluster_state:ok")
      )
      const cluster = Connection.layerCluster({
        nodes: [{ host: "127.0.0.1", port: redis.port }],
        requestTimeout: "2 seconds"
      })
      const leader = yield* candidate({ redis: {}, connection: cluster, flipt: { url: flipt.url } })
      yield* flipt.awaitStreams(1)
      const fetcher = Context.get(yield* Layer.build(Layer.provide(RedisFetcher.layer(), cluster)), Fetcher.Fetcher)
      const text = Effect.map(fetcher.fetch(Option.none()), (update) =>
        update._tag === "Document" ? Buffer.concat(update.bytes).toString() : ""
      )
      yield* untilOf(text, (found) => found.includes('"enabled":false'))
      yield* flipt.setDocument(onDocument(true))
      yield* untilOf(text, (found) => found.includes('"enabled":true'))
      expect(yield* isOn(leader)).toBe(true)
      yield* leader.close
    })
  )
})

describe("an invalid option fails the layer", () => {
  const connection = Connection.layer({ url: "redis://127.0.0.1:1" })
  const origin = Fetcher.layerStatic()
  it.live.each<readonly [string, Layer.Layer<never, unknown>, string]>([
    ["a URL with another protocol", Layer.discard(Connection.layer({ url: "http://s3cret@redis" })), "url"],
    ["a prefix with braces", Layer.discard(Connection.layer({ prefix: "a{b}" })), "prefix"],
    ["an ambiguous timeout", Layer.discard(Connection.layer({ requestTimeout: 5 })), "requestTimeout"],
    ["no nodes", Layer.discard(Connection.layerCluster({ nodes: [] })), "nodes"],
    [
      "an endless lease",
      Layer.discard(Relay.layer({ leaseDuration: Infinity })).pipe(Layer.provide([connection, origin])),
      "leaseDuration"
    ],
    [
      "a misspelled option",
      Layer.discard(Relay.layer({ lease: 1 } as Relay.Options)).pipe(Layer.provide([connection, origin])),
      "lease"
    ],
    [
      "an empty namespace",
      Layer.discard(RedisFetcher.layer({ namespace: "" })).pipe(Layer.provide(connection)),
      "namespace"
    ],
    [
      "a size of zero",
      Layer.discard(RedisSnapshotStore.layer({ maxBodySize: 0 })).pipe(Layer.provide(connection)),
      "maxBodySize"
    ]
  ])("%s", ([, layer, path]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      expect(error).toMatchObject({ _tag: "ValidationError", reason: "Option", path })
      expect(String((error as Error).message)).not.toContain("s3cret")
    })
  )
})
