/**
 * Connections over TLS: one layer for each configuration.
 *
 * Run it with FLIPT_URL set to a server whose certificate is for `localhost`, CERTIFICATES to a folder with `ca.crt`,
 * `client.crt` and `client.key`, and HTTPS_PROXY to a proxy, if there is one.
 */
import { readFileSync } from "node:fs"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Auth from "flipt-client-effect/Auth"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import * as Tls from "flipt-client-effect/Tls"

const url = process.env.FLIPT_URL ?? "https://localhost:8443"
const folder = process.env.CERTIFICATES ?? "/etc/flipt"
const proxy = process.env.HTTPS_PROXY

/** A private certificate authority in addition to those that Node trusts. `onlyCustomCa` would exclude those. */
const customAuthority = FliptClient.layer({ url, tlsConfig: { caCertFile: `${folder}/ca.crt` } })

/** Both sides present a certificate. When the platform renews the files, new connections use the new certificates. */
const mutualTls = FliptClient.layer({
  url,
  tlsConfig: {
    caCertFile: `${folder}/ca.crt`,
    clientCertFile: `${folder}/client.crt`,
    clientKeyFile: `${folder}/client.key`
  }
})

/** Uses data instead of files, for example from a secret store. */
const fromData = Layer.unwrapEffect(
  Effect.sync(() =>
    FliptClient.layer({
      url,
      tlsConfig: {
        caCertData: readFileSync(`${folder}/ca.crt`, "utf8"),
        clientCertData: readFileSync(`${folder}/client.crt`, "utf8"),
        clientKeyData: Redacted.make(readFileSync(`${folder}/client.key`, "utf8"))
      }
    })
  )
)

/** Accepts a certificate for another host name. A trusted authority must still have signed it. */
const otherHost = FliptClient.layer({
  url: url.replace("localhost", "127.0.0.1"),
  tlsConfig: { caCertFile: `${folder}/ca.crt`, insecureSkipHostnameVerify: true }
})

/** The safer way: expects a certificate for this host name. */
const serverName = FliptClient.layer({
  url: url.replace("localhost", "127.0.0.1"),
  tlsConfig: { caCertFile: `${folder}/ca.crt`, serverName: "localhost" }
})

/** For development only: accepts any certificate, and logs a warning. */
const unverified = FliptClient.layer({ url, tlsConfig: { insecureSkipVerify: true } })

/** Uses a proxy, HTTP/2 and TLS 1.3. Without the option `proxy`, HTTPS_PROXY and NO_PROXY apply. */
const throughProxy = FliptClient.layer({
  url,
  tlsConfig: { caCertFile: `${folder}/ca.crt`, proxy, http2: true, minVersion: "TLSv1.3" }
})

/** Builds the client from parts, with one of the layers above. */
const fromParts = FliptClient.layerWithoutDependencies().pipe(
  Layer.provide([
    Engine.layer,
    Fetcher.layerPolling({ url }).pipe(
      Layer.provide([
        Auth.layerNone,
        Tls.layerHttpClient.pipe(Layer.provide(Tls.layer({ caCertFile: `${folder}/ca.crt` })))
      ])
    )
  ])
)

const clients = {
  customAuthority,
  mutualTls,
  fromData,
  otherHost,
  serverName,
  unverified,
  throughProxy,
  fromParts
}

const program = Effect.forEach(Object.entries(clients), ([name, layer]) =>
  Effect.gen(function* () {
    const client = yield* FliptClient.FliptClient
    const flags = yield* client.listFlags
    yield* Console.log(`${name}: ${flags.length} flags`)
  }).pipe(Effect.provide(layer))
)

await Effect.runPromise(program)
