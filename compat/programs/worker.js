// A worker of workerd: runs the scenario that a request has in its body.
import { scenario } from "./scenario.js"

export default {
  async fetch(request) {
    return Response.json(await scenario(await request.json()))
  }
}
