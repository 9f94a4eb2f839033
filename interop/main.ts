/**
 * Compares our client with the official Python and JavaScript SDKs over real HTTP and on the same server: their answers,
 * updates, and seeds that one client makes and another starts from. Also compares the Python SDK over TLS, with the same
 * options as ours: certificates in files and in text, mutual TLS, and connections that must be refused. Skipped with a
 * message if the SDK cannot be installed with pip.
 */
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { isDeepStrictEqual } from "node:util"
import { FliptClient as OfficialClient } from "@flipt-io/flipt-client-js"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Auth from "flipt-client-effect/Auth"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as FliptClient from "flipt-client-effect/FliptClient"
import type * as Model from "flipt-client-effect/Model"
import * as Tls from "flipt-client-effect/Tls"
import { authority, loopback } from "../test/support/certificates.js"
import type { Line } from "../test/support/corpus.js"
import * as Fault from "../test/support/Fault.js"
import * as FliptServer from "../test/support/FliptServer.js"

const SDK = "flipt-client==1.4.5"
/** Seeds are exchanged for every fourth document only, because each seed starts every client. */
const SEEDED = 4
const PATIENCE = "5 seconds"
const START_PATIENCE = "20 seconds"
const TIME = "5 minutes"

// The compiled module is in build/interop/interop.
const pathOf = (relative: string) => fileURLToPath(new URL(`../../../${relative}`, import.meta.url))

// Answers of all clients, in one form

type Result = Readonly<Record<string, unknown>>
type Answer = { readonly ok: unknown } | { readonly error: string }

interface Answers {
  readonly cases: ReadonlyArray<Answer>
  readonly batch: Answer
}

/** Sorts the segment keys, because the official engine's order is random. Omits times and our tag. */
const normalize = ({ _tag, requestDurationMillis: _, timestamp: __, ...result }: Result): Result =>
  Array.isArray(result.segmentKeys) ? { ...result, segmentKeys: [...result.segmentKeys].sort() } : result

const normalizeEntry = ({ type, ...rest }: Result): Result => {
  const kind = /^[A-Z]+/.exec(String(type))![0].toLowerCase()
  return { type, result: normalize(rest[`${kind}EvaluationResponse`] as Result) }
}

const normalizeOurs = (entry: Model.BatchEntry): Result => ({
  type: `${entry._tag.toUpperCase()}_EVALUATION_RESPONSE_TYPE`,
  result: normalize({ ...entry })
})

const normalizeFlags = (flags: ReadonlyArray<Result>): ReadonlyArray<Result> =>
  // The Python SDK's flags have only these fields.
  flags
    .map(({ description, enabled, key, type }) => ({
      key,
      enabled,
      type,
      ...(description === undefined ? {} : { description })
    }))
    .sort((a, b) => (String(a.key) < String(b.key) ? -1 : 1))

/** The part of an error's message that the official engine has too. An explanation follows a semicolon. */
const officialText = ({ message }: Error): string => message.split("; ")[0] ?? ""

const mapAnswer = <A>(answer: { readonly ok: A } | { readonly error: string }, f: (value: A) => unknown): Answer =>
  "ok" in answer ? { ok: f(answer.ok) } : answer

/** A client to compare. */
interface Subject {
  readonly name: string
  readonly answers: (line: Line) => Effect.Effect<Answers>
  readonly flags: Effect.Effect<ReadonlyArray<Result>>
  readonly seed: Effect.Effect<string>
  /** Fetches the current document, if the client does not do so on its own. */
  readonly refresh: Effect.Effect<unknown>
}

interface Start {
  readonly url: string
  readonly namespace: string
  readonly snapshot?: string
  readonly tls?: TlsFiles
}

/** The TLS options of a client, with the names of the official TypeScript options. */
interface TlsFiles {
  readonly caCertFile?: string
  readonly caCertData?: string
  readonly insecureSkipVerify?: boolean
  readonly insecureSkipHostnameVerify?: boolean
  readonly clientCertFile?: string
  readonly clientKeyFile?: string
}

type Open = (start: Start) => Effect.Effect<Subject, never, Scope.Scope>

// This library

