/**
 * Hooks: what they receive, in which order they run, and that nothing they do breaks an evaluation.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as FliptClient from "../src/FliptClient.js"
import { FetchError } from "../src/FliptError.js"
import * as Hook from "../src/Hook.js"
import { on } from "./support/clients.js"
import { booleanFlag, makeDocument, variantFlag } from "./support/documents.js"
import * as FliptServer from "./support/FliptServer.js"
import * as Handed from "./support/handed.js"
import { captured } from "./support/logs.js"
import { until } from "./support/wait.js"

const first = makeDocument([booleanFlag("on", true), variantFlag("theme", "dark")])
const theme = { flagKey: "theme", entityId: "user-1" } as const
const unknown = { flagKey: "nope", entityId: "user-1" } as const

/** A hook that records its calls. */
const writing = (name: string, told: Array<string>): Hook.Hook => ({
  before: ({ request }) => void told.push(`${name} before ${request?.flagKey}`),
  after: ({ request }, result) =>
    void told.push(
      `${name} after ${request.flagKey} ${result._tag === "Boolean" ? result.enabled : result.variantKey}`
    ),
  error: ({ request }, error) => void told.push(`${name} error ${request?.flagKey} ${error.reason}`),
  finally: ({ request }) => void told.push(`${name} finally ${request?.flagKey}`)
})

const over = (hooks: ReadonlyArray<Hook.Hook>, options: Partial<Handed.Options> = {}) =>
  Effect.provide(Handed.make({ first, ...options }), Hook.layer(...hooks))

