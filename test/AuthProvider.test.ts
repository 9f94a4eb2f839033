import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import * as Tracer from "effect/Tracer"
import * as Auth from "../src/Auth.js"
import * as Fetcher from "../src/Fetcher.js"
import { AuthError, ValidationError } from "../src/FliptError.js"
import { refusalSchedule, renewalSchedule } from "../src/internal/auth/schedules.js"
import * as Tls from "../src/Tls.js"
import { onDocument } from "./support/documents.js"
import { drive } from "./support/drive.js"
import { exposed, shown } from "./support/Exposure.js"
import * as FliptServer from "./support/FliptServer.js"
import * as Issuer from "./support/Issuer.js"
import { captured } from "./support/logs.js"
import { wakeUps } from "./support/wait.js"

const build = <E, R>(layer: Layer.Layer<Auth.Auth, E, R>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, Auth.Auth))

const provided = (issuer: Issuer.Issuer, renewBefore?: string) =>
  build(Auth.layerProvider({ acquire: issuer.acquire, renewBefore: renewBefore as "1 minute" | undefined }))

/** The credential that a request would send. */
const tokenOf = (auth: Auth.Service) => Effect.map(auth.authorize, ({ authorization }) => authorization)

/** Fixes the jitter at this share of its range. */
const jitter = (at: number) => Effect.withRandom(Random.fixed([at]))

const HOUR = 3_600_000
const MINUTE = 60_000

describe("a provider", () => {
  it.scoped("acquires when the layer is built, and not for every request", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const auth = yield* provided(issuer)
      expect(issuer.count()).toBe(1)
      expect(yield* tokenOf(auth)).toBe("Bearer token-1")
      expect(yield* tokenOf(auth)).toBe("Bearer token-1")
      expect(issuer.count()).toBe(1)
    })
  )

  it.scoped("provides JWTs and client tokens", () =>
    Effect.gen(function* () {
      const auth = yield* build(
        Auth.layerProvider({ acquire: Effect.succeed({ jwtToken: Redacted.make("a.b.c"), expiresIn: "1 hour" }) })
      )
      expect(yield* tokenOf(auth)).toBe("JWT a.b.c")
    })
  )

  it.scoped("takes the services of its effect from the context of the layer", () =>
    Effect.gen(function* () {
      class Vault extends Context.Tag("Vault")<Vault, string>() {}
      const layer = Auth.layerProvider({
        acquire: Effect.map(Vault, (token) => ({ clientToken: Redacted.make(token), expiresIn: "1 hour" }) as const)
      })
      const auth = yield* build(layer).pipe(Effect.provideService(Vault, "mine"))
      yield* TestClock.adjust("2 hours")
      expect(yield* tokenOf(auth).pipe(Effect.provideService(Vault, "another"))).toBe("Bearer mine")
    })
  )

  it.scoped("runs each acquire in its own Scope, which closes with it", () =>
    Effect.gen(function* () {
      const steps: Array<string> = []
      const acquire = Effect.gen(function* () {
        yield* Effect.addFinalizer((exit) => Effect.sync(() => steps.push(exit._tag)))
        steps.push("open")
        return { clientToken: Redacted.make("a"), expiresIn: "1 hour" } as const
      })
      yield* build(Auth.layerProvider({ acquire }))
      expect(steps).toEqual(["open", "Success"])
      yield* TestClock.adjust("1 hour")
      expect(steps).toEqual(["open", "Success", "open", "Success"])
    })
  )

  it.scoped("runs outside of the caller's trace", () =>
    Effect.gen(function* () {
      const parents: Array<boolean> = []
      const acquire = Effect.map(Effect.serviceOption(Tracer.ParentSpan), (parent) => {
        parents.push(Option.isSome(parent))
        return { clientToken: Redacted.make("a"), expiresIn: "1 hour" } as const
      })
      const auth = yield* build(Auth.layerProvider({ acquire })).pipe(Effect.withSpan("start"))
      yield* auth.invalidate(yield* auth.authorize).pipe(Effect.withSpan("request"))
      yield* TestClock.adjust("1 hour")
      expect(parents).toEqual([false, false, false])
    })
  )

  it.effect("that fails at the start fails the layer, with its error as the cause", () =>
    Effect.gen(function* () {
      const refusal = new Issuer.Refusal()
      const error = yield* Effect.flip(Effect.scoped(build(Auth.layerProvider({ acquire: Effect.fail(refusal) }))))
      expect(error).toBeInstanceOf(AuthError)
      expect(error).toMatchObject({ reason: "Acquire" })
      expect(error.message).toContain("acquire failed with Refusal")
      expect(error.cause).toBe(refusal)
    })
  )

  it.effect("that dies or interrupts itself counts as failed", () =>
    Effect.gen(function* () {
      const bug = new TypeError("bug")
      const start = (acquire: Effect.Effect<Auth.Credential>) =>
        Effect.flip(Effect.scoped(build(Auth.layerProvider({ acquire }))))
      expect(yield* start(Effect.die(bug))).toMatchObject({ _tag: "AuthError", reason: "Acquire", cause: bug })
      expect(yield* start(Effect.interrupt)).toMatchObject({ _tag: "AuthError", reason: "Acquire" })
    })
  )

  it.scoped("that takes more than a minute counts as failed", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.flip(Effect.scoped(build(Auth.layerProvider({ acquire: Effect.never })))))
      yield* TestClock.adjust("59 seconds")
      expect(yield* Fiber.poll(fiber)).toEqual(Option.none())
      yield* TestClock.adjust("1 second")
      expect((yield* Fiber.join(fiber)).message).toContain("the effect acquire did not complete within 1m")
    })
  )

  it.effect("must return a credential that can be sent", () =>
    Effect.gen(function* () {
      const credentials: ReadonlyArray<readonly [unknown, string]> = [
        [undefined, "must be { clientToken } or { jwtToken }"],
        [null, "must be { clientToken } or { jwtToken }"],
        ["sesame", "must be { clientToken } or { jwtToken }"],
        [{}, "must be { clientToken } or { jwtToken }"],
        [{ clientToken: "sesame" }, "clientToken must be the token made by Redacted.make"],
        [{ jwtToken: Redacted.make("") }, "jwtToken is empty"],
        [{ clientToken: Redacted.make("sesame\n") }, "clientToken contains a blank, a line break"],
        [{ jwtToken: Redacted.make("open sesame") }, "jwtToken contains a blank"],
        [{ clientToken: Redacted.make(undefined) }, "clientToken is a Redacted undefined"],
        [{ clientToken: Redacted.make("sesame"), expiresIn: 0 }, "expiresIn must be a duration greater than zero"],
        [{ clientToken: Redacted.make("sesame"), expiresIn: -1 }, "expiresIn must be"],
        [{ clientToken: Redacted.make("sesame"), expiresIn: Number.NaN }, "expiresIn must be"],
        [{ clientToken: Redacted.make("sesame"), expiresIn: "soon" }, "expiresIn must be"]
      ]
      for (const [credential, problem] of credentials) {
        const acquire = Effect.succeed(credential as Auth.Credential)
        const error = yield* Effect.flip(Effect.scoped(build(Auth.layerProvider({ acquire }))))
        expect(error).toMatchObject({ _tag: "AuthError", reason: "Acquire" })
        expect(error.message).toContain(problem)
        expect(shown(error)).not.toContain("sesame")
      }
    })
  )

  it.effect("rejects invalid options", () =>
    Effect.gen(function* () {
      const acquire = Effect.succeed({ clientToken: Redacted.make("a") })
      for (const [options, path] of [
        [undefined, "acquire"],
        [{ acquire: () => acquire }, "acquire"],
        [{ acquire, renewBefore: "soon" }, "renewBefore"],
        [{ acquire, renewBefore: 0 }, "renewBefore"],
        [{ acquire, renewbefore: "1 minute" }, "renewbefore"]
      ] as const) {
        const layer: Layer.Layer<Auth.Auth, AuthError | ValidationError> = Auth.layerProvider(options as never)
        const error = yield* Effect.flip(Effect.scoped(build(layer)))
        expect(error).toBeInstanceOf(ValidationError)
        expect(error).toMatchObject({ reason: "Option", path })
      }
    })
  )
})