const openOurs =
  (engine: readonly [string, Layer.Layer<Engine.Engine>], mode: "polling" | "streaming"): Open =>
  ({ namespace, snapshot, tls, url }) =>
    Effect.gen(function* () {
      // A long interval: updates must come through the stream, not through a poll.
      const source = { url, namespace, updateInterval: "1 hour" } as const
      const fetcher = (mode === "polling" ? Fetcher.layerPolling : Fetcher.layerStreaming)(source).pipe(
        Layer.provide([
          Auth.layerNone,
          Layer.provide(Tls.layerHttpClient, tls === undefined ? Tls.layerSystem : Tls.layer(tls))
        ])
      )
      const options = snapshot === undefined ? {} : ({ snapshot, errorStrategy: "fallback" } as const)
      const layer = FliptClient.layerWithoutDependencies(options).pipe(Layer.provide([engine[1], fetcher]))
      const client = Context.get(yield* Layer.build(layer), FliptClient.FliptClient)
      const answer = <A>(effect: Effect.Effect<A, Error>, form: (value: A) => unknown): Effect.Effect<Answer> =>
        Effect.map(
          Effect.either(effect),
          Either.match({
            onLeft: (error) => ({ error: officialText(error) }),
            onRight: (value) => ({ ok: form(value) })
          })
        )
      return {
        name: `ours, ${engine[0]}, ${mode}`,
        answers: (line: Line) =>
          Effect.all({
            cases: Effect.forEach(line.cases, ({ kind, request }) =>
              kind === "variant"
                ? answer(client.evaluateVariant(request), (result) => normalize({ ...result }))
                : answer(client.evaluateBoolean(request), (result) => normalize({ ...result }))
            ),
            batch: answer(client.evaluateBatch(line.batch.requests), (entries) => entries.map(normalizeOurs))
          }),
        flags: Effect.orDie(
          Effect.map(client.listFlags, (flags) => normalizeFlags(flags.map((flag) => ({ ...flag }))))
        ),
        seed: Effect.orDie(client.getSnapshot),
        refresh: mode === "polling" ? Effect.orDie(client.refresh) : Effect.void
      } satisfies Subject
    }).pipe(Effect.orDie)

// The JavaScript SDK

interface Official {
  readonly evaluateVariant: (request: Model.EvaluationRequest) => Result
  readonly evaluateBoolean: (request: Model.EvaluationRequest) => Result
  readonly evaluateBatch: (requests: ReadonlyArray<Model.EvaluationRequest>) => {
    readonly responses: ReadonlyArray<Result>
  }
  readonly listFlags: () => ReadonlyArray<Result>
  readonly getSnapshot: () => string
  readonly refresh: () => Promise<boolean>
  readonly close: () => void
}

// The SDK's declarations do not resolve in an ESM project.
const Client = OfficialClient as unknown as { readonly init: (options: object) => Promise<Official> }

// If two clients are created at the same time, each starts the engine, and the second takes over the memory of the first.
const oneAtATime = Effect.unsafeMakeSemaphore(1).withPermits(1)

const openJavaScript: Open = ({ namespace, snapshot, url }) =>
  Effect.gen(function* () {
    const client = yield* Effect.acquireRelease(
      oneAtATime(
        Effect.promise(() =>
          Client.init({ url, namespace, errorStrategy: snapshot === undefined ? "fail" : "fallback", snapshot })
        )
      ),
      (client) => Effect.sync(() => client.close())
    )
    const attempt = <A>(evaluate: () => A): { readonly ok: A } | { readonly error: string } => {
      try {
        return { ok: evaluate() }
      } catch (thrown) {
        return { error: thrown instanceof Error ? thrown.message : String(thrown) }
      }
    }
    const full = (request: Model.EvaluationRequest) => ({ ...request, context: request.context ?? {} })
    return {
      name: "JavaScript",
      answers: (line) =>
        Effect.sync(() => ({
          cases: line.cases.map(({ kind, request }) =>
            mapAnswer(
              attempt(() =>
                kind === "variant" ? client.evaluateVariant(full(request)) : client.evaluateBoolean(full(request))
              ),
              normalize
            )
          ),
          batch: mapAnswer(
            attempt(() => client.evaluateBatch(line.batch.requests.map(full))),
            ({ responses }) => responses.map(normalizeEntry)
          )
        })),
      flags: Effect.sync(() => normalizeFlags(client.listFlags())),
      seed: Effect.sync(() => client.getSnapshot()),
      refresh: Effect.promise(() => client.refresh())
    }
  })

// The Python SDK

type Call = (message: Result) => Effect.Effect<unknown>

