/**
 * The version of this package, sent to the server as `User-Agent`.
 */
export const version = "0.1.0"

/** The version of the packages with the native library. Editions for other versions of Effect share these packages. */
export const nativeVersion = "0.1.0"
