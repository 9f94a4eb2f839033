/**
 * The names of keys and channels in Redis. All names of a namespace have the same hash tag, the part in braces, so that a
 * Cluster keeps them in one slot.
 */
import type { Target } from "flipt-client-effect/SnapshotStore"

export interface Keys {
  /** A string: the owner of the lease. It expires with the lease. */
  readonly lease: string
  /** A string: the latest fencing token. */
  readonly token: string
  /** A hash: everything about the published state except its document. */
  readonly state: string
  /** A string: the document with this digest. */
  readonly body: (digest: string) => string
  readonly channel: string
}

/** Braces and slashes are escaped, so that no two targets have the same tag. */
const escape = (text: string): string => encodeURIComponent(text.toWellFormed())

export const make = (prefix: string, { environment, namespace }: Target): Keys => {
  const base = `${prefix}:{${escape(environment)}/${escape(namespace)}}`
  return {
    lease: `${base}:lease`,
    token: `${base}:token`,
    state: `${base}:state`,
    body: (digest) => `${base}:body:${digest}`,
    channel: `${base}:changes`
  }
}
