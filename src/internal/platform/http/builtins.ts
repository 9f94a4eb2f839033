/**
 * Node's modules, each loaded at its first use. Importing them as ES modules takes twice as long. It would also need a
 * separate file, imported on demand, so that importing this package loads none of them.
 */
export const nodeHttp = () => process.getBuiltinModule("node:http")
export const nodeHttps = () => process.getBuiltinModule("node:https")
export const nodeNet = () => process.getBuiltinModule("node:net")
export const nodeStream = () => process.getBuiltinModule("node:stream")
export const nodeTls = () => process.getBuiltinModule("node:tls")
export const nodeZlib = () => process.getBuiltinModule("node:zlib")
