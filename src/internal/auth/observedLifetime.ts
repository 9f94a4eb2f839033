/**
 * Learns how long the server accepts a credential. A credential may not say when it expires, and if it does, the clock of
 * its issuer may differ from the clock of this machine.
 */

/** How long an observation is valid: the server may also have refused for another reason, such as a new signing key. */
const OBSERVATION_MILLIS = 24 * 60 * 60 * 1000

export interface ObservedLifetime {
  /** Reports the credential that is in use from now on. */
  readonly acquired: (token: string | undefined, now: number) => void
  /** Reports that the server accepted the credential in use. */
  readonly accepted: (now: number) => void
  /**
   * Reports that the server refused the credential in use. If it accepted that credential before, its age at the last
   * acceptance becomes the limit for the credentials that follow.
   */
  readonly refused: (now: number) => void
  /** Whether the credential in use is older than any that the server is known to accept. */
  readonly isExceeded: (now: number) => boolean
}

/** Credentials younger than `minAge`, in milliseconds, never count as too old. */
export const make = (minAge: number): ObservedLifetime => {
  let token: string | undefined
  let acquiredAt = 0
  let acceptedAge: number | undefined
  let limit = Number.POSITIVE_INFINITY
  let observedAt = 0
  return {
    acquired: (next, now) => {
      // An issuer can return the same token until it expires. Its age counts from the first time.
      if (next !== token) {
        token = next
        acquiredAt = now
        acceptedAge = undefined
      }
    },
    accepted: (now) => {
      acceptedAge = now - acquiredAt
    },
    refused: (now) => {
      if (acceptedAge !== undefined && acceptedAge >= 0) {
        limit = acceptedAge
        observedAt = now
        acceptedAge = undefined
      }
    },
    isExceeded: (now) => {
      if (now - observedAt >= OBSERVATION_MILLIS || now < observedAt) {
        limit = Number.POSITIVE_INFINITY
      }
      return now - acquiredAt > Math.max(limit, minAge)
    }
  }
}
