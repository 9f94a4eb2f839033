// Runs the scenario of the JSON in the first argument in workerd, with the compatibility date in the second.
import { Miniflare } from "miniflare"

const workerd = new Miniflare({ modules: true, scriptPath: "dist/worker.mjs", compatibilityDate: process.argv[3] })
const response = await workerd.dispatchFetch("http://worker/", { method: "POST", body: process.argv[2] })
console.log(`RESULT ${await response.text()}`)
await workerd.dispose()
