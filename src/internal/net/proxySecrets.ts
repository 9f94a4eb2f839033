/**
 * The credentials of proxies, in the forms in which a proxy could repeat them.
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

/** The credentials of the configured proxy, or of all proxies in the environment. */
export const proxySecrets = (
  proxy: string | undefined,
  variables: Readonly<Record<string, string | undefined>>
): ReadonlyArray<string> =>
  (proxy === undefined ? variableNames.map((name) => variables[name]) : [proxy]).flatMap((value) =>
    value === undefined ? [] : secretsOf(value)
  )
