// A test of a user, for each test runner that has these globals.
import { scenario } from "./scenario.js"

test("the client works", async () => {
  console.log(`RESULT ${JSON.stringify(await scenario(JSON.parse(process.env.SCENARIO)))}`)
}, 200_000)
