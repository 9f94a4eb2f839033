// Runs the scenario in the first argument, as JSON, in a worker process of a cluster.
import cluster from "node:cluster"
import { scenario } from "./scenario.js"

if (cluster.isPrimary) {
  const worker = cluster.fork()
  worker.once("message", (result) => {
    console.log(`RESULT ${JSON.stringify(result)}`)
    worker.disconnect()
  })
} else {
  process.send(await scenario(JSON.parse(process.argv[2])))
}