/** Starts the child process. A call sends it one line and waits for one line. */
const startPython = (python: string): Effect.Effect<Call, never, Scope.Scope> =>
  Effect.gen(function* () {
    const waiting = new Map<number, (effect: Effect.Effect<unknown>) => void>()
    let calls = 0
    let end: Effect.Effect<never> | undefined
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(python, [pathOf("interop/python_client.py")], { stdio: ["pipe", "pipe", "inherit"] })),
      (child) =>
        Effect.async<void>((resume) => {
          if (end !== undefined) return resume(Effect.void)
          child.once("exit", () => resume(Effect.void))
          child.stdin.end()
          // The engine's own threads can delay the exit.
          setTimeout(() => child.kill("SIGKILL"), 3000).unref()
        })
    )
    child.once("exit", (code, signal) => {
      end = Effect.dieMessage(`the Python client exited with ${code ?? signal}`)
      for (const resume of waiting.values()) resume(end)
    })
    child.stdin.on("error", () => {})
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { failure, id, value } = JSON.parse(line) as { id: number; value?: unknown; failure?: string }
      waiting.get(id)?.(failure === undefined ? Effect.succeed(value) : Effect.dieMessage(`Python: ${failure}`))
      waiting.delete(id)
    })
    return (message) =>
      Effect.async((resume) => {
        if (end !== undefined) return resume(end)
        const id = calls++
        waiting.set(id, resume)
        child.stdin.write(`${JSON.stringify({ id, ...message })}\n`)
      })
  })

const camelCase = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(camelCase)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(
          Object.entries(value).map(([name, inner]) => [
            name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
            camelCase(inner)
          ])
        )
      : value

const snakeCase = (options: object): Result =>
  Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value
    ])
  )

const openPython = (call: Call): ((mode: "polling" | "streaming") => Open) => {
  let clients = 0
  return (mode) =>
    ({ namespace, snapshot, tls, url }) =>
      Effect.gen(function* () {
        const client = clients++
        const options = {
          url,
          namespace,
          fetch_mode: mode,
          // In seconds. While streaming, updates must come through the stream, not through a poll.
          update_interval: mode === "polling" ? 1 : 3600,
          error_strategy: snapshot === undefined ? "fail" : "fallback",
          snapshot,
          tls_config: tls && snakeCase(tls)
        }
        yield* Effect.acquireRelease(call({ do: "open", client, options }), () => call({ do: "close", client }))
        return {
          name: `Python, ${mode}`,
          answers: (line) =>
            call({ do: "answers", client, cases: line.cases, batch: line.batch.requests }).pipe(
              Effect.map((value) => camelCase(value) as Answers),
              Effect.map(({ batch, cases }) => ({
                cases: cases.map((answer) => mapAnswer(answer, (result) => normalize(result as Result))),
                batch: mapAnswer(batch, (all) =>
                  (all as { readonly responses: ReadonlyArray<Result> }).responses.map(normalizeEntry)
                )
              }))
            ),
          flags: Effect.map(call({ do: "flags", client }), (value) =>
            normalizeFlags((value as { readonly ok?: ReadonlyArray<Result> }).ok ?? [])
          ),
          seed: Effect.map(call({ do: "seed", client }), String),
          refresh: Effect.void
        } satisfies Subject
      })
}

// The comparison

const differencesShown = 5
const rows = new Map<string, { documents: number; evaluations: number; differences: number }>()
let differences = 0

const compare = (row: string, line: Line, asked: ReadonlyArray<readonly [unknown, unknown, unknown]>): void => {
  const counts = rows.get(row) ?? { documents: 0, evaluations: 0, differences: 0 }
  rows.set(row, counts)
  counts.documents++
  counts.evaluations += line.cases.length + line.batch.requests.length
  for (const [request, ours, theirs] of asked) {
    if (isDeepStrictEqual(ours, theirs)) continue
    counts.differences++
    if (++differences <= differencesShown) {
      console.error(`${row}: ${JSON.stringify({ namespace: line.namespace, request, ours, theirs })}`)
    }
  }
}

let officialDisagreements = 0

/**
 * Accounts for the one difference between the two official engines: for a disabled boolean flag without rollouts, the
 * Python SDK gives the reason "flag disabled", while the JavaScript SDK and this library give "default". All return
 * `enabled: false`.
 */