describe("a renewal", () => {
  for (const [random, instant] of [
    [0, HOUR - MINUTE],
    [0.5, HOUR - 1.25 * MINUTE],
    [1, HOUR - 1.5 * MINUTE]
  ] as const) {
    it.scoped(`happens a minute before expiry, or up to half a minute earlier: ${instant} ms of an hour`, () =>
      Effect.gen(function* () {
        const issuer = Issuer.make("1 hour")
        const auth = yield* provided(issuer)
        issuer.take()
        yield* TestClock.adjust(instant - 1)
        expect(issuer.take()).toEqual([])
        yield* TestClock.adjust(1)
        expect(issuer.take()).toEqual([instant])
        expect(yield* tokenOf(auth)).toBe("Bearer token-2")
        yield* TestClock.adjust(instant)
        expect(issuer.take()).toEqual([2 * instant])
      }).pipe(jitter(random))
    )
  }

  it.scoped("happens at different instants in instances that start together", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      yield* Effect.replicateEffect(provided(issuer), 100)
      issuer.take()
      yield* TestClock.adjust("1 hour")
      const instants = issuer.take()
      expect(instants.length).toBe(100)
      expect(new Set(instants).size).toBeGreaterThan(90)
      expect(Math.min(...instants)).toBeGreaterThanOrEqual(HOUR - 1.5 * MINUTE)
      expect(Math.max(...instants)).toBeLessThanOrEqual(HOUR - MINUTE)
      expect(Math.max(...instants) - Math.min(...instants)).toBeGreaterThan(20_000)
    })
  )

  it.scoped("happens renewBefore ahead of expiry, and in the second half of a lifetime", () =>
    Effect.gen(function* () {
      for (const [life, renewBefore, instant] of [
        ["1 hour", "10 minutes", HOUR - 10 * MINUTE],
        ["1 hour", "2 hours", HOUR / 2],
        ["1 hour", "Infinity", HOUR / 2],
        ["1 minute", undefined, MINUTE / 2]
      ] as const) {
        const issuer = Issuer.make(life)
        const start = yield* Clock.currentTimeMillis
        const auth = yield* build(
          Auth.layerProvider({
            acquire: issuer.acquire,
            renewBefore: renewBefore === "Infinity" ? Number.POSITIVE_INFINITY : renewBefore
          })
        )
        yield* TestClock.adjust(instant - 1)
        expect(yield* tokenOf(auth)).toBe("Bearer token-1")
        yield* TestClock.adjust(1)
        expect(yield* tokenOf(auth)).toBe("Bearer token-2")
        expect(issuer.take()).toEqual([start, start + instant])
      }
    }).pipe(jitter(0))
  )

  it.scoped("happens at most once per second, however short the lifetimes are", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("10 millis")
      const auth = yield* provided(issuer)
      yield* TestClock.adjust("1 minute")
      expect(issuer.count()).toBe(61)
      expect(yield* tokenOf(auth)).toBe("Bearer token-61")
      // an expired credential is renewed on demand as well
      yield* TestClock.adjust("500 millis")
      expect(yield* tokenOf(auth)).toBe("Bearer token-62")
    })
  )

  it.scoped("does not happen if nothing expires", () =>
    Effect.gen(function* () {
      for (const issuer of [Issuer.make(), Issuer.make(Number.POSITIVE_INFINITY)]) {
        const auth = yield* provided(issuer)
        yield* TestClock.adjust("100 days")
        expect(yield* tokenOf(auth)).toBe("Bearer token-1")
        expect(issuer.count()).toBe(1)
      }
    })
  )

  it.scoped("happens in time even if it is more days away than a timer can hold", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("60 days")
      const auth = yield* provided(issuer)
      const end = 60 * 24 * HOUR - MINUTE
      yield* TestClock.adjust(0)
      expect((yield* wakeUps)[0]).toBeLessThan(2 ** 31)
      yield* TestClock.setTime(end - 1)
      expect(yield* tokenOf(auth)).toBe("Bearer token-1")
      yield* TestClock.setTime(end)
      expect(yield* tokenOf(auth)).toBe("Bearer token-2")
    }).pipe(jitter(0))
  )

  it.scoped("is shared by all concurrent callers", () =>
    Effect.gen(function* () {
      const clock = yield* jumpingClock
      const issuer = Issuer.make("1 hour")
      const gate = yield* Deferred.make<Auth.Credential>()
      const auth = yield* Effect.withClock(provided(issuer), clock)
      issuer.become(Deferred.await(gate))
      clock.jump(2 * HOUR)
      const asker = Effect.withClock(tokenOf(auth), clock)
      const hasty = yield* Effect.fork(asker)
      const askers = yield* Effect.fork(Effect.replicateEffect(asker, 1000, { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(hasty)
      expect(issuer.count()).toBe(2)
      yield* Deferred.succeed(gate, { clientToken: Redacted.make("fresh"), expiresIn: "1 hour" })
      expect(new Set(yield* Fiber.join(askers))).toEqual(new Set(["Bearer fresh"]))
      expect(issuer.count()).toBe(2)
    })
  )

  it.scoped("does not delay callers while the credential is still valid", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const auth = yield* provided(issuer)
      issuer.become(Effect.never)
      yield* TestClock.adjust(HOUR - 30_000)
      expect(issuer.count()).toBe(2)
      expect(yield* tokenOf(auth)).toBe("Bearer token-1")
    })
  )
})

