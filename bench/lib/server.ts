/**
 * A Flipt server with one document, which has a new ETag in each response, so that clients load it again. Runs as a child
 * process and sends its URL over the IPC channel.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import process from "node:process"
import { documentOf, flagsOf } from "./workloads.js"

const document = documentOf(flagsOf(Number(process.argv[2])))
const at = "2026-01-01T00:00:00.000000Z"
const body = Buffer.from(
  JSON.stringify({
    ...document,
    flags: document.flags.map((flag) => ({ ...flag, createdAt: at, updatedAt: at }))
  })
)

let responses = 0
const server = createServer((_, response) => {
  responses++
  response.writeHead(200, {
    "Content-Type": "application/json",
    Etag: `version-${responses}`,
    "Content-Length": body.length
  })
  response.end(body)
})
server.listen(0, "127.0.0.1", () =>
  process.send!({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bytes: body.length })
)
process.on("disconnect", () => process.exit(0))
