/**
 * Which proxy a request goes through, as curl and most other programs have it.
 */

/** Said of an option or a variable; never with its value, which may have a password in it. */
export const proxyProblem = "must be the http or https URL of a proxy, such as http://proxy.example.com:3128"

const decodes = (text: string): boolean => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** A proxy's URL; without a scheme it is http. */
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
    decodes(url.username) &&
    decodes(url.password)
    ? url
    : undefined
}

/** The address without its brackets, if it is one of version 6. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, "")

export const portOf = (url: URL): number => Number(url.port || (url.protocol === "https:" ? 443 : 80))

/** Where a proxy is, without its user and password. */
export const placeOf = (proxy: URL): string => `${proxy.hostname}:${portOf(proxy)}`

type Variables = Readonly<Record<string, string | undefined>>

/** The lower-case form goes first; an empty one counts as unset. */
const variable = (variables: Variables, name: string): readonly [name: string, value: string] | undefined => {
  for (const form of [name.toLowerCase(), name]) {
    const value = variables[form]
    if (value !== undefined && value.trim() !== "") {
      return [form, value.trim()]
    }
  }
  return undefined
}

const schemes: Readonly<Record<string, string>> = { "https:": "HTTPS_PROXY", "http:": "HTTP_PROXY" }

/**
 * Whether an entry of NO_PROXY names a host: the host itself or a domain that it is in, with or without a dot or `*.`
 * in front; with a port, that one only.
 */
const names = (entry: string, host: string, port: number): boolean => {
  const [, name = entry, only] = /^(\[.+\]|[^:]+):(\d+)$/.exec(entry) ?? []
  const domain = name.replace(/^\*?\./, "").replace(/^\[|\]$/g, "")
  return (only === undefined || Number(only) === port) && (host === domain || host.endsWith(`.${domain}`))
}

/**
 * The proxy of the environment for a URL. Whether an address is in a network such as `10.0.0.0/8` is for the platform
 * to say. Throws where a variable holds no proxy's URL: going round a proxy is nothing to do silently.
 */
export const proxyFromVariables = (
  variables: Variables,
  url: URL,
  isInNetwork: (host: string, network: string) => boolean
): URL | undefined => {
  const found = variable(variables, schemes[url.protocol] ?? "HTTPS_PROXY")
  if (found === undefined) {
    return undefined
  }
  const host = hostOf(url)
  const entries = (variable(variables, "NO_PROXY")?.[1] ?? "").toLowerCase().split(/[,\s]+/)
  const isDirect = entries
    .filter((entry) => entry !== "")
    .some((entry) => entry === "*" || names(entry, host, portOf(url)) || isInNetwork(host, entry))
  if (isDirect) {
    return undefined
  }
  const proxy = parseProxy(found[1])
  if (proxy === undefined) {
    throw new Error(`the environment variable ${found[0]} ${proxyProblem}`)
  }
  return proxy
}
