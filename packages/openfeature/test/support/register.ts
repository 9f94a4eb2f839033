/**
 * Registers providers with OpenFeature for the duration of a test.
 */

import { FliptProvider, type Options } from "@flipt-client-effect/openfeature"
import { type Client, OpenFeature, type Provider } from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { engines } from "../../../../test/support/engines.js"

const silent = { debug: () => {}, error: () => {}, info: () => {}, warn: () => {} }

/** The names of the engines on this machine. */
export const engineNames = engines.map(([name]) => name)

/** Without Effect, a variable of the environment selects the engine, so tests of one file must not run concurrently. */
export const useEngine = (name: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const before = process.env.FLIPT_ENGINE
        process.env.FLIPT_ENGINE = name
        return before
      }),
      (before) =>
        Effect.sync(() => {
          if (before === undefined) {
            delete process.env.FLIPT_ENGINE
          } else {
            process.env.FLIPT_ENGINE = before
          }
        })
    )
  )

/** A provider with the portable or native engine that does not log. */
export const make = (options: Options): FliptProvider => new FliptProvider({ logger: silent, ...options })

/** Sets OpenFeature's provider without waiting for it. All providers close with the Scope. */
export const set = (provider: Provider): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      OpenFeature.setLogger(silent)
      OpenFeature.setProvider(provider)
      return OpenFeature.getClient()
    }),
    () =>
      Effect.promise(async () => {
        await OpenFeature.clearProviders()
        await provider.onClose?.()
      })
  )

/** The same, and waits until the provider is ready. */
export const ready = (provider: Provider): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      OpenFeature.setLogger(silent)
      await OpenFeature.setProviderAndWait(provider)
      return OpenFeature.getClient()
    }),
    () =>
      Effect.promise(async () => {
        await OpenFeature.clearProviders()
        await provider.onClose?.()
      })
  )
