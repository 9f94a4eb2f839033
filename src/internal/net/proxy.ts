/**
 * Selects the proxy for a URL from the environment, by the same rules as curl.
 */

/** Follows the name of the option or variable. Never shown with the value, which may contain a password. */
export const proxyProblem = "must be the http or https URL of a proxy, such as http://proxy.example.com:3128"

const isPercentEncoded = (text: string): boolean => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** Parses the URL of a proxy. The scheme defaults to http. */
export const parseProxy = (text: string): URL | undefined => {
  const full = text.includes("://") ? text : `http://${text}`
  if (text.trim() !== text || !URL.canParse(full)) {
    return undefined
  }
  const url = new URL(full)
  return (url.protocol === "http:" || url.protocol === "https:") &&
    url.hostname !== "" &&
    /^\/?$/.test(url.pathname) &&
    url.search === "" &&
    url.hash === "" &&
    isPercentEncoded(url.username) &&
    isPercentEncoded(url.password)
    ? url
    : undefined
}

/** The host name of a URL, without the brackets around an IPv6 address. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, "")

export const portOf = (url: URL): number => Number(url.port || (url.protocol === "https:" ? 443 : 80))

/** The host and port of a proxy, without user and password. */
export const authorityOf = (proxy: URL): string => `${proxy.hostname}:${portOf(proxy)}`

type Variables = Readonly<Record<string, string | undefined>>

/** Reads a variable. The lower-case name takes precedence, and an empty value counts as unset. */
const readVariable = (variables: Variables, name: string): readonly [name: string, value: string] | undefined => {
  for (const form of [name.toLowerCase(), name]) {
    const value = variables[form]
    if (value !== undefined && value.trim() !== "") {
      return [form, value.trim()]
    }
  }
  return undefined
}

const variableNames: Readonly<Record<string, string>> = { "https:": "HTTPS_PROXY", "http:": "HTTP_PROXY" }

/**
 * Whether an entry of `NO_PROXY` matches a host: the host itself or one of its parent domains, with or without a
 * leading `.` or `*.`. An entry with a port matches only that port.
 */
const matchesNoProxy = (entry: string, host: string, port: number): boolean => {
  const [, name = entry, only] = /^(\[.+\]|[^:]+):(\d+)$/.exec(entry) ?? []
  const domain = name.replace(/^\*?\./, "").replace(/^\[|\]$/g, "")
  return (only === undefined || Number(only) === port) && (host === domain || host.endsWith(`.${domain}`))
}

/**
 * The proxy that the environment selects for a URL. The platform decides whether an address belongs to a network such
 * as `10.0.0.0/8`. Throws if the variable is not the URL of a proxy: a request must not bypass a proxy silently.
 */
export const proxyFromEnvironment = (
  variables: Variables,
  url: URL,
  isInNetwork: (host: string, network: string) => boolean
): URL | undefined => {
  const found = readVariable(variables, variableNames[url.protocol] ?? "HTTPS_PROXY")
  if (found === undefined) {
    return undefined
  }
  const host = hostOf(url)
  const entries = (readVariable(variables, "NO_PROXY")?.[1] ?? "").toLowerCase().split(/[,\s]+/)
  const isDirect = entries
    .filter((entry) => entry !== "")
    .some((entry) => entry === "*" || matchesNoProxy(entry, host, portOf(url)) || isInNetwork(host, entry))
  if (isDirect) {
    return undefined
  }
  const proxy = parseProxy(found[1])
  if (proxy === undefined) {
    throw new Error(`the environment variable ${found[0]} ${proxyProblem}`)
  }
  return proxy
}
