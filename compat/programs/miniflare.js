// Runs the scenario of the JSON in the first argument in workerd.
import { Miniflare } from "miniflare"

const workerd = new Miniflare({ modules: true, scriptPath: "dist/worker.mjs", compatibilityDate: "2026-01-01" })
const response = await workerd.dispatchFetch("http://worker/", { method: "POST", body: process.argv[2] })
console.log(`RESULT ${await response.text()}`)
await workerd.dispose()
