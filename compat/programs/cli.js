// Runs the scenario in the first argument, as JSON. The process must exit by itself.
import { scenario } from "./scenario.js"

console.log(`RESULT ${JSON.stringify(await scenario(JSON.parse(process.argv[2])))}`)
