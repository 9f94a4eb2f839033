/**
 * `diff`: which flags two states evaluate differently, and how.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Compare from "../compare.js"
import { definitionsOf } from "../definitions.js"
import { exit, exitCodes, type Failure, usage } from "../failure.js"
import { Output, type Service } from "../output.js"
import * as Source from "../source.js"
import * as Text from "../text.js"

export interface Options extends Omit<Source.Options, "file" | "features"> {
  readonly a: string
  readonly b: string
}

/** The source for one side: `server`, `env:NAME`, `env:NAME/NAMESPACE`, or a path. */
const sourceOf = (side: string, options: Options): Effect.Effect<Source.Options, Failure, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const base = { ...options, file: undefined, features: undefined }
    if (side === "server") {
      return base
    }
    if (side.startsWith("env:")) {
      const [environment = "", namespace] = side.slice("env:".length).split("/", 2)
      return environment === ""
        ? yield* usage("env: needs the name of an environment, such as env:production")
        : { ...base, environment, namespace: namespace ?? options.namespace }
    }
    const info = yield* Effect.option(fs.stat(side))
    if (info._tag === "None") {
      return yield* usage(
        `there is no file or folder ${Text.quote(side, 200)}; if it is an environment of the server, write env:${Text.plain(side, 200)}`
      )
    }
    return info.value.type === "Directory" || /\.ya?ml$/i.test(side) || /(?:^|[\\/])features\.json$/.test(side)
      ? { ...base, features: side }
      : { ...base, file: side }
  })

const load = (side: string, options: Options) =>
  Effect.gen(function* () {
    const { label, snapshot } = yield* Effect.flatMap(sourceOf(side, options), Source.load)
    return { label, snapshot, definitions: yield* definitionsOf(snapshot) }
  })

const marks = { added: "+", removed: "-", changed: "~" } as const
const colors = { added: "green", removed: "red", changed: "yellow" } as const

const format = (change: Compare.Change, options: Options, { color, width }: Service): string => {
  const where = { added: `only in ${options.b}`, removed: `only in ${options.a}`, changed: "" }[change.change]
  const title = `${marks[change.change]} ${Text.plain(change.flag)} (${change.type} flag)${where === "" ? "" : ` ${Text.plain(where)}`}`
  return [
    color(colors[change.change], title),
    ...change.differences.flatMap(({ a, b, place }) => {
      const head = `    ${Text.plain(place)}: `
      const line = `${head}${Compare.show(a)} -> ${Compare.show(b)}`
      return Text.columns(line) <= (width ?? 100)
        ? [line]
        : [
            head.trimEnd(),
            `      ${color("red", `- ${Compare.show(a)}`)}`,
            `      ${color("green", `+ ${Compare.show(b)}`)}`
          ]
    })
  ].join("\n")
}

export const run = (options: Options): Effect.Effect<void, Failure, Source.Environment> =>
  Effect.gen(function* () {
    const output = yield* Output
    const [a, b] = yield* Effect.all([load(options.a, options), load(options.b, options)])
    const changes = Compare.compare(a, b)
    if (output.isJson) {
      yield* output.printJson(changes)
    } else if (changes.length === 0) {
      yield* output.message(`no flag evaluates differently: ${Text.plural(a.definitions.length, "flag")} compared`)
    } else {
      yield* output.print(changes.map((change) => format(change, options, output)).join("\n"))
      yield* output.message(
        `\n${Text.plural(changes.length, "flag")} of ${new Set([...a.definitions, ...b.definitions].map(({ key }) => key)).size} ${changes.length === 1 ? "differs" : "differ"}\n- ${a.label}\n+ ${b.label}`
      )
    }
    if (changes.length > 0) {
      return yield* exit(exitCodes.found)
    }
  })