/** A clock that jumps without waking fibers, as after a machine's sleep, and lists the sleeping fibers. */
const jumpingClock = Effect.clockWith((clock) => {
  let offset = 0
  let sleepers = 0
  const jumping: Clock.Clock & { readonly jump: (millis: number) => void; readonly sleepers: () => number } = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + offset,
    unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
    currentTimeMillis: Effect.map(clock.currentTimeMillis, (millis) => millis + offset),
    currentTimeNanos: clock.currentTimeNanos,
    sleep: (duration) =>
      Effect.acquireUseRelease(
        Effect.sync(() => sleepers++),
        () => clock.sleep(duration),
        () => Effect.sync(() => sleepers--)
      ),
    sleepers: () => sleepers,
    jump: (millis) => {
      offset += millis
    }
  }
  return Effect.succeed(jumping)
})

describe("a clock that jumps", () => {
  it.scoped("past the expiry of a credential does not make a request send it", () =>
    Effect.gen(function* () {
      const clock = yield* jumpingClock
      const issuer = Issuer.make("1 hour")
      const auth = yield* Effect.withClock(provided(issuer), clock)
      clock.jump(HOUR)
      expect(yield* Effect.withClock(tokenOf(auth), clock)).toBe("Bearer token-2")
      expect(issuer.count()).toBe(2)
      // the next renewal is in time again
      yield* TestClock.adjust(HOUR - 2 * MINUTE)
      expect(issuer.count()).toBe(2)
      yield* TestClock.adjust(MINUTE)
      expect(issuer.count()).toBe(3)
    })
  )

  it.scoped("back causes no hot loop and does not stop the renewals", () =>
    Effect.gen(function* () {
      const clock = yield* jumpingClock
      clock.jump(24 * HOUR)
      const issuer = Issuer.make("1 hour")
      const auth = yield* Effect.withClock(provided(issuer), clock)
      clock.jump(-24 * HOUR)
      yield* TestClock.adjust("1 hour")
      expect(issuer.count()).toBe(1)
      yield* Effect.withClock(Effect.flatMap(auth.authorize, auth.invalidate), clock)
      expect(issuer.count()).toBe(2)
      yield* TestClock.adjust("1 hour")
      expect(issuer.count()).toBe(3)
    })
  )
})

