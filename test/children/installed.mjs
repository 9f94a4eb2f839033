// Prints the engine with which `Engine.layer` compiles a large document, and the log lines. Runs in a project that has the
// packages installed.
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Engine from "flipt-client-effect/Engine"

const lines = []
const logger = Logger.make(({ logLevel, message }) => {
  lines.push(`${(logLevel.label ?? logLevel).toUpperCase()} ${message}`)
})
const text = JSON.stringify({ namespace: { key: "default" }, flags: [], padding: "x".repeat(1024 * 1024) })
const document = [new TextEncoder().encode(text)]
const name = Effect.flatMap(Engine.Engine, (engine) => engine.compile("default", document)).pipe(
  Effect.map((snapshot) => snapshot.engine),
  Effect.scoped
)
const provided = name.pipe(Effect.provide(Engine.layer), Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
console.log(JSON.stringify({ engine: await Effect.runPromise(provided), lines }))
