// Loads a large document with each engine in the arguments, by polling and streaming, and prints how many times its size
// is still in memory as bytes while the client and its connections are open. Polls keep the connections open. Run with
// --expose-gc.
import { createServer } from "node:http"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as FliptClient from "flipt-client-effect/FliptClient"

const flags = Array.from({ length: 20_000 }, (_, index) => ({
  key: `flag-${index}`,
  name: "x".repeat(200),
  enabled: true,
  type: "BOOLEAN_FLAG_TYPE"
}))
const body = Buffer.from(JSON.stringify({ namespace: { key: "default" }, flags }))
const frame = Buffer.concat([Buffer.from('{"result":'), body, Buffer.from("}\n")])

const sockets = new Set()
const server = createServer((request, response) => {
  response.writeHead(200, { "content-type": "application/json", etag: "one" })
  if (request.url.includes("/stream")) {
    response.write(frame)
  } else {
    response.end(body)
  }
})
server.on("connection", (socket) => {
  sockets.add(socket)
  socket.once("close", () => sockets.delete(socket))
})
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
const url = `http://127.0.0.1:${server.address().port}`

const bytes = async () => {
  for (let turn = 0; turn < 10; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    globalThis.gc()
  }
  return process.memoryUsage().arrayBuffers
}

const kept = {}
for (const engine of process.argv.slice(2)) {
  process.env.FLIPT_ENGINE = engine
  for (const fetchMode of ["polling", "streaming"]) {
    const before = await bytes()
    const scope = Effect.runSync(Scope.make())
    const client = await Effect.runPromise(
      Scope.extend(FliptClient.make({ url, fetchMode, updateInterval: "1 second" }), scope)
    )
    while (fetchMode === "streaming" && !(await Effect.runPromise(client.status)).connected) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    // a load that is still running has the document
    let after = await bytes()
    for (let attempt = 0; attempt < 100 && after - before > body.length / 2; attempt++) {
      after = await bytes()
    }
    if (sockets.size === 0) {
      throw new Error("no connection is open")
    }
    kept[`${fetchMode}, ${engine}`] = (after - before) / body.length
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
console.log(JSON.stringify(kept))
server.closeAllConnections()
server.close()
