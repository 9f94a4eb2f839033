/**
 * `doctor`: checks every step between this machine and the flags, and gives advice.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Engine from "flipt-client-effect/Engine"
import * as Lint from "flipt-client-effect/Lint"
import { type Check, ok, problem, skipped, warning } from "../doctor/check.js"
import { exit, exitCodes, type Failure } from "../failure.js"
import { Output } from "../output.js"
import * as Source from "../source.js"
import * as Text from "../text.js"
import { version } from "../version.js"

const marks = { ok: "green", warning: "yellow", problem: "red", skipped: "dim" } as const
const INDENT = 22

const checkEngine: Effect.Effect<Check> = Effect.gen(function* () {
  const chosen = process.env.FLIPT_ENGINE ?? ""
  const native = yield* Effect.scoped(Effect.either(Layer.build(Engine.layerNative)))
  const loads = Either.isRight(native)
  const reason = loads ? "" : Text.plain(native.left.message, 500)
  switch (chosen) {
    case "native":
      return loads
        ? ok("engine", "native, because FLIPT_ENGINE says so")
        : problem("engine", reason, "unset FLIPT_ENGINE to use the portable engine")
    case "portable":
      return ok("engine", "portable, because FLIPT_ENGINE says so")
    case "":
      return ok(
        "engine",
        loads
          ? "portable for documents below 1 MiB, native for larger ones"
          : `portable for all documents, which blocks the event loop for large ones; ${reason}`
      )
    default:
      return problem("engine", `FLIPT_ENGINE is ${Text.quote(chosen, 60)}`, "set it to native or portable, or unset it")
  }
})

const checkFlags = (content: Source.Content): Effect.Effect<ReadonlyArray<Check>> =>
  Effect.gen(function* () {
    const { snapshot } = yield* Source.compile(content)
    const flags = yield* snapshot.flags
    const findings = yield* Lint.check(snapshot)
    return [
      flags.length === 0
        ? warning("flags", "the namespace has no flags", "check the namespace")
        : ok("flags", `${Text.plural(flags.length, "flag")}, evaluated by the ${Text.plain(snapshot.engine)} engine`),
      findings.length === 0
        ? ok("lint", "no findings")
        : warning("lint", Text.plural(findings.length, "finding"), "run flipt-client lint with the same options")
    ]
  }).pipe(
    Effect.scoped,
    Effect.catchAll(({ message }) => Effect.succeed([problem("flags", message)]))
  )

export const run = (options: Source.Options): Effect.Effect<void, Failure, Source.Environment> =>
  Effect.gen(function* () {
    const output = yield* Output
    const checks = yield* Ref.make<ReadonlyArray<Check>>([])
    const emit = (check: Check) =>
      Effect.gen(function* () {
        yield* Ref.update(checks, (all) => [...all, check])
        if (!output.isJson) {
          const width = Math.max(40, (output.width ?? 100) - INDENT)
          const [first, ...rest] = [
            ...Text.wrap(check.text, width),
            ...(check.advice === undefined ? [] : Text.wrap(`To do: ${check.advice}`, width))
          ]
          const head = `${output.color(marks[check.state], Text.pad(check.state, 9))}  ${Text.pad(check.name, INDENT - 11)}`
          yield* output.print([`${head}${first}`, ...rest.map((line) => " ".repeat(INDENT) + line)].join("\n"))
        }
      })

    yield* emit(
      ok("versions", `flipt-client ${version}, Node ${process.versions.node} on ${process.platform}-${process.arch}`)
    )
    yield* emit(yield* checkEngine)
    const doctor = yield* Effect.promise(() => import("../doctor/server.js"))
    const content = yield* (Source.isServer(options) ? doctor.checkServer(options, emit) : Source.read(options)).pipe(
      Effect.tap((it) =>
        Source.isServer(options)
          ? Effect.void
          : emit(ok("source", `${it.label}, namespace ${Text.plain(it.namespace)}`))
      ),
      Effect.tapError(({ message }) => (message === "" ? Effect.void : emit(problem("source", message)))),
      Effect.option
    )
    if (content._tag === "Some") {
      for (const check of yield* checkFlags(content.value)) {
        yield* emit(check)
      }
    } else {
      yield* emit(skipped("flags", "not checked, because they could not be read"))
    }
    const all = yield* Ref.get(checks)
    if (output.isJson) {
      yield* output.printJson(all)
    }
    if (all.some(({ state }) => state === "problem")) {
      return yield* exit(exitCodes.found)
    }
  })
