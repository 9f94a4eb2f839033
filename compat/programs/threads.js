// Runs the scenario in the first argument, as JSON, in a worker thread.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { scenario } from "./scenario.js"

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: JSON.parse(process.argv[2]) })
  worker.once("message", (result) => console.log(`RESULT ${JSON.stringify(result)}`))
} else {
  parentPort.postMessage(await scenario(workerData))
}