describe("a renewal that fails", () => {
  it.scoped("is retried after 1, 2, 4 seconds and so on, up to a minute, and later renewals are on time", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      yield* provided(issuer)
      issuer.become(Effect.fail(new Issuer.Refusal()))
      issuer.take()
      const due = HOUR - 1.25 * MINUTE
      yield* TestClock.adjust(due)
      yield* TestClock.adjust("5 minutes")
      const seconds = issuer.take().map((instant) => (instant - due) / 1000)
      expect(seconds).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243])
      issuer.become(undefined)
      yield* TestClock.adjust("3 seconds")
      expect(issuer.take().map((instant) => (instant - due) / 1000)).toEqual([303])
      yield* TestClock.adjust(due - 1)
      expect(issuer.take()).toEqual([])
      // the next outage starts with a second again
      issuer.become(Effect.fail(new Issuer.Refusal()))
      yield* TestClock.adjust(1)
      yield* TestClock.adjust("3 seconds")
      expect(issuer.take().length).toBe(3)
    }).pipe(jitter(0.5))
  )

  it.scoped("is retried after varying delays", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      yield* provided(issuer)
      issuer.become(Effect.fail(new Issuer.Refusal()))
      yield* TestClock.adjust("70 minutes")
      issuer.take()
      yield* TestClock.adjust("10 minutes")
      const instants = issuer.take()
      const delays = instants.slice(1).map((instant, index) => instant - instants[index]!)
      expect(Math.max(...delays)).toBeLessThanOrEqual(MINUTE)
      expect(instants.length).toBeLessThan(15)
      // the TestClock dies on fractions of a millisecond
      expect(instants.every(Number.isInteger)).toBe(true)
    })
  )

  it.effect("continues for days, a minute apart, or ten minutes apart after refusals", () =>
    Effect.gen(function* () {
      const inputs = Array.from({ length: 3000 })
      for (const [schedule, max] of [
        [renewalSchedule, MINUTE],
        [refusalSchedule, 10 * MINUTE]
      ] as const) {
        const delays = (yield* drive(schedule, inputs)).map(({ delay }) => delay)
        expect(delays.length).toBe(inputs.length)
        expect(new Set(delays.slice(10))).toEqual(new Set([max]))
      }
    })
  )

  it.scoped("keeps the last credential until it expires, and then fails with Expired and the reason", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const auth = yield* provided(issuer)
      const refusal = new Issuer.Refusal()
      issuer.become(Effect.fail(refusal))
      yield* TestClock.adjust(HOUR - 1)
      expect(issuer.count()).toBeGreaterThan(2)
      expect(yield* tokenOf(auth)).toBe("Bearer token-1")
      yield* TestClock.adjust(1)
      const error = yield* Effect.flip(auth.authorize)
      expect(error).toBeInstanceOf(AuthError)
      expect(error.reason).toBe("Expired")
      expect(error.message).toContain("expired at 1970-01-01T01:00:00.000Z")
      expect(error.message).toContain("acquire failed with Refusal")
      expect(error.cause).toMatchObject({ _tag: "AuthError", reason: "Acquire", cause: refusal })
      issuer.become(undefined)
      yield* TestClock.adjust("1 minute")
      expect(yield* tokenOf(auth)).toBe("Bearer token-2")
    })
  )

  it.scoped("is not retried early by callers, even if the credential has expired", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const auth = yield* provided(issuer)
      issuer.become(Effect.fail(new Issuer.Refusal()))
      const headers = yield* auth.authorize
      yield* TestClock.adjust("2 hours")
      const before = issuer.count()
      yield* Effect.replicateEffect(Effect.flip(auth.authorize), 100)
      yield* Effect.replicateEffect(auth.invalidate(headers), 100)
      expect(issuer.count()).toBe(before)
    })
  )

  it.scoped("makes callers wait if the credential has expired", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const auth = yield* provided(issuer)
      issuer.become(Effect.fail(new Issuer.Refusal()))
      yield* TestClock.adjust("2 hours")
      const gate = yield* Deferred.make<Auth.Credential>()
      issuer.become(Deferred.await(gate))
      yield* TestClock.adjust("59 seconds")
      const asker = yield* Effect.fork(tokenOf(auth))
      yield* TestClock.adjust(1)
      expect(yield* Fiber.poll(asker)).toEqual(Option.none())
      yield* Deferred.succeed(gate, { clientToken: Redacted.make("fresh") })
      expect(yield* Fiber.join(asker)).toBe("Bearer fresh")
    }).pipe(jitter(0))
  )

  for (const [failure, effect] of [
    ["by a defect", Effect.die(new TypeError("bug"))],
    ["by interrupting itself", Effect.interrupt],
    ["with a credential that cannot be sent", Effect.succeed({ clientToken: Redacted.make("a\n") })],
    ["without a credential", Effect.succeed(undefined as never)],
    ["by hanging", Effect.never]
  ] as const) {
    it.scoped(`${failure} is retried`, () =>
      Effect.gen(function* () {
        const issuer = Issuer.make("1 hour")
        const auth = yield* provided(issuer)
        issuer.become(effect)
        yield* TestClock.adjust(HOUR - 1)
        expect(yield* tokenOf(auth)).toBe("Bearer token-1")
        yield* TestClock.adjust("10 minutes")
        const asker = yield* Effect.fork(Effect.flip(auth.authorize))
        yield* TestClock.adjust("2 minutes")
        expect(yield* Fiber.join(asker)).toMatchObject({ _tag: "AuthError", reason: "Expired" })
        expect(issuer.count()).toBeGreaterThan(5)
        issuer.become(undefined)
        yield* TestClock.adjust("3 minutes")
        expect(yield* tokenOf(auth)).toBe("Bearer token-2")
      })
    )
  }

  it.scoped("logs one warning at first and one line when it works again", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const issuer = Issuer.make("1 hour")
        yield* provided(issuer)
        expect(lines).toEqual([])
        issuer.become(Effect.fail(new Issuer.Refusal()))
        yield* TestClock.adjust("2 hours")
        issuer.become(undefined)
        yield* TestClock.adjust("2 hours")
        const levels = lines.map((line) => line.level)
        expect(levels[0]).toBe("WARN")
        expect(levels.at(-1)).toBe("INFO")
        expect(new Set(levels.slice(1, -1))).toEqual(new Set(["DEBUG"]))
        expect(lines[0]?.message).toBe(
          "Flipt: the credential could not be renewed, and the current one stays in use: " +
            "the effect acquire failed with Refusal; its error is the cause"
        )
        expect(lines.at(-2)?.message).toContain("which expired at 1970-01-01T01:00:00.000Z")
        expect(lines.at(-1)?.message).toBe("Flipt: the credential was renewed after a failure")
      })
    )
  )
})

