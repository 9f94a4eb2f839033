/**
 * Node's modules, each loaded at its first use. An import of them as ES modules takes twice as long, and the file that has
 * it must then be loaded separately, so that nothing is loaded at import.
 */
export const nodeHttp = () => process.getBuiltinModule("node:http")
export const nodeHttps = () => process.getBuiltinModule("node:https")
export const nodeNet = () => process.getBuiltinModule("node:net")
export const nodeStream = () => process.getBuiltinModule("node:stream")
export const nodeTls = () => process.getBuiltinModule("node:tls")
export const nodeZlib = () => process.getBuiltinModule("node:zlib")
