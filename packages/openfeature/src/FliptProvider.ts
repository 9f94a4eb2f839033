/**
 * The provider: OpenFeature's interface to a Flipt client that keeps the flag state in memory.
 *
 * @since 0.1.0
 */
import {
  type EvaluationContext,
  type JsonValue,
  type Logger,
  NOOP_PROVIDER,
  OpenFeature,
  OpenFeatureEventEmitter,
  type Provider,
  type ResolutionDetails
} from "@openfeature/server-sdk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FliptClient from "flipt-client-effect/FliptClient"
import type * as Tls from "flipt-client-effect/Tls"
import * as Connection from "./internal/connection.js"
import * as options from "./internal/options.js"
import * as resolve from "./internal/resolve.js"

/**
 * A duration: a number of milliseconds, or a string such as `"30 seconds"` or `"5 minutes"`.
 *
 * @since 0.1.0
 * @category models
 */
export type DurationInput = Extract<Duration.DurationInput, number | string>

/**
 * The credential that the client sends to Flipt.
 *
 * @since 0.1.0
 * @category models
 */
export type AuthenticationOptions = { readonly clientToken: string } | { readonly jwtToken: string }

/**
 * The client's TLS options, with the private key and its passphrase as strings.
 *
 * @since 0.1.0
 * @category models
 */
export interface TlsOptions extends Omit<Tls.Options, "clientKeyData" | "keyPassphrase" | "reloadInterval"> {
  /** The private key of the client certificate, as PEM text. */
  readonly clientKeyData?: string | undefined
  /** The passphrase of the private key. Default: the key is not encrypted. */
  readonly keyPassphrase?: string | undefined
  /** How long to use certificate files before reading them again. Default: one minute. */
  readonly reloadInterval?: DurationInput | undefined
}

/**
 * Options for a provider that uses an existing client.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientOptions {
  /**
   * What to do with objects and lists in an evaluation context. Flipt compares strings, numbers, booleans and dates.
   *
   * - `"reject"` (default): the evaluation fails with `INVALID_CONTEXT`, and the message names the property.
   * - `"flatten"`: `{ user: { plan: "pro" }, roles: ["admin"] }` becomes `user.plan` and `roles.0`. A property that is
   *   already called `user.plan` takes precedence. A context may contain up to 1,000 nested values.
   */
  readonly nestedContext?: "reject" | "flatten" | undefined
  /** The client's environment, for the flag metadata. Default: the metadata has no environment. */
  readonly environment?: string | undefined
}

/**
 * Options for {@link FliptProvider.layer}.
 *
 * @since 0.1.0
 * @category models
 */
export interface LayerOptions extends ClientOptions {
  /** The OpenFeature domain to register the provider for. Default: it becomes the default provider. */
  readonly domain?: string | undefined
}

/**
 * The client's options as plain values, and those of the provider.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options
  extends Omit<
      FliptClient.Options,
      "authentication" | "errorStrategy" | "headers" | "requestTimeout" | "tlsConfig" | "updateInterval"
    >,
    Pick<ClientOptions, "nestedContext"> {
  /** Default: no credential is sent. */
  readonly authentication?: AuthenticationOptions | undefined
  /**
   * What to do if the flags cannot be updated.
   *
   * - `"fallback"` (default, unlike that of the client): evaluations continue with the last state and the reason `STALE`.
   *   A provider that starts without a state reports `ERROR`, and `READY` as soon as it has one.
   * - `"fail"`: initialization fails if the first fetch fails. If a later fetch fails, evaluations fail with `GENERAL`
   *   until a fetch succeeds.
   */
  readonly errorStrategy?: "fail" | "fallback" | undefined
  /** Additional headers of each request. */
  readonly headers?: { readonly [name: string]: string } | undefined
  /**
   * How long to wait for the response headers, and then for each next chunk of the body. `Infinity` disables the timeout.
   * Default: 30 seconds.
   */
  readonly requestTimeout?: DurationInput | undefined
  /** How often to poll, also while streaming. `Infinity` disables polling. Default: 120 seconds. */
  readonly updateInterval?: DurationInput | undefined
  /** Default: the platform's own settings. */
  readonly tlsConfig?: TlsOptions | undefined
  /** Receives the client's log. Default: OpenFeature's default logger, which prints warnings and errors. */
  readonly logger?: Logger | undefined
}

