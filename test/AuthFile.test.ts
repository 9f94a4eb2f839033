import * as Fs from "node:fs"
import * as Path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Auth from "../src/Auth.js"
import * as Fetcher from "../src/Fetcher.js"
import { AuthError, ValidationError } from "../src/FliptError.js"
import * as Tls from "../src/Tls.js"
import { onDocument } from "./support/documents.js"
import { exposed, shown } from "./support/Exposure.js"
import * as FliptServer from "./support/FliptServer.js"
import * as Folder from "./support/Folder.js"
import * as Issuer from "./support/Issuer.js"
import { captured } from "./support/logs.js"
import { wakeUps } from "./support/wait.js"

const makeFile = (content: string) =>
  Effect.map(Folder.make, (folder) => {
    const file = Path.join(folder, "token")
    Fs.writeFileSync(file, content)
    return file
  })

const open = (file: string, as: "clientToken" | "jwtToken" = "clientToken") =>
  Effect.map(Layer.build(Auth.layerTokenFile(file, { as })), (context) => Context.get(context, Auth.Auth))

const tokenOf = (auth: Auth.Service) => Effect.map(auth.authorize, ({ authorization }) => authorization)

describe("a token file", () => {
  it.scoped("provides the token without trailing white space", () =>
    Effect.gen(function* () {
      for (const end of ["", "\n", "\r\n", " \t\n\n"]) {
        const file = yield* makeFile(`a.b-c${end}`)
        expect(yield* tokenOf(yield* open(file))).toBe("Bearer a.b-c")
        expect(yield* tokenOf(yield* open(file, "jwtToken"))).toBe("JWT a.b-c")
      }
    })
  )

  it.scoped("is read again on demand, at most every five seconds", () =>
    Effect.gen(function* () {
      const file = yield* makeFile("one")
      const auth = yield* open(file)
      Fs.writeFileSync(file, "two\n")
      yield* TestClock.adjust(4999)
      expect(yield* tokenOf(auth)).toBe("Bearer one")
      yield* TestClock.adjust(1)
      expect(yield* tokenOf(auth)).toBe("Bearer two")
      Fs.writeFileSync(file, "three")
      expect(yield* tokenOf(auth)).toBe("Bearer two")
      expect(yield* wakeUps).toEqual([])
    })
  )

  it.scoped("is read once for concurrent callers", () =>
    Effect.gen(function* () {
      const file = yield* makeFile("one")
      const auth = yield* open(file)
      Fs.writeFileSync(file, "two")
      yield* TestClock.adjust("5 seconds")
      const tokens = yield* Effect.replicateEffect(tokenOf(auth), 1000, { concurrency: "unbounded" })
      expect(new Set(tokens)).toEqual(new Set(["Bearer two"]))
    })
  )

  it.scoped("is read again if it was replaced", () =>
    Effect.gen(function* () {
      const file = yield* makeFile("one")
      const auth = yield* open(file)
      Folder.replace(file, "two")
      yield* TestClock.adjust("5 seconds")
      expect(yield* tokenOf(auth)).toBe("Bearer two")
    })
  )

  it.scoped("is read again after Kubernetes has switched its link", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.make
      Folder.mount(folder, "token", "one")
      const auth = yield* open(Path.join(folder, "token"))
      for (const next of ["two", "three"]) {
        Folder.mount(folder, "token", next)
        yield* TestClock.adjust("5 seconds")
        expect(yield* tokenOf(auth)).toBe(`Bearer ${next}`)
      }
    })
  )

  it.scoped("is read immediately after its token was refused, but not after another one was", () =>
    Effect.gen(function* () {
      const file = yield* makeFile("one")
      const auth = yield* open(file)
      const one = yield* auth.authorize
      Fs.writeFileSync(file, "two")
      yield* auth.invalidate(one)
      expect(yield* tokenOf(auth)).toBe("Bearer two")
      Fs.writeFileSync(file, "three")
      yield* auth.invalidate(one)
      expect(yield* tokenOf(auth)).toBe("Bearer two")
    })
  )

  it.scoped("that is missing or has no valid token fails with an error that names it", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.make
      const file = yield* makeFile("")
      for (const [path, content, problem] of [
        [Path.join(folder, "none"), undefined, "cannot be read: ENOENT"],
        [folder, undefined, "cannot be read: EISDIR"],
        [file, "", "is empty"],
        [file, " \n", "is empty"],
        [file, "open sesame", "contains a blank"],
        [file, " sesame", "contains a blank"],
        [file, "sesam\u00e9", "a header cannot contain"]
      ] as const) {
        if (content !== undefined) {
          Fs.writeFileSync(path, content)
        }
        const error = yield* Effect.flip(open(path))
        expect(error).toBeInstanceOf(AuthError)
        expect(error).toMatchObject({ reason: "Acquire" })
        expect(error.message).toContain(path)
        expect(error.message).toContain(problem)
        expect(shown(error)).not.toContain("sesam")
      }
    })
  )

  it.scoped("that becomes invalid later causes one warning, and the last token stays in use", () =>
    captured((lines) =>
      Effect.gen(function* () {
        const file = yield* makeFile("one")
        const auth = yield* open(file)
        for (const spoil of [
          () => Fs.writeFileSync(file, ""),
          () => Fs.writeFileSync(file, "\n"),
          () => Fs.writeFileSync(file, "open sesame"),
          () => Fs.rmSync(file)
        ]) {
          spoil()
          yield* TestClock.adjust("5 seconds")
          expect(yield* tokenOf(auth)).toBe("Bearer one")
          yield* auth.invalidate(yield* auth.authorize)
          expect(yield* tokenOf(auth)).toBe("Bearer one")
        }
        const levels = lines.map((line) => line.level)
        expect(levels[0]).toBe("WARN")
        expect(lines[0]?.message).toBe(
          `Flipt: the token in the file ${file} could not be renewed, and the current one stays in use: the token file ${file} is empty`
        )
        expect(new Set(levels.slice(1))).toEqual(new Set(["DEBUG"]))
        Fs.writeFileSync(file, "two")
        yield* TestClock.adjust("5 seconds")
        expect(yield* tokenOf(auth)).toBe("Bearer two")
        expect(lines.at(-1)?.level).toBe("INFO")
        expect(lines.map((line) => line.message).join("\n")).not.toContain("sesame")
      })
    )
  )

  it.scoped("with an expired JWT provides no token until a new one arrives", () =>
    Effect.gen(function* () {
      const file = yield* makeFile(Issuer.jwt({ exp: 3600 }))
      const auth = yield* open(file, "jwtToken")
      yield* TestClock.adjust("3599 seconds")
      expect(yield* tokenOf(auth)).toContain("JWT ")
      yield* TestClock.adjust("1 second")
      const error = yield* Effect.flip(auth.authorize)
      expect(error.reason).toBe("Expired")
      expect(error.message).toContain(file)
      yield* TestClock.adjust("4 seconds")
      Fs.writeFileSync(file, Issuer.jwt({ exp: 7200 }))
      yield* TestClock.adjust("1 second")
      expect(yield* tokenOf(auth)).toContain("JWT ")
      for (const exp of [60, 3605]) {
        const late = yield* makeFile(Issuer.jwt({ exp }))
        expect((yield* Effect.flip(open(late, "jwtToken"))).message).toContain("clock is right")
      }
    })
  )

  it.effect("fails for an invalid path or invalid options", () =>
    Effect.gen(function* () {
      for (const [path, options, name] of [
        ["", { as: "clientToken" }, "path"],
        ["a\0b", { as: "clientToken" }, "path"],
        [undefined, { as: "clientToken" }, "path"],
        ["a", undefined, "as"],
        ["a", {}, "as"],
        ["a", { as: "token" }, "as"],
        ["a", { as: "jwtToken", trim: true }, "trim"]
      ] as const) {
        const layer = Auth.layerTokenFile(path as string, options as never)
        const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
        expect(error).toBeInstanceOf(ValidationError)
        expect(error).toMatchObject({ path: name })
      }
    })
  )

  it.scoped("never exposes its token", () =>
    exposed((exposure) =>
      Effect.gen(function* () {
        const file = yield* makeFile("sesame")
        const context = yield* Layer.build(Auth.layerTokenFile(file, { as: "clientToken" }))
        const auth = Context.get(context, Auth.Auth)
        Fs.writeFileSync(file, "open sesame")
        yield* TestClock.adjust("5 seconds")
        yield* Effect.asVoid(auth.authorize).pipe(Effect.withSpan("request"))
        const texts = [context, auth, auth.authorize].map(shown).concat(exposure.log, exposure.trace)
        expect(exposure.log.length).toBeGreaterThan(0)
        expect(texts.filter((text) => text.includes("sesame"))).toEqual([])
      })
    )
  )

  it.scopedLive("provides the new token for the next request after the server has revoked the old one", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({
        token: { kind: "jwt", value: "one" },
        documents: { default: onDocument(true) }
      })
      const file = yield* makeFile("one\n")
      const auth = Auth.layerTokenFile(file, { as: "jwtToken" })
      const http = Layer.provide(Tls.layerHttpClient, Tls.layerSystem)
      const fetcher = Context.get(
        yield* Layer.build(Layer.provide(Fetcher.layerPolling({ url: server.url }), [http, auth])),
        Fetcher.Fetcher
      )
      yield* fetcher.fetch(Option.none())
      Folder.replace(file, "two\n")
      yield* server.setToken({ kind: "jwt", value: "two" })
      yield* Effect.ignore(fetcher.fetch(Option.none()))
      expect((yield* fetcher.fetch(Option.none()))._tag).toBe("Document")
      expect((yield* server.requests).at(-1)?.headers.authorization).toBe("JWT two")
    })
  )
})
