/**
 * The loops that are timed, through OpenFeature's client and without it. Each subject gets its own copy of this module,
 * through a query in the import's URL. A loop returns how many answers were `true` or the first variant.
 */
import type { Client, EvaluationContext, Provider } from "@openfeature/server-sdk"

export const boolean = async (
  client: Client,
  key: string,
  contexts: ReadonlyArray<EvaluationContext>,
  from: number,
  count: number
): Promise<number> => {
  const mask = contexts.length - 1
  let seen = 0
  for (let i = from; i < from + count; i++) {
    if ((await client.getBooleanValue(key, false, contexts[i & mask])) === true) {
      seen++
    }
  }
  return seen
}

export const string = async (
  client: Client,
  key: string,
  contexts: ReadonlyArray<EvaluationContext>,
  from: number,
  count: number
): Promise<number> => {
  const mask = contexts.length - 1
  let seen = 0
  for (let i = from; i < from + count; i++) {
    if ((await client.getStringValue(key, "none", contexts[i & mask])) === "red") {
      seen++
    }
  }
  return seen
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export const providerBoolean = async (
  provider: Provider,
  key: string,
  contexts: ReadonlyArray<EvaluationContext>,
  from: number,
  count: number
): Promise<number> => {
  const mask = contexts.length - 1
  let seen = 0
  for (let i = from; i < from + count; i++) {
    if ((await provider.resolveBooleanEvaluation(key, false, contexts[i & mask]!, silent)).value === true) {
      seen++
    }
  }
  return seen
}

export const providerString = async (
  provider: Provider,
  key: string,
  contexts: ReadonlyArray<EvaluationContext>,
  from: number,
  count: number
): Promise<number> => {
  const mask = contexts.length - 1
  let seen = 0
  for (let i = from; i < from + count; i++) {
    if ((await provider.resolveStringEvaluation(key, "none", contexts[i & mask]!, silent)).value === "red") {
      seen++
    }
  }
  return seen
}
