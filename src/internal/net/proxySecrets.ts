/**
 * What a proxy could repeat of its credentials.
 */
import * as Encoding from "effect/Encoding"
import { parseProxy } from "./proxy.js"

const variableNames = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"]

const secretsOf = (proxy: string): ReadonlyArray<string> => {
  const url = parseProxy(proxy.trim())
  if (url === undefined || (url.username === "" && url.password === "")) {
    return []
  }
  const user = decodeURIComponent(url.username)
  const password = decodeURIComponent(url.password)
  return [user, password, `${user}:${password}`, Encoding.encodeBase64(`${user}:${password}`)]
}

/** The credentials of the proxy of the options, or of every proxy of the environment. */
export const proxySecrets = (
  proxy: string | undefined,
  variables: Readonly<Record<string, string | undefined>>
): ReadonlyArray<string> =>
  (proxy === undefined ? variableNames.map((name) => variables[name]) : [proxy]).flatMap((value) =>
    value === undefined ? [] : secretsOf(value)
  )