describe("a refusal", () => {
  it.scoped("of the current credential renews it immediately, and completes with the renewal", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const auth = yield* provided(issuer)
      yield* TestClock.adjust("10 minutes")
      yield* auth.invalidate(yield* auth.authorize)
      expect(yield* tokenOf(auth)).toBe("Bearer token-2")
      // its lifetime starts now
      yield* TestClock.adjust(HOUR - 2 * MINUTE)
      expect(issuer.count()).toBe(2)
      yield* TestClock.adjust(MINUTE)
      expect(issuer.count()).toBe(3)
    })
  )

  it.scoped("of another credential does nothing", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const auth = yield* provided(issuer)
      const former = yield* auth.authorize
      yield* auth.invalidate(former)
      yield* TestClock.adjust("30 minutes")
      yield* auth.invalidate(former)
      yield* auth.invalidate({} as typeof former)
      expect(issuer.count()).toBe(2)
    })
  )

  it.scoped("of many concurrent requests causes one renewal", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const auth = yield* provided(issuer)
      const headers = yield* auth.authorize
      const gate = yield* Deferred.make<Auth.Credential>()
      issuer.become(Deferred.await(gate))
      const refused = yield* Effect.fork(
        Effect.replicateEffect(auth.invalidate(headers), 1000, { concurrency: "unbounded" })
      )
      yield* TestClock.adjust(1)
      expect(issuer.count()).toBe(2)
      expect(yield* Fiber.poll(refused)).toEqual(Option.none())
      yield* Deferred.succeed(gate, { clientToken: Redacted.make("fresh") })
      yield* Fiber.join(refused)
      expect(yield* tokenOf(auth)).toBe("Bearer fresh")
      expect(issuer.count()).toBe(2)
    })
  )

  it.scoped("waits for the renewal in progress", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const auth = yield* provided(issuer)
      const headers = yield* auth.authorize
      const gate = yield* Deferred.make<Auth.Credential>()
      issuer.become(Deferred.await(gate))
      yield* TestClock.adjust(HOUR - 30_000)
      const refused = yield* Effect.fork(auth.invalidate(headers))
      yield* TestClock.adjust(1)
      expect(yield* Fiber.poll(refused)).toEqual(Option.none())
      yield* Deferred.succeed(gate, { clientToken: Redacted.make("fresh") })
      yield* Fiber.join(refused)
      expect(issuer.count()).toBe(2)
    })
  )

  it.scoped("of every new credential causes less and less frequent renewals", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 day")
      const auth = yield* provided(issuer)
      issuer.take()
      // a poll every five seconds, each refused
      for (let second = 0; second < 700; second += 5) {
        yield* auth.invalidate(yield* auth.authorize)
        yield* TestClock.adjust("5 seconds")
      }
      expect(issuer.take().map((instant) => instant / 1000)).toEqual([0, 5, 15, 35, 75, 155, 315, 635])
      // after ten quiet minutes it counts as new
      yield* TestClock.adjust("10 minutes")
      const now = (yield* Clock.currentTimeMillis) / 1000
      yield* auth.invalidate(yield* auth.authorize)
      yield* TestClock.adjust("5 seconds")
      yield* auth.invalidate(yield* auth.authorize)
      expect(issuer.take().map((instant) => instant / 1000)).toEqual([now, now + 5])
    }).pipe(jitter(0.5))
  )

  it.scoped("after an accepted request renews immediately, but not twice within a second", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 day")
      const auth = yield* provided(issuer)
      const refused = Effect.flatMap(auth.authorize, auth.invalidate)
      yield* refused
      yield* refused
      expect(issuer.count()).toBe(2)
      yield* auth.accepted!(yield* auth.authorize)
      yield* refused
      expect(issuer.count()).toBe(2)
      yield* TestClock.adjust("1 second")
      yield* refused
      expect(issuer.count()).toBe(3)
    })
  )

  it.scoped("of a previously accepted credential limits the age of the next ones for a day", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make()
      const auth = yield* provided(issuer)
      yield* TestClock.adjust("4 minutes")
      yield* auth.accepted!(yield* auth.authorize)
      yield* TestClock.adjust("1 minute")
      yield* auth.invalidate(yield* auth.authorize)
      expect(yield* tokenOf(auth)).toBe("Bearer token-2")
      yield* TestClock.adjust("4 minutes")
      expect(yield* tokenOf(auth)).toBe("Bearer token-2")
      yield* TestClock.adjust("1 second")
      expect(yield* tokenOf(auth)).toBe("Bearer token-3")
      yield* TestClock.adjust("1 day")
      expect(yield* tokenOf(auth)).toBe("Bearer token-3")
    })
  )

  it.scoped("keeps the old credential if no other is available, and does not fail", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const auth = yield* provided(issuer)
      issuer.become(Effect.fail(new Issuer.Refusal()))
      yield* auth.invalidate(yield* auth.authorize)
      expect(issuer.count()).toBe(2)
      expect(yield* tokenOf(auth)).toBe("Bearer token-1")
      // the renewal is retried in the background
      issuer.become(undefined)
      yield* TestClock.adjust("2 seconds")
      expect(yield* tokenOf(auth)).toBe("Bearer token-2")
    })
  )

  it.scoped("also renews a credential that does not expire", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make()
      const auth = yield* provided(issuer)
      yield* auth.invalidate(yield* auth.authorize)
      expect(yield* tokenOf(auth)).toBe("Bearer token-2")
    })
  )
})

