/** What a program that uses Effect and its HTTP client imports anyway; tells its parent what that took. */
import process from "node:process"

const wall = performance.now()
const own = process.cpuUsage()
await Promise.all([import("effect/Effect"), import("effect/Layer"), import("@effect/platform/HttpClient")])
const { system, user } = process.cpuUsage(own)
process.send!({ wall: performance.now() - wall, own: (user + system) / 1e3 }, () => process.exit(0))