/**
 * An OpenFeature provider that evaluates Flipt's flags in process. It fetches the flags of a namespace, keeps them
 * current in the background by polling or streaming, and makes no request for an evaluation.
 *
 * `getBooleanValue` evaluates a boolean flag. The other three evaluate a variant flag: `getStringValue` returns the
 * variant's key, `getNumberValue` the key as a number, `getObjectValue` the variant's attachment. If no rule matches, the
 * flag's default variant counts. If there is none, or the flag is disabled, they return the caller's default.
 *
 * The context's `targetingKey` is required and is the entity's id. Constraints compare the other properties.
 *
 * @example
 * ```ts
 * import { FliptProvider } from "@flipt-client-effect/openfeature"
 * import { OpenFeature } from "@openfeature/server-sdk"
 *
 * await OpenFeature.setProviderAndWait(new FliptProvider({ url: "http://localhost:8080", fetchMode: "streaming" }))
 * const client = OpenFeature.getClient()
 * const enabled = await client.getBooleanValue("new-checkout", false, { targetingKey: "user-42", plan: "pro" })
 * await OpenFeature.close()
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export class FliptProvider implements Provider {
  /** @since 0.1.0 */
  readonly metadata = { name: "Flipt" } as const
  /** @since 0.1.0 */
  readonly runsOn = "server"
  /**
   * `PROVIDER_STALE` and `PROVIDER_ERROR` when an outage begins, `PROVIDER_READY` when it ends, and
   * `PROVIDER_CONFIGURATION_CHANGED` with the keys of the flags that were added, changed or removed.
   *
   * @since 0.1.0
   */
  readonly events = new OpenFeatureEventEmitter()
  #source: Connection.Source
  #connection: Connection.Connection | undefined = undefined

  /**
   * Makes a provider with its own client, which starts with `initialize` and ends with `onClose`. `initialize` checks the
   * options. If one is wrong, it fails with `PROVIDER_FATAL` and names the option.
   */
  constructor(plain: Options = {}) {
    this.#source = options.fromPlain(plain)
  }

  /**
   * Makes a provider that uses an existing client. `onClose` leaves the client open. Evaluations through OpenFeature run
   * OpenFeature's hooks, but not the hooks and telemetry of the client.
   *
   * @example
   * ```ts
   * import { FliptProvider } from "@flipt-client-effect/openfeature"
   * import { OpenFeature } from "@openfeature/server-sdk"
   * import * as Effect from "effect/Effect"
   * import * as FliptClient from "flipt-client-effect/FliptClient"
   *
   * const register = Effect.andThen(FliptClient.FliptClient, (client) =>
   *   Effect.promise(() => OpenFeature.setProviderAndWait(FliptProvider.fromClient(client)))
   * )
   * ```
   *
   * @since 0.1.0
   */
  static fromClient(client: FliptClient.Service, { environment, nestedContext }: ClientOptions = {}): FliptProvider {
    const provider = new FliptProvider()
    provider.#source = { client: Effect.succeed(client), environment, nestedContext: nestedContext ?? "reject" }
    return provider
  }

  /**
   * Registers a provider that uses the client from the context, until the layer's scope closes. Then OpenFeature's no-op
   * provider replaces it, unless another provider already has.
   *
   * @example
   * ```ts
   * import { FliptProvider } from "@flipt-client-effect/openfeature"
   * import * as Layer from "effect/Layer"
   * import * as FliptClient from "flipt-client-effect/FliptClient"
   *
   * const flags = FliptProvider.layer({ domain: "shop" }).pipe(
   *   Layer.provideMerge(FliptClient.layer({ url: "http://localhost:8080", namespace: "shop" }))
   * )
   * ```
   *
   * @since 0.1.0
   */
  static layer({ domain, ...rest }: LayerOptions = {}): Layer.Layer<never, never, FliptClient.FliptClient> {
    const set = (provider: Provider) =>
      domain === undefined ? OpenFeature.setProviderAndWait(provider) : OpenFeature.setProviderAndWait(domain, provider)
    const register = (provider: FliptProvider) =>
      Effect.tryPromise(() => set(provider)).pipe(
        Effect.catchAll(({ error }) => Effect.logWarning("Flipt: the OpenFeature provider is not ready yet", error))
      )
    const unregister = (provider: FliptProvider) =>
      Effect.promise(async () => {
        if (OpenFeature.getProvider(domain) === provider) {
          await set(NOOP_PROVIDER)
        }
        await provider.onClose()
      })
    return Layer.scopedDiscard(
      Effect.flatMap(FliptClient.FliptClient, (client) =>
        Effect.acquireRelease(
          Effect.tap(
            Effect.sync(() => FliptProvider.fromClient(client, rest)),
            register
          ),
          unregister
        )
      )
    )
  }

  /**
   * Starts the client and waits up to ten seconds for its first fetch. Rejects if there is no state to evaluate by then.
   * With the strategy `fallback`, the provider keeps trying and emits `PROVIDER_READY` when it succeeds. Does nothing if
   * the provider is open. Can be called again after `onClose`.
   *
   * @since 0.1.0
   */
  initialize(): Promise<void> {
    if (this.#connection?.isOpen() !== true) {
      this.#connection = Connection.open(this.#source, this.events)
    }
    return this.#connection.started
  }

  /**
   * Ends the client and everything that belongs to it: timers, streams, connections. Evaluations then fail with
   * `PROVIDER_NOT_READY`.
   *
   * @since 0.1.0
   */
  async onClose(): Promise<void> {
    await this.#connection?.close()
  }

  /** @since 0.1.0 */
  resolveBooleanEvaluation(
    flagKey: string,
    defaultValue: boolean,
    context: EvaluationContext
  ): Promise<ResolutionDetails<boolean>> {
    return Promise.resolve(resolve.boolean(this.#serving(), flagKey, defaultValue, context))
  }

  /** @since 0.1.0 */
  resolveStringEvaluation(
    flagKey: string,
    defaultValue: string,
    context: EvaluationContext
  ): Promise<ResolutionDetails<string>> {
    return Promise.resolve(resolve.string(this.#serving(), flagKey, defaultValue, context))
  }

  /** @since 0.1.0 */
  resolveNumberEvaluation(
    flagKey: string,
    defaultValue: number,
    context: EvaluationContext
  ): Promise<ResolutionDetails<number>> {
    return Promise.resolve(resolve.number(this.#serving(), flagKey, defaultValue, context))
  }

  /** @since 0.1.0 */
  resolveObjectEvaluation<T extends JsonValue>(
    flagKey: string,
    defaultValue: T,
    context: EvaluationContext
  ): Promise<ResolutionDetails<T>> {
    return Promise.resolve(resolve.object(this.#serving(), flagKey, defaultValue, context))
  }

  #serving(): resolve.Serving {
    return this.#connection?.serving() ?? Connection.notInitialized
  }
}