describe("a JWT", () => {
  /** When the provider of this JWT runs again, if within a month. */
  const renewedAt = (token: string) =>
    Effect.scoped(
      Effect.gen(function* () {
        const instants: Array<number> = []
        const acquire = Effect.map(Clock.currentTimeMillis, (now) => {
          instants.push(now)
          return { jwtToken: Redacted.make(instants.length === 1 ? token : "opaque") }
        })
        const start = yield* Clock.currentTimeMillis
        yield* build(Auth.layerProvider({ acquire }))
        yield* TestClock.adjust("30 days")
        return instants[1] === undefined ? undefined : instants[1] - start
      })
    ).pipe(jitter(0), Effect.provide(TestContext.TestContext))

  it.effect("expires at its claim exp", () =>
    Effect.gen(function* () {
      expect(yield* renewedAt(Issuer.jwt({ exp: 3600 }))).toBe(HOUR - MINUTE)
      expect(yield* renewedAt(Issuer.jwt({ exp: 3600.5 }))).toBe(HOUR - MINUTE + 500)
      // characters that differ between base64 and base64url, and characters outside ASCII
      expect(yield* renewedAt(Issuer.jwt({ sub: "ÿ?>~~ÿ þ", exp: 3600 }))).toBe(HOUR - MINUTE)
      expect(Issuer.jwt({ sub: "ÿ?>~~ÿ þ", exp: 3600 })).toMatch(/[-_]/)
    })
  )

  it.effect("without an expiry stays valid forever", () =>
    Effect.gen(function* () {
      for (const token of [
        Issuer.jwt({}),
        Issuer.jwt({ exp: "3600" }),
        Issuer.jwt({ exp: null }),
        Issuer.jwt({ exp: [3600] }),
        Issuer.jwt({ exp: 1e300 }),
        Issuer.jwt('{"exp":1e999}'),
        Issuer.jwt("null"),
        Issuer.jwt("3600"),
        Issuer.jwt("[]"),
        Issuer.jwt("no json"),
        "opaque",
        "a.b.c",
        "..",
        "a.!.c",
        `a.${Buffer.from([0xff, 0xfe]).toString("base64url")}.c`
      ]) {
        expect(yield* renewedAt(token), token).toBe(undefined)
      }
    })
  )

  it.effect("has the given expiry in preference to its claim", () =>
    Effect.gen(function* () {
      const acquire = Effect.succeed({ jwtToken: Redacted.make(Issuer.jwt({ exp: -1 })), expiresIn: "1 hour" } as const)
      const auth = yield* Effect.scoped(build(Auth.layerProvider({ acquire })))
      expect(yield* tokenOf(auth)).toContain("JWT ")
    })
  )

  it.effect("that has already expired is rejected, and the message mentions the clock", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(2 * HOUR)
      for (const [exp, instant] of [
        [3600, "1970-01-01T01:00:00.000Z"],
        [6900, "1970-01-01T01:55:00.000Z"],
        [-1e300, "-1e+303 ms after 1970"]
      ] as const) {
        const token = Issuer.jwt({ exp, sesame: "sesame" })
        const acquire = Effect.succeed({ jwtToken: Redacted.make(token) })
        const error = yield* Effect.flip(Effect.scoped(build(Auth.layerProvider({ acquire }))))
        expect(error).toMatchObject({ _tag: "AuthError", reason: "Acquire" })
        expect(error.message).toContain(`jwtToken expired at ${instant}, and the time here is 1970-01-01T02:00:00.000Z`)
        expect(error.message).toContain("clock is right")
        expect(shown(error)).not.toContain(token)
      }
    })
  )

  it.effect("is not decoded if it is a client token", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(2 * HOUR)
      const acquire = Effect.succeed({ clientToken: Redacted.make(Issuer.jwt({ exp: 1 })) })
      yield* Effect.scoped(build(Auth.layerProvider({ acquire })))
    })
  )
})

