/**
 * The version of this package, sent to the server as `User-Agent`.
 */
export const version = "0.1.0"
