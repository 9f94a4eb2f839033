/** The version of this package, which the build inserts. */
declare const __VERSION__: string

export const version: string = typeof __VERSION__ === "string" ? __VERSION__ : "0.0.0"