describe("the end of the scope", () => {
  const opened = (issuer: Issuer.Issuer) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const clock = yield* jumpingClock
      const auth = yield* Effect.withClock(Scope.extend(provided(issuer), scope), clock)
      return { auth, close: Scope.close(scope, Exit.void), sleepers: clock.sleepers }
    })

  it.effect("ends the renewals, and leaves no fiber asleep", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const { close, sleepers } = yield* opened(issuer)
      yield* TestClock.adjust(1)
      expect(sleepers()).toBe(1)
      yield* close
      expect(sleepers()).toBe(0)
      yield* TestClock.adjust("2 hours")
      expect(issuer.count()).toBe(1)
    })
  )

  it.effect("ends the wait between two attempts", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const { close, sleepers } = yield* opened(issuer)
      issuer.become(Effect.fail(new Issuer.Refusal()))
      yield* TestClock.adjust("1 hour")
      yield* close
      expect(sleepers()).toBe(0)
    })
  )

  it.effect("interrupts a renewal, and releases its resources and its callers", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const { auth, close, sleepers } = yield* opened(issuer)
      let ended = ""
      issuer.become(
        Effect.onExit(Effect.never, (exit) =>
          Effect.sync(() => {
            ended = Exit.isInterrupted(exit) ? "interrupted" : "done"
          })
        )
      )
      const refused = yield* Effect.fork(Effect.flatMap(auth.authorize, auth.invalidate))
      yield* TestClock.adjust(1)
      expect(issuer.count()).toBe(2)
      yield* close
      expect(ended).toBe("interrupted")
      yield* Fiber.join(refused)
      expect(sleepers()).toBe(0)
    })
  )

  it.effect("leaves no later caller waiting", () =>
    Effect.gen(function* () {
      const issuer = Issuer.make("1 hour")
      const { auth, close } = yield* opened(issuer)
      yield* close
      yield* auth.invalidate(yield* auth.authorize)
      yield* TestClock.adjust("2 hours")
      expect(yield* Effect.flip(auth.authorize)).toMatchObject({ reason: "Expired" })
      expect(issuer.count()).toBe(1)
    })
  )

  it.effect("of an interrupted build interrupts the effect that it waits for", () =>
    Effect.gen(function* () {
      let ended = false
      const acquire = Effect.onInterrupt(Effect.never, () =>
        Effect.sync(() => {
          ended = true
        })
      )
      const { sleepers, ...clock } = yield* jumpingClock
      const start = Effect.scoped(build(Auth.layerProvider({ acquire })))
      const fiber = yield* Effect.fork(Effect.withClock(start, clock))
      yield* TestClock.adjust(1)
      expect(sleepers()).toBe(1)
      yield* Fiber.interrupt(fiber)
      expect(ended).toBe(true)
      expect(sleepers()).toBe(0)
    })
  )
})

