/** The version of this package, which the build writes in. */
declare const __VERSION__: string

export const version: string = typeof __VERSION__ === "string" ? __VERSION__ : "0.0.0"
