// A worker for workerd that runs the scenario in a request's body.
import { scenario } from "./scenario.js"

export default {
  async fetch(request) {
    return Response.json(await scenario(await request.json()))
  }
}
