/**
 * Compares the editions for Effect 3 and 4: `npm run bench:effect4 -- [--rounds 41]`. Needs `npm run build` and
 * `npm run test:effect4`, which build them.
 *
 * Each edition runs in its own process, on the Node version that the edition for Effect 4 is tested with. The processes take
 * turns in short slices, and ratios compare slices of the same round.
 */
import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import process from "node:process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../", import.meta.url))
const installed = `${root}build/effect4/node_modules/node/bin/node`
const node = existsSync(installed) ? installed : process.execPath
const at = process.argv.indexOf("--rounds")
const rounds = at === -1 ? 41 : Number(process.argv[at + 1])

const script = readFileSync(new URL("benchChild.mjs", import.meta.url), "utf8")

const start = (cwd) => {
  const child = spawn(node, ["--expose-gc", "--input-type=module", "--eval", script], {
    cwd,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: { ...process.env, NODE_ENV: "production" }
  })
  const answers = []
  child.on("message", (message) => answers.shift()?.(message))
  child.on("exit", (code) => {
    if (code !== 0) {
      process.exit(1)
    }
  })
  return {
    child,
    ask: (message) =>
      new Promise((resolve) => {
        answers.push(resolve)
        child.send(message)
      })
  }
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

const editions = [start(root), start(`${root}build/effect4`)]
const [{ node: version, tasks }] = await Promise.all(editions.map(({ ask }) => ask("describe")))
const rows = []
for (const task of tasks) {
  for (const { ask } of editions) {
    await ask({ warm: task })
  }
  const pairs = []
  for (let round = 0; round < rounds; round++) {
    const pair = []
    // the order may matter, so each edition runs first in half of the rounds
    for (const index of round % 2 === 0 ? [0, 1] : [1, 0]) {
      pair[index] = await editions[index].ask({ run: task })
    }
    pairs.push(pair)
  }
  rows.push({
    task,
    three: median(pairs.map(([three]) => three)),
    four: median(pairs.map(([, four]) => four)),
    ratio: median(pairs.map(([three, four]) => four / three))
  })
}
for (const { child } of editions) {
  child.kill()
}

const versionOf = (folder) => JSON.parse(readFileSync(`${folder}node_modules/effect/package.json`, "utf8")).version
console.log(`Node ${version}, effect ${versionOf(root)} and ${versionOf(`${root}build/effect4/`)}, ${rounds} rounds\n`)
console.log("| | Effect 3 | Effect 4 | Effect 4 / Effect 3 |\n| --- | --- | --- | --- |")
const time = (nanos) => (nanos < 10_000 ? `${nanos.toFixed(0)} ns` : `${(nanos / 1000).toFixed(0)} µs`)
for (const { four, ratio, task, three } of rows) {
  console.log(`| ${task} | ${time(three)} | ${time(four)} | ${ratio.toFixed(2)} |`)
}