describe("hooks", () => {
  it.scoped("run before in order and the others in reverse, finally last", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const { client } = yield* over([writing("a", told), writing("b", told)])
      expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
      expect(told.splice(0)).toEqual([
        "a before on",
        "b before on",
        "b after on true",
        "a after on true",
        "b finally on",
        "a finally on"
      ])
      expect((yield* client.evaluateVariant(theme)).variantKey).toBe("dark")
      expect(told).toContain("a after theme dark")
    })
  )

  it.scoped("run error in reverse, and finally after it", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const { client } = yield* over([writing("a", told), writing("b", told)])
      expect(yield* Effect.flip(client.evaluateBoolean(theme))).toMatchObject({ reason: "FlagType" })
      expect(told).toEqual([
        "a before theme",
        "b before theme",
        "b error theme FlagType",
        "a error theme FlagType",
        "b finally theme",
        "a finally theme"
      ])
    })
  )

  it.scoped("receive the source and the original request, result and error objects", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const { client } = yield* over([
        {
          before: ({ request, source }) => void seen.push(request, source),
          after: (_, result) => void seen.push(result),
          error: (_, error) => void seen.push(error)
        }
      ])
      const request = { ...on }
      const result = yield* client.evaluateBoolean(request)
      expect(seen[0]).toBe(request)
      expect(seen[1]).toEqual(Handed.source)
      expect(seen[2]).toBe(result)
      expect(yield* Effect.flip(client.evaluateVariant(unknown))).toBe(seen.at(-1))
    })
  )

  it.scoped("have their own data in each evaluation", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const keeping = (name: string): Hook.Hook => ({
        before: ({ data, request }) => void data.set("kept", [...data.values(), `${name} ${request.flagKey}`]),
        after: ({ data }) => void seen.push(data.get("kept")),
        finally: ({ data }) => void seen.push(data.size)
      })
      const { client } = yield* over([keeping("a"), keeping("b")])
      yield* client.evaluateBoolean(on)
      yield* client.evaluateBatch([theme])
      expect(seen).toEqual([["b on"], ["a on"], 1, 1, ["b theme"], ["a theme"], 1, 1])
    })
  )

  it.scoped("run for each request of a batch, with an error for an unknown flag", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const errors: Array<unknown> = []
      const { client } = yield* over([writing("a", told), { error: (_, error) => void errors.push(error) }])
      const entries = yield* client.evaluateBatch([on, unknown, theme])
      expect(entries.map(({ _tag }) => _tag)).toEqual(["Boolean", "Error", "Variant"])
      expect(told).toEqual([
        "a before on",
        "a before nope",
        "a before theme",
        "a after on true",
        "a finally on",
        "a error nope FlagNotFound",
        "a finally nope",
        "a after theme dark",
        "a finally theme"
      ])
      const alone = yield* Effect.flip(client.evaluateBoolean(unknown))
      expect(errors[0]).toMatchObject({
        _tag: alone._tag,
        reason: "FlagNotFound",
        flagKey: "nope",
        message: alone.message
      })
    })
  )

  it.scoped("run error for every request of a failed batch, and nothing for an argument that is not a list", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const { client } = yield* over([writing("a", told)])
      const error = yield* Effect.flip(client.evaluateBatch([on, { ...theme, entityId: "" }]))
      expect(error).toMatchObject({ path: "requests[1].entityId" })
      expect(told.splice(0)).toEqual([
        "a before on",
        "a before theme",
        "a error on Argument",
        "a finally on",
        "a error theme Argument",
        "a finally theme"
      ])
      expect(yield* Effect.flip(client.evaluateBatch(null as never))).toMatchObject({ path: "requests" })
      expect(yield* client.evaluateBatch([])).toEqual([])
      expect(told).toEqual([])
    })
  )

  it.scoped("run for invalid requests", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const { client } = yield* over([writing("a", told)])
      yield* Effect.flip(client.evaluateBoolean(null as never))
      expect(told).toEqual(["a before undefined", "a error undefined Argument", "a finally undefined"])
    })
  )

  it.scoped("run without a state", () =>
    captured(() =>
      Effect.gen(function* () {
        const told: Array<string> = []
        const outage = new FetchError({ reason: "Network", retryable: false, message: "no way" })
        const { client } = yield* over([writing("a", told)], { first: outage })
        yield* Effect.flip(client.evaluateVariant(theme))
        yield* Effect.flip(client.evaluateBatch([on]))
        expect(told.filter((line) => line.includes("error"))).toEqual(["a error theme NotReady", "a error on NotReady"])
      })
    )
  )

  it.scoped("run in a pinned client, but not in a Snapshot or a watch", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const { client } = yield* over([writing("a", told)])
      const snapshot = yield* client.snapshot
      snapshot.boolean(on)
      expect(told).toEqual([])
      const pinned = yield* client.pinned
      yield* pinned.evaluateBoolean(on)
      expect(told).toHaveLength(3)
    })
  )

  it.scoped("run finally for an evaluation that dies", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const { client } = yield* over([writing("a", told), writing("b", told)])
      const context = {
        get plan(): string {
          throw new Error("a getter of the application")
        }
      }
      expect(Exit.isFailure(yield* Effect.exit(client.evaluateBoolean({ ...on, context })))).toBe(true)
      expect(told.splice(0)).toEqual(["a before on", "b before on", "b finally on", "a finally on"])
      yield* Effect.exit(client.evaluateBatch([{ ...on, context }, theme]))
      expect(told.filter((line) => line.includes("finally"))).toEqual([
        "b finally on",
        "a finally on",
        "b finally theme",
        "a finally theme"
      ])
    })
  )

  it.scoped("keep `this` if they are methods", () =>
    Effect.gen(function* () {
      class Counting implements Hook.Hook {
        count = 0
        before() {
          this.count++
        }
        after() {
          this.count++
        }
        finally() {
          this.count++
        }
      }
      const counting = new Counting()
      const { client } = yield* over([counting])
      yield* client.evaluateBoolean(on)
      expect(counting.count).toBe(3)
    })
  )
})

