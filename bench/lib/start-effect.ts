/** Imports what every program with Effect's HTTP client imports, and sends the cost to its parent. */
import process from "node:process"

const wall = performance.now()
const own = process.cpuUsage()
await Promise.all([import("effect/Effect"), import("effect/Layer"), import("@effect/platform/HttpClient")])
const { system, user } = process.cpuUsage(own)
process.send!({ wall: performance.now() - wall, own: (user + system) / 1e3 }, () => process.exit(0))
