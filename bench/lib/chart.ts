/**
 * Draws the nanoseconds per evaluation as bars, one panel per workload, in an SVG that follows the reader's color
 * scheme.
 */

const TITLES: Readonly<Record<string, string>> = {
  a: "a: boolean flag, percentage rollout",
  b: "b: variant flag, three constraints",
  c: "c: boolean flag, five segments",
  d: "d: 100 flags for each entity"
}

const PANEL = { width: 430, left: 110, right: 70, top: 34, bar: 16, gap: 6 }

const STYLE = `
  svg { --text: #1f2328; --soft: #59636e; --bar: #b9c2cc; --own: #0969da; }
  @media (prefers-color-scheme: dark) {
    svg { --text: #f0f6fc; --soft: #9198a1; --bar: #47505b; --own: #4493f8; }
  }
  text { font: 12px system-ui, sans-serif; fill: var(--text); }
  .title { font-weight: 600; }
  .value { fill: var(--soft); }
  .bar { fill: var(--bar); }
  .own { fill: var(--own); }`

/** The first two subjects are the engines of this library. */
export const chart = (
  subjects: ReadonlyArray<string>,
  workloads: ReadonlyArray<string>,
  nanos: Readonly<Record<string, number>>
): string => {
  const height = PANEL.top + subjects.length * (PANEL.bar + PANEL.gap) + 16
  const panels = workloads.map((workload, index) => {
    const values = subjects.map((subject) => nanos[`${subject} ${workload}`]!)
    const scale = (PANEL.width - PANEL.left - PANEL.right) / Math.max(...values)
    const bars = subjects.map((subject, row) => {
      const y = PANEL.top + row * (PANEL.bar + PANEL.gap)
      const width = Math.max(1, values[row]! * scale)
      const label = row < 2 ? `${subject} engine` : subject
      return [
        `<text x="${PANEL.left - 8}" y="${y + 12}" text-anchor="end">${label}</text>`,
        `<rect class="${row < 2 ? "own" : "bar"}" x="${PANEL.left}" y="${y}" width="${width.toFixed(1)}" height="${PANEL.bar}" rx="2"/>`,
        `<text class="value" x="${(PANEL.left + width + 6).toFixed(1)}" y="${y + 12}">${Math.round(values[row]!)} ns</text>`
      ].join("\n    ")
    })
    return `  <g transform="translate(${(index % 2) * PANEL.width} ${Math.floor(index / 2) * height})">
    <text class="title" x="8" y="20">${TITLES[workload]}</text>
    ${bars.join("\n    ")}
  </g>`
  })
  const size = { width: 2 * PANEL.width, height: Math.ceil(workloads.length / 2) * height }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" role="img">
  <title>Nanoseconds for one evaluation: less is better</title>
  <style>${STYLE}
  </style>
${panels.join("\n")}
</svg>
`
}
