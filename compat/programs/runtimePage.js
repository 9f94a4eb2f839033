// Runs the scenario in the page's query, in a browser.
import { scenario } from "./scenario.js"

const report = (result) => fetch("/report", { method: "POST", body: JSON.stringify(result) })

scenario(JSON.parse(new URLSearchParams(location.search).get("scenario"))).then(report, (error) =>
  report([String(error)])
)
