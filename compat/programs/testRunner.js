// A user's test, for every test runner with these globals.
import { scenario } from "./scenario.js"

test("the client works", async () => {
  console.log(`RESULT ${JSON.stringify(await scenario(JSON.parse(process.env.SCENARIO)))}`)
}, 200_000)
