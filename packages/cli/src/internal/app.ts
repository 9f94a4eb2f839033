/**
 * The commands and their help. Their implementations are loaded when they run.
 */
import type * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import type * as HelpDoc from "@effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import type { Failure } from "./failure.js"
import * as Options from "./options.js"
import * as Output from "./output.js"
import type * as Source from "./source.js"

/** Loads a command and runs it. */
const start = <A extends { readonly json: boolean }>(
  options: A,
  load: () => Promise<{ readonly run: (options: A) => Effect.Effect<void, Failure, Source.Environment> }>
) =>
  Effect.promise(load).pipe(
    Effect.flatMap(({ run }) => run(options)),
    Effect.scoped,
    Effect.provideService(Output.Output, Output.make(options.json))
  )

const { entity, json, source } = Options

const evaluate = Command.make(
  "evaluate",
  { flag: Options.optionalFlag, all: Options.all, ...entity, json, ...source },
  (options) => start(options, () => import("./commands/evaluate.js"))
).pipe(Command.withDescription("Print the value of a flag, or of all flags, for an entity."))

const explain = Command.make("explain", { flag: Options.flag, ...entity, json, ...source }, (options) =>
  start(options, () => import("./commands/explain.js"))
).pipe(Command.withDescription("Print why a flag has its value for an entity: every rule, segment and constraint."))

const list = Command.make("list", { json, ...source }, (options) =>
  start(options, () => import("./commands/list.js"))
).pipe(Command.withDescription("List the flags."))

const lint = Command.make("lint", { json, ...source }, (options) =>
  start(options, () => import("./commands/lint.js"))
).pipe(
  Command.withDescription(
    "Find flags that cannot work as intended, and mistakes in features.yml. Exits with 1 if there are any."
  )
)

const snapshot = Command.make("snapshot", { seed: Options.seed, output: Options.output, json, ...source }, (options) =>
  start(options, () => import("./commands/snapshot.js"))
).pipe(Command.withDescription("Write the flags as a document, or as a seed that clients can start from."))

const diff = Command.make("diff", { ...Options.sides, json, ...Options.server }, (options) =>
  start(options, () => import("./commands/diff.js"))
).pipe(
  Command.withDescription(
    "Print which flags evaluate differently in two files, environments or servers, and how. Exits with 1 if any does. Ignores names, descriptions and ids."
  )
)

const watch = Command.make(
  "watch",
  { flags: Options.flags, ...Options.optionalEntity, json, ...Options.follow, ...source },
  (options) => start(options, () => import("./commands/watch.js"))
).pipe(
  Command.withDescription(
    "Print the client's status, changed flags and values of an entity as they happen, until Ctrl-C. With --json, each line is a JSON object."
  )
)

const generate = Command.make("generate", { output: Options.output, json, ...source }, (options) =>
  start(options, () => import("./commands/generate.js"))
).pipe(
  Command.withDescription(
    "Write a TypeScript module that declares the flags, with their variants, and Schemas inferred from attachments."
  )
)

const doctor = Command.make("doctor", { json, ...source }, (options) =>
  start(options, () => import("./commands/doctor.js"))
).pipe(
  Command.withDescription(
    "Check everything between this machine and the flags: engine, DNS, TCP, TLS, credential, ETag, clock and stream. Says what to do about each problem, and exits with 1 if there is one."
  )
)

const helpOf =
  <Name extends string, R, E, A>(command: Command.Command<Name, R, E, A>) =>
  (config: CliConfig.CliConfig): HelpDoc.HelpDoc =>
    Command.getHelp(command, config)

/** The definitions of all commands for `@effect/cli`, in the order of the help. */
export const helps: ReadonlyArray<readonly [name: string, help: ReturnType<typeof helpOf>]> = [
  ["evaluate", helpOf(evaluate)],
  ["explain", helpOf(explain)],
  ["list", helpOf(list)],
  ["diff", helpOf(diff)],
  ["lint", helpOf(lint)],
  ["watch", helpOf(watch)],
  ["snapshot", helpOf(snapshot)],
  ["generate", helpOf(generate)],
  ["doctor", helpOf(doctor)]
]

export const root = Command.make("flipt-client").pipe(
  Command.withDescription("Evaluates, explains, compares and checks the flags of Flipt."),
  Command.withSubcommands([evaluate, explain, list, diff, lint, watch, snapshot, generate, doctor])
)

/** The names of the commands. */
export const names: ReadonlyArray<string> = helps.map(([name]) => name)

/** Examples of each command, for its help. */
export const examples: Readonly<Record<string, ReadonlyArray<string>>> = {
  evaluate: [
    "flipt-client evaluate theme --entity user-42 --context plan=pro country=DE",
    "flipt-client evaluate --all --entity user-42 --features features.yml"
  ],
  explain: ["flipt-client explain theme --entity user-42 --context plan=pro country=DE"],
  list: ["flipt-client list --environment production", "flipt-client list --file flags.json --json"],
  diff: [
    "flipt-client diff env:staging env:production",
    "flipt-client diff env:staging/shop env:production/shop --url https://flipt.example.com",
    "flipt-client diff features.yml server",
    "flipt-client diff yesterday.json today.json --json"
  ],
  lint: ["flipt-client lint --features .", "flipt-client lint --environment production"],
  watch: ["flipt-client watch", "flipt-client watch theme new-checkout --entity user-42 --context plan=pro"],
  snapshot: ["flipt-client snapshot --output flags.json", "flipt-client snapshot --seed > flags.seed"],
  generate: ["flipt-client generate --output src/flags.ts"],
  doctor: ["flipt-client doctor --url https://flipt.example.com --token-file token"]
}