describe("a credential", () => {
  it.scoped("does not appear in anything that a provider prints", () =>
    exposed((exposure) =>
      Effect.gen(function* () {
        const secrets = ["sesame-1", "sesame-2", Issuer.jwt({ exp: 10 * 3600 })]
        const values: Array<unknown> = []
        let step = 0
        const acquire = Effect.suspend((): Effect.Effect<Auth.Credential, Error> => {
          step++
          return step === 2
            ? Effect.fail(new Error("refused"))
            : step === 4
              ? Effect.succeed({ clientToken: Redacted.make("sesame-2\n") })
              : Effect.succeed(
                  step > 4
                    ? { jwtToken: Redacted.make(secrets[2]!) }
                    : { clientToken: Redacted.make(secrets[step === 1 ? 0 : 1]!), expiresIn: "1 hour" }
                )
        }).pipe(Effect.withSpan("acquire"))
        const layer = Auth.layerProvider({ acquire })
        const context = yield* Layer.build(layer)
        const auth = Context.get(context, Auth.Auth)
        values.push(layer, context, auth, auth.authorize, auth.invalidate)
        for (let hour = 0; hour < 12; hour++) {
          const exit = yield* Effect.exit(Effect.flatMap(auth.authorize, auth.invalidate)).pipe(
            Effect.withSpan("request")
          )
          values.push(exit)
          yield* TestClock.adjust("1 hour")
          values.push(context, auth, yield* Effect.either(Effect.asVoid(auth.authorize)))
        }
        expect(step).toBeGreaterThan(6)
        const texts = [...values.map(shown), ...exposure.log, ...exposure.trace]
        expect(exposure.log.length).toBeGreaterThan(0)
        for (const secret of secrets) {
          expect(texts.filter((text) => text.includes(secret))).toEqual([])
        }
      })
    )
  )

  it.scoped("does not appear in our log and messages if the error of acquire contains it", () =>
    exposed((exposure) =>
      Effect.gen(function* () {
        const issuer = Issuer.make("1 hour")
        const auth = yield* provided(issuer)
        issuer.become(Effect.fail(new Error("sesame") as never))
        yield* TestClock.adjust("2 hours")
        expect((yield* Effect.flip(auth.authorize)).message).not.toContain("sesame")
        expect(exposure.log.length).toBeGreaterThan(0)
        expect(exposure.log.join("\n")).not.toContain("sesame")
        expect(exposure.trace.join("\n")).not.toContain("sesame")
      })
    )
  )
})

describe("a server whose tokens change", () => {
  it.scopedLive("receives the new credential after it has refused the old one", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({
        token: { kind: "client", value: "token-1" },
        documents: { default: onDocument(true) }
      })
      const issuer = Issuer.make("1 hour")
      const fetcher = Context.get(
        yield* Layer.build(
          Fetcher.layerPolling({ url: server.url }).pipe(
            Layer.provide([
              Layer.provide(Tls.layerHttpClient, Tls.layerSystem),
              Auth.layerProvider({ acquire: issuer.acquire })
            ])
          )
        ),
        Fetcher.Fetcher
      )
      yield* fetcher.fetch(Option.none())
      expect(issuer.count()).toBe(1)
      yield* server.setToken({ kind: "client", value: "token-2" })
      yield* Effect.ignore(fetcher.fetch(Option.none()))
      const update = yield* fetcher.fetch(Option.none())
      expect(update._tag).toBe("Document")
      expect(issuer.count()).toBe(2)
      const sent = (yield* server.requests).map(({ headers }) => headers.authorization)
      expect(sent.slice(0, 2)).toEqual(["Bearer token-1", "Bearer token-1"])
      expect(new Set(sent.slice(2))).toEqual(new Set(["Bearer token-2"]))
    })
  )

  it.scopedLive("gets no request without a credential, and the fetch fails with the reason", () =>
    captured(() =>
      Effect.gen(function* () {
        const server = yield* FliptServer.make({ documents: { default: onDocument(true) } })
        const issuer = Issuer.make("20 millis")
        const fetcher = Context.get(
          yield* Layer.build(
            Fetcher.layerPolling({ url: server.url }).pipe(
              Layer.provide([
                Layer.provide(Tls.layerHttpClient, Tls.layerSystem),
                Auth.layerProvider({ acquire: issuer.acquire })
              ])
            )
          ),
          Fetcher.Fetcher
        )
        issuer.become(Effect.fail(new Issuer.Refusal()))
        const error = yield* Effect.flip(fetcher.fetch(Option.none()).pipe(Effect.repeat(Schedule.spaced("5 millis"))))
        expect(error).toMatchObject({
          _tag: "FetchError",
          reason: "Auth",
          cause: { _tag: "AuthError", reason: "Expired" }
        })
        expect((yield* server.requests).every(({ headers }) => headers.authorization === "Bearer token-1")).toBe(true)
      })
    )
  )
})
