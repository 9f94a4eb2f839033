/**
 * Checks the way to a server layer by layer: its name, a connection, and its certificates.
 */
import * as Dns from "node:dns/promises"
import * as Net from "node:net"
import * as NodeTls from "node:tls"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ConnectionOptions } from "flipt-client-effect/Tls"
import * as Text from "../text.js"
import { type Check, ok, problem, skipped, warning } from "./check.js"

/** Long enough for any network, and short enough to wait for. */
export const TIMEOUT = Duration.seconds(5)

const DAY = 86_400_000
const RENEWAL_DAYS = 21

const codeOf = (error: unknown): string => String((error as { readonly code?: unknown } | null)?.code ?? error)

export interface Address {
  readonly host: string
  readonly port: number
}

export const addressOf = (url: URL): Address => ({
  host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
  port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port)
})

export const checkName = ({ host }: Address): Effect.Effect<Check> =>
  Net.isIP(host) > 0
    ? Effect.succeed(skipped("DNS", `${Text.plain(host)} is an address`))
    : Effect.tryPromise(() => Dns.lookup(host, { all: true })).pipe(
        Effect.timeoutFail({ duration: TIMEOUT, onTimeout: () => ({ error: "ETIMEDOUT" }) }),
        Effect.match({
          onSuccess: (addresses) =>
            ok("DNS", `${Text.plain(host)} is ${addresses.map(({ address }) => Text.plain(address)).join(", ")}`),
          onFailure: (failure) =>
            problem(
              "DNS",
              `${Text.plain(host)} has no address (${Text.plain(codeOf(failure.error), 60)})`,
              "check the host name in FLIPT_URL or --url, and the network's name servers"
            )
        })
      )

const advices: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens on this port: start the server, or correct the port",
  ETIMEDOUT: "a firewall may drop the packets: check the port, network policies and the VPN",
  EHOSTUNREACH: "there is no route to the host: check the network and the VPN",
  ENETUNREACH: "there is no route to the host: check the network and the VPN"
}

const opened = (connect: () => Net.Socket, event: string) =>
  Effect.async<Net.Socket, unknown>((resume) => {
    const socket = connect()
    socket.once(event, () => resume(Effect.succeed(socket)))
    socket.on("error", (error) => resume(Effect.fail(error)))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutFail({ duration: TIMEOUT, onTimeout: () => ({ code: "ETIMEDOUT" }) }))

export const checkConnection = (address: Address): Effect.Effect<Check> =>
  Effect.gen(function* () {
    const target = `${Text.plain(address.host)} port ${address.port}`
    const start = yield* Clock.currentTimeMillis
    return yield* Effect.acquireUseRelease(
      opened(() => Net.connect(address), "connect"),
      () => Effect.map(Clock.currentTimeMillis, (end) => ok("TCP", `${target} answers in ${end - start} ms`)),
      (socket) => Effect.sync(() => socket.destroy())
    ).pipe(
      Effect.catchAll((error) => {
        const code = codeOf(error)
        return Effect.succeed(
          problem(
            "TCP",
            `${target} cannot be reached (${Text.plain(code, 60)})`,
            advices[code] ?? "check host and port"
          )
        )
      })
    )
  })

const reveal = (value: string | Redacted.Redacted | undefined): string | undefined =>
  Redacted.isRedacted(value) ? Redacted.value(value as Redacted.Redacted) : value

const trustAdvice = "name the authority that signed it with --ca-cert-file or FLIPT_CA_CERT_FILE"

const certificateAdvices: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "renew the server's certificate, and check this machine's clock",
  CERT_NOT_YET_VALID: "check this machine's clock",
  DEPTH_ZERO_SELF_SIGNED_CERT: trustAdvice,
  SELF_SIGNED_CERT_IN_CHAIN: trustAdvice,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: trustAdvice,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `the server may not send its intermediate certificates; or ${trustAdvice}`,
  ERR_TLS_CERT_ALTNAME_INVALID: "use the name in the certificate in the URL, or set FLIPT_TLS_SERVER_NAME to it"
}

/** The subjects from the server's certificate up to its authority. A self-signed certificate is its own issuer. */
const chainOf = (certificate: NodeTls.DetailedPeerCertificate): ReadonlyArray<string> => {
  const names: Array<string> = []
  const seen = new Set<string>()
  for (
    let it: NodeTls.DetailedPeerCertificate | undefined = certificate;
    it !== undefined && !seen.has(it.fingerprint256) && names.length < 10;
    it = it.issuerCertificate
  ) {
    seen.add(it.fingerprint256)
    const { CN, O } = (it.subject ?? {}) as { readonly CN?: unknown; readonly O?: unknown }
    names.push(Text.plain(String(CN ?? O ?? "?"), 60))
  }
  return names
}

const judge = (socket: NodeTls.TLSSocket, now: number, isVerified: boolean): Check => {
  const certificate = socket.getPeerCertificate(true)
  const days = Math.floor((Date.parse(certificate.valid_to) - now) / DAY)
  const about = `${socket.getProtocol()}, ${chainOf(certificate).join(" < ")}, valid for ${Text.plural(days, "more day")}`
  const error = socket.authorizationError as unknown
  if (error !== undefined && error !== null && error !== "") {
    const code = error instanceof Error ? codeOf(error) : String(error)
    const text = `${about}: the certificate is not accepted (${Text.plain(code, 100)})`
    return isVerified
      ? problem("TLS", text, certificateAdvices[code] ?? trustAdvice)
      : warning("TLS", `${text}, which the configuration ignores`, "do not skip the verification outside of tests")
  }
  return days < RENEWAL_DAYS ? warning("TLS", about, "renew the server's certificate") : ok("TLS", about)
}

/** Opens a connection like the client, but accepts every certificate, to report what is wrong with it. */
export const checkTls = (address: Address, options: ConnectionOptions): Effect.Effect<Check> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const { ca, cert, checkServerIdentity, key, minVersion, passphrase, rejectUnauthorized, servername } = options
    const name = servername ?? (Net.isIP(address.host) > 0 ? undefined : address.host)
    const settings: NodeTls.ConnectionOptions = {
      ...address,
      rejectUnauthorized: false,
      ...(ca === undefined ? {} : { ca: [...ca] }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key: reveal(key) }),
      ...(passphrase === undefined ? {} : { passphrase: reveal(passphrase) }),
      ...(minVersion === undefined ? {} : { minVersion }),
      ...(checkServerIdentity === undefined ? {} : { checkServerIdentity }),
      ...(name === undefined ? {} : { servername: name })
    }
    return yield* Effect.acquireUseRelease(
      opened(() => NodeTls.connect(settings), "secureConnect"),
      (socket) => Effect.sync(() => judge(socket as NodeTls.TLSSocket, now, rejectUnauthorized !== false)),
      (socket) => Effect.sync(() => socket.destroy())
    ).pipe(
      Effect.catchAll((error) =>
        Effect.succeed(
          problem(
            "TLS",
            `no TLS connection (${Text.plain(codeOf(error), 100)})`,
            "check that the port speaks https, and whether the server asks for a client certificate (FLIPT_CLIENT_CERT_FILE, FLIPT_CLIENT_KEY_FILE)"
          )
        )
      )
    )
  })