const asPython = (line: Line, answer: Answer): Answer => {
  if ("error" in answer) return answer
  const { flagKey, enabled, reason } = answer.ok as Result
  const { flags } = line.document as { readonly flags: ReadonlyArray<Result> }
  const flag = flags.findLast(({ key }) => key === flagKey)
  const rollouts = flag?.rollouts as ReadonlyArray<unknown> | null | undefined
  const isAffected = enabled === false && reason === "DEFAULT_EVALUATION_REASON" && flag?.enabled === false
  if (!isAffected || (rollouts ?? []).length > 0) return answer
  officialDisagreements++
  return { ok: { ...(answer.ok as Result), reason: "FLAG_DISABLED_EVALUATION_REASON" } }
}

const compareWith = (row: string, line: Line, reference: Subject, subject: Subject): Effect.Effect<void> =>
  Effect.gen(function* () {
    const answers = yield* reference.answers(line)
    const ours = subject.name.startsWith("Python")
      ? {
          cases: answers.cases.map((answer) => asPython(line, answer)),
          batch: mapAnswer(answers.batch, (entries) =>
            (entries as ReadonlyArray<Result>).map((entry) => {
              const expected = asPython(line, { ok: entry.result })
              return { ...entry, result: "ok" in expected ? expected.ok : entry.result }
            })
          )
        }
      : answers
    const theirs = yield* subject.answers(line)
    compare(row, line, [
      ...line.cases.map(({ kind, request }, n) => [{ kind, ...request }, ours.cases[n], theirs.cases[n]] as const),
      [{ batch: line.batch.requests }, ours.batch, theirs.batch],
      ["flags", yield* reference.flags, yield* subject.flags]
    ])
  })

/** Adds a flag to the document, which shows that a client has loaded it. */
const marked = (line: Line, marker: string): object => {
  // The digest does not cover the added flag, so the server computes a new one.
  const { digest: _, ...document } = line.document as { flags: ReadonlyArray<unknown>; digest?: unknown }
  const flag = { key: marker, name: "", description: "", enabled: true, type: "BOOLEAN_FLAG_TYPE" }
  return { ...document, flags: [...document.flags, flag] }
}

const awaitMarker = (subject: Subject, marker: string): Effect.Effect<void> =>
  Effect.map(subject.flags, (flags) => flags.some(({ key }) => key === marker)).pipe(
    Effect.filterOrFail((has) => has),
    Effect.retry({ while: () => Effect.as(Effect.sleep("20 millis"), true) }),
    Effect.timeout(PATIENCE),
    // After a timeout, the comparison runs anyway and reports the difference.
    Effect.ignore
  )

// Over TLS

interface Secured {
  readonly name: string
  readonly server: FliptServer.TlsOptions
  readonly tls: TlsFiles
  /** Whether the connection must fail. Default: false. */
  readonly isRefused?: boolean
}

/** Writes certificates to files, and combines them into valid and invalid options. */
const makeSecured = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(`${tmpdir()}/flipt-interop-`)),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )
  const put = (name: string, text: string) => {
    writeFileSync(`${folder}/${name}`, text)
    return `${folder}/${name}`
  }
  const ours = yield* authority("ours")
  const stranger = yield* authority("stranger")
  const server = yield* ours.issue({ name: "server", hosts: loopback })
  const named = yield* ours.issue({ name: "named", hosts: [{ type: "dns", value: "flipt.internal" }] })
  const client = yield* ours.issue({ name: "client" })
  const strange = yield* stranger.issue({ name: "strange" })
  const caCertFile = put("ca.crt", ours.cert)
  const strangeCa = { caCertFile: put("stranger.crt", stranger.cert) }
  const pair = (name: string, { cert, key }: { readonly cert: string; readonly key: string }) => ({
    clientCertFile: put(`${name}.crt`, cert),
    clientKeyFile: put(`${name}.key`, key)
  })
  const mutual = { ...server, ca: ours.cert, requestCert: true }
  const ways: ReadonlyArray<Secured> = [
    { name: "caCertFile", server, tls: { caCertFile } },
    { name: "caCertData", server, tls: { caCertData: ours.cert } },
    { name: "mutual TLS", server: mutual, tls: { caCertFile, ...pair("client", client) } },
    { name: "another host, skipped", server: named, tls: { caCertFile, insecureSkipHostnameVerify: true } },
    { name: "insecureSkipVerify", server, tls: { insecureSkipVerify: true } },
    { name: "another authority", server, tls: strangeCa, isRefused: true },
    { name: "another host", server: named, tls: { caCertFile }, isRefused: true },
    { name: "no client certificate", server: mutual, tls: { caCertFile }, isRefused: true },
    { name: "a stranger's", server: mutual, tls: { caCertFile, ...pair("strange", strange) }, isRefused: true }
  ]
  return ways
})

