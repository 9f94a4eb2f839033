// Runs the scenario of the JSON in the first argument, and has to end by itself.
import { scenario } from "./scenario.js"

console.log(`RESULT ${JSON.stringify(await scenario(JSON.parse(process.argv[2])))}`)
