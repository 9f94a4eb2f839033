// Runs the scenario in the first argument, as JSON, in workerd with the compatibility date in the second argument.
import { Miniflare } from "miniflare"

const workerd = new Miniflare({ modules: true, scriptPath: "dist/worker.mjs", compatibilityDate: process.argv[3] })
const response = await workerd.dispatchFetch("http://worker/", { method: "POST", body: process.argv[2] })
console.log(`RESULT ${await response.text()}`)
await workerd.dispose()