/** Why a client does not start, or `undefined` if it does. */
const refusalOf = (open: Effect.Effect<Subject, never, Scope.Scope>): Effect.Effect<string | undefined> =>
  Effect.scoped(Effect.as(open, undefined)).pipe(
    Effect.provideService(Fetcher.RetryPolicy, Schedule.stop),
    Effect.timeout(START_PATIENCE),
    Effect.catchAllCause((cause) => Effect.succeed(Cause.pretty(cause).split("\n")[0]))
  )

/** Connects every client with the same options to the same server: either all connect and agree, or all are refused. */
const runSecured = (opens: ReadonlyArray<Open>, names: ReadonlyArray<string>, line: Line) =>
  Effect.gen(function* () {
    for (const { isRefused = false, name, server: tlsOptions, tls } of yield* makeSecured) {
      const server = yield* FliptServer.make({ tls: tlsOptions })
      const { namespace } = line
      yield* server.setDocument(marked(line, "marker"), { namespace })
      const start: Start = { url: server.url, namespace, tls }
      const able: Array<Open> = []
      let refused = 0
      for (const [n, open] of opens.entries()) {
        const refusal = yield* refusalOf(open(start))
        if (refusal === undefined && !isRefused) able.push(open)
        if (refusal !== undefined) refused++
        if ((refusal !== undefined) === isRefused) continue
        const is = `TLS, ${name}: ${names[n]} ${refusal === undefined ? "connects but should be refused" : refusal}`
        console.log(is)
        // a failure of the Python SDK is only reported; ours counts as a difference
        if (names[n]?.startsWith("ours")) differences++
      }
      if (isRefused) {
        const requests = yield* server.requests
        console.log(`TLS, ${name}: ${refused} of ${opens.length} clients refused, ${requests.length} requests received`)
        continue
      }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const subjects = yield* Effect.forEach(able, (open) => open(start))
          const [reference, ...others] = subjects
          if (reference === undefined) return
          for (const marker of ["marker-1", "marker-2"]) {
            yield* server.setDocument(marked(line, marker), { namespace })
            yield* reference.refresh
            yield* awaitMarker(reference, marker)
            for (const subject of others) {
              yield* subject.refresh
              yield* awaitMarker(subject, marker)
              yield* compareWith(`TLS, ${name}: ${subject.name}`, line, reference, subject)
            }
          }
        })
      )
      const requests = yield* server.requests
      const clients = new Set(requests.map(({ tls }) => tls?.client ?? "no certificate"))
      console.log(`TLS, ${name}: ${able.length} of ${opens.length} clients, with ${[...clients].join(", ")}`)
    }
  })

const run = (python: string, lines: ReadonlyArray<Line>) =>
  Effect.gen(function* () {
    const server = yield* FliptServer.make()
    // Clients of this server have only their seed. After a 403 they do not send a second request.
    const refusing = yield* FliptServer.make()
    yield* refusing.failAlways(Fault.status(403))

    const py = openPython(yield* startPython(python))
    const native = yield* Effect.either(Effect.scoped(Layer.build(Engine.layerNative)))
    if (Either.isLeft(native)) console.log(`skipping the native engine: ${native.left.message}`)
    const engines: ReadonlyArray<readonly [string, Layer.Layer<Engine.Engine>]> = [
      ["portable", Engine.layerPortable],
      ...(Either.isRight(native) ? [["native", Layer.orDie(Engine.layerNative)] as const] : [])
    ]
    const polling = [...engines.map((engine) => openOurs(engine, "polling")), openJavaScript, py("polling")]
    const streaming = [...engines.map((engine) => openOurs(engine, "streaming")), py("streaming")]

    const kind = (subject: Subject) => subject.name.replace(/, polling$/, "")
    const exchangeSeeds = (line: Line, reference: Subject, makers: ReadonlyArray<Subject>) =>
      Effect.gen(function* () {
        for (const maker of makers) {
          const start = { url: refusing.url, namespace: line.namespace, snapshot: yield* maker.seed }
          for (const open of polling) {
            yield* Effect.scoped(
              Effect.flatMap(open(start), (taker) =>
                compareWith(`seed: ${kind(maker)} > ${kind(taker)}`, line, reference, taker)
              )
            )
          }
        }
      })

    const inNamespace = (namespace: string) =>
      Effect.gen(function* () {
        const own = lines.filter((line) => line.namespace === namespace)
        yield* server.setDocument(marked(own[0]!, "marker"), { namespace })
        const start = { url: server.url, namespace }
        const [reference, ...others] = yield* Effect.forEach([...polling, ...streaming], (open) => open(start))
        if (reference === undefined) return
        for (const [n, line] of own.entries()) {
          const marker = `marker-${n}`
          yield* server.setDocument(marked(line, marker), { namespace })
          yield* reference.refresh
          for (const subject of others) {
            yield* subject.refresh
            yield* awaitMarker(subject, marker)
            yield* compareWith(subject.name, line, reference, subject)
          }
          if (n % SEEDED === 0) {
            yield* exchangeSeeds(line, reference, [
              reference,
              ...others.filter(({ name }) => !name.endsWith("streaming"))
            ])
          }
        }
      })

    const namespaces = [...new Set(lines.map(({ namespace }) => namespace))]
    yield* Effect.forEach(namespaces, (namespace) => Effect.scoped(inNamespace(namespace)), {
      concurrency: "unbounded",
      discard: true
    })
    const securedNames = (mode: string) => [...engines.map(([name]) => `ours, ${name}, ${mode}`), `Python, ${mode}`]
    yield* Effect.scoped(
      runSecured(
        [...polling.filter((open) => open !== openJavaScript), ...streaming],
        [...securedNames("polling"), ...securedNames("streaming")],
        lines[0]!
      )
    )

    const requests = yield* server.requests
    const streams = requests.filter(({ path }) => path.endsWith("/stream")).length
    const conditional = requests.filter(({ headers, path }) => "if-none-match" in headers && !path.endsWith("/stream"))
    console.log(`${requests.length} requests, ${conditional.length} of them conditional, ${streams} streams`)
  })