describe("a hook that throws", () => {
  for (const stage of ["before", "after", "error", "finally"] as const) {
    it.scoped(`in ${stage} breaks nothing and causes one warning`, () =>
      captured((lines) =>
        Effect.gen(function* () {
          const told: Array<string> = []
          const { client } = yield* over([
            writing("a", told),
            {
              [stage]: () => {
                throw new Error("a bug of the hook")
              }
            },
            writing("b", told)
          ])
          for (let i = 0; i < 3; i++) {
            expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
            expect(yield* Effect.flip(client.evaluateBoolean(unknown))).toMatchObject({ reason: "FlagNotFound" })
          }
          expect(told).toHaveLength(3 * 12)
          const warnings = lines.filter(({ level }) => level === "WARN")
          expect(warnings).toHaveLength(1)
          expect(warnings[0]?.message).toContain(`hook 2 of 3 threw in "${stage}"`)
          expect(warnings[0]?.message).toContain("a bug of the hook")
        })
      )
    )
  }

  it.scoped("or changes the list of a batch breaks nothing", () =>
    Effect.gen(function* () {
      const requests = [on, theme]
      const { client } = yield* over([{ before: () => void requests.splice(1) }])
      expect((yield* client.evaluateBatch(requests)).map(({ _tag }) => _tag)).toEqual(["Boolean", "Variant"])
    })
  )

  it.scoped("breaks nothing even if the logger throws", () =>
    Effect.gen(function* () {
      const { client } = yield* over([
        {
          before: () => {
            throw new Error("no")
          }
        }
      ])
      const logger = Logger.make(() => {
        throw new Error("a bug of the logger")
      })
      const result = yield* Effect.provide(client.evaluateBoolean(on), Logger.replace(Logger.defaultLogger, logger))
      expect(result.enabled).toBe(true)
    })
  )

  it.scoped("causes a warning per hook", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const throwing: Hook.Hook = {
          before: () => {
            throw new Error("no")
          },
          finally: () => {
            throw new Error("no")
          }
        }
        const { client } = yield* over([throwing, throwing])
        yield* client.evaluateBatch([on, theme])
        yield* client.evaluateVariant(theme)
        expect(
          lines.filter(({ level }) => level === "WARN").map(({ message }) => /hook \d/.exec(message)?.[0])
        ).toEqual(["hook 1", "hook 2"])
      })
    )
  )

  it.scopedLive("through a promise causes a warning at the next evaluation, and no unhandled rejection", () =>
    captured((lines) =>
      Effect.gen(function* () {
        let rejected = false
        const { client } = yield* over([
          {
            after: async () => {
              rejected = true
              await Promise.reject(new Error("a bug, later"))
            }
          }
        ])
        yield* client.evaluateBoolean(on)
        yield* until(() => rejected)
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        expect((yield* client.evaluateBoolean(on)).enabled).toBe(true)
        expect(lines.filter(({ message }) => message.includes("a bug, later"))).toHaveLength(1)
      })
    )
  )
})

describe("Hook.layer", () => {
  it.scoped("adds to existing hooks; the last provided one runs first", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const { client } = yield* Handed.make({ first }).pipe(
        Effect.provide(Layer.provide(Hook.layer(writing("b", told), writing("c", told)), Layer.empty)),
        Effect.provide(Hook.layer(writing("a", told)))
      )
      yield* client.evaluateBoolean(on)
      expect(told.slice(0, 3)).toEqual(["a before on", "b before on", "c before on"])
    })
  )

  it.scopedLive("applies to the one-stop layer", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const server = yield* FliptServer.make({ documents: { default: first } })
      yield* FliptClient.evaluateBoolean(on).pipe(
        Effect.provide(FliptClient.layer({ url: server.url }).pipe(Layer.provide(Hook.layer(writing("a", told)))))
      )
      expect(told).toEqual(["a before on", "a after on true", "a finally on"])
    })
  )

  it.scoped("applies where the client is built, not where it is used", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const { client } = yield* Handed.make({ first })
      yield* client.evaluateBoolean(on).pipe(Effect.provide(Hook.layer(writing("a", told))))
      expect(told).toEqual([])
    })
  )

  it.effect("keeps the cause of a defect", () =>
    Effect.gen(function* () {
      const { client } = yield* over([{}])
      const exit = yield* Effect.exit(
        client.evaluateBoolean({
          ...on,
          context: {
            get plan(): string {
              throw new Error("of the getter")
            }
          }
        })
      )
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
    }).pipe(Effect.scoped)
  )
})
