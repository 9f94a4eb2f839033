/**
 * Writes the chart and the table of docs/benchmarks.md from the results of `npm run bench:evaluate`:
 * `npm run bench:page -- build/evaluate.json`.
 */
import { readFileSync, writeFileSync } from "node:fs"
import process from "node:process"
import { chart } from "./lib/chart.js"
import { tableText } from "./lib/measure.js"
import type { Evaluated } from "./lib/results.js"

const PAGE = "docs/benchmarks.md"
const CHART = "docs/benchmarks.svg"
const WORKLOADS = ["a", "b", "c", "d", "e"]

const [path] = process.argv.slice(2)
if (path === undefined) {
  throw new Error("The path of the results is missing. Run npm run -s bench:evaluate -- --json > build/evaluate.json")
}
const { clock, date, load, machine, nanos, node, ratios, versions }: Evaluated = JSON.parse(readFileSync(path, "utf8"))
const engines = Object.keys(ratios)
const peers = Object.keys(ratios.portable ?? {})

const rows = [
  ...engines.map((engine) => [
    `**${engine} engine**`,
    ...WORKLOADS.map((it) => `**${Math.round(nanos[`${engine} ${it}`]!)} ns**`)
  ]),
  ...peers.map((peer) => [
    peer,
    ...WORKLOADS.map((it) => {
      const times = engines.map((engine) => `${ratios[engine]![peer]![it]!.toFixed(1)}×`)
      return `${Math.round(nanos[`${peer} ${it}`]!)} ns (${times.join(", ")})`
    })
  ])
]
const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
const results = `${tableText(["", ...WORKLOADS], rows)}

Measured on ${date}: ${machine}, Node ${node.slice(1)}, load average ${load}, ${clock}. ${names.join(", ")}.`

const page = readFileSync(PAGE, "utf8")
const marked = /(<!-- results -->\n)[\s\S]*(\n<!-- end of results -->)/
if (!marked.test(page)) {
  throw new Error(`${PAGE} has no section for the results. Add the lines <!-- results --> and <!-- end of results -->`)
}
writeFileSync(
  PAGE,
  page.replace(marked, (_, begin: string, end: string) => `${begin}\n${results}\n${end}`)
)
writeFileSync(CHART, chart([...engines, ...peers], WORKLOADS.slice(0, 4), nanos))
console.log(`Wrote ${PAGE} and ${CHART}`)