// Installing the Python SDK

const tail = (text: string | null | undefined): string => (text ?? "").trim().split("\n").at(-1) ?? ""

/** Returns the Python interpreter with the SDK, or why it could not be installed. */
const install = (): Either.Either<string, string> => {
  const folder = pathOf("build/interop-venv")
  const python = process.platform === "win32" ? `${folder}/Scripts/python.exe` : `${folder}/bin/python`
  const execute = (command: string, ...args: ReadonlyArray<string>) => spawnSync(command, args, { encoding: "utf8" })
  const [name, version] = SDK.split("==")
  const hasSdk = `import importlib.metadata as m, flipt_client; assert m.version("${name}") == "${version}"`
  if (existsSync(python) && execute(python, "-c", hasSdk).status === 0) return Either.right(python)
  const made = execute("python3", "-m", "venv", "--clear", folder)
  if (made.error !== undefined) return Either.left(`no python3 (${made.error.message})`)
  if (made.status !== 0) return Either.left(`no virtual environment (${tail(made.stderr || made.stdout)})`)
  const installed = execute(python, "-m", "pip", "install", "--disable-pip-version-check", "--retries", "1", SDK)
  return installed.status === 0
    ? Either.right(python)
    : Either.left(`pip cannot install ${SDK} (${tail(installed.stderr)})`)
}

const table = (): string => {
  const head = ["compared with our portable engine", "documents", "evaluations", "differences"]
  const body = [...rows].map(([row, counts]) => [row, ...Object.values(counts).map(String)])
  const widths = head.map((_, n) => Math.max(...[head, ...body].map((cells) => cells[n]!.length)))
  const line = (cells: ReadonlyArray<string>) =>
    cells.map((cell, n) => (n === 0 ? cell.padEnd(widths[n]!) : cell.padStart(widths[n]!))).join("  ")
  return [head, ...body].map(line).join("\n")
}

const main = async (): Promise<void> => {
  const python = install()
  if (Either.isLeft(python)) {
    console.log(`interop skipped: ${python.left}`)
    return
  }
  const lines = readFileSync(pathOf("test/fixtures/corpus.ndjson"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line)
  // The JavaScript SDK warns about the way in which it initializes its own engine.
  console.warn = () => {}
  await Effect.runPromise(
    Effect.scoped(run(python.right, lines)).pipe(
      Effect.timeout(TIME),
      // A client that starts from a seed logs a warning, because the server refuses its requests.
      Logger.withMinimumLogLevel(LogLevel.None)
    )
  )
  console.log(table())
  console.log(
    `${officialDisagreements} expected differences: the Python SDK's reason for a disabled boolean flag without rollouts`
  )
  console.log(differences === 0 ? "no differences" : `${differences} differences`)
  if (differences > 0) process.exitCode = 1
}

await main()
