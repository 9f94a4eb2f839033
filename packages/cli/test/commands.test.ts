/**
 * Runs every command as a real process, with a document, `features.yml` and a server.
 */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Certificates from "../../../test/support/certificates.js"
import * as Fault from "../../../test/support/Fault.js"
import * as FliptServer from "../../../test/support/FliptServer.js"
import * as Folder from "../../../test/support/Folder.js"
import { until } from "../../../test/support/wait.js"
import { noTerminal, run, runInTerminal, start, startInTerminal } from "./support/command.js"
import { broken, documentOf, features, hostileDocument } from "./support/flags.js"

/** A folder with the flags in every supported form of a file. */
const files = Effect.map(Folder.make, (folder) => {
  writeFileSync(join(folder, "flags.json"), JSON.stringify(documentOf()))
  writeFileSync(join(folder, "other.json"), JSON.stringify(documentOf({ dark: 50, age: "21", extra: [broken] })))
  writeFileSync(join(folder, "features.yml"), features)
  writeFileSync(join(folder, "hostile.json"), JSON.stringify(hostileDocument))
  return folder
})

// biome-ignore lint/suspicious/noControlCharactersInRegex: characters that a terminal interprets
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

const user = ["--entity", "user-42", "--context", "plan=pro", "age=30"]

describe("evaluate", () => {
  it.scopedLive("prints a flag's value for an entity, from a document", () =>
    Effect.gen(function* () {
      const folder = yield* files
      const human = yield* run(["evaluate", "theme", ...user, "--file", "flags.json"], { folder })
      expect(human).toEqual({
        code: 0,
        stderr: "",
        stdout:
          'Flag        theme\nResult      dark\nReason      match of segment pro-adults\nAttachment  {"accent":"teal","size":2}\n'
      })
      const json = yield* run(["evaluate", "--json", "-e", "user-42", "--file", "flags.json", "theme"], { folder })
      expect(JSON.parse(json.stdout)).toEqual({
        flagKey: "theme",
        match: false,
        reason: "DEFAULT_EVALUATION_REASON",
        segmentKeys: [],
        type: "VARIANT_FLAG_TYPE",
        variantAttachment: '{"accent":null}',
        variantKey: "light"
      })
    })
  )

  it.scopedLive("prints all values, from features.yml and from a server", () =>
    Effect.gen(function* () {
      const folder = yield* files
      const fromFeatures = yield* run(["evaluate", "--all", ...user, "--features", "features.yml"], { folder })
      expect(fromFeatures.code).toBe(0)
      expect(fromFeatures.stdout.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
        ["FLAG", "TYPE", "RESULT", "REASON"],
        ["theme", "variant", "dark", "match of segment pro"],
        ["new-checkout", "boolean", "false", "no match, so the default counts"],
        [""]
      ])
      const server = yield* FliptServer.make({ token: { kind: "client", value: "s3cret" } })
      yield* server.setDocument(documentOf({ checkout: true }), { environment: "staging", namespace: "shop" })
      writeFileSync(join(folder, "token"), "s3cret\n")
      const source = ["--url", server.url, "--environment", "staging", "--token-file", join(folder, "token")]
      const fromServer = yield* run(["evaluate", "--all", "--json", ...user, ...source], {
        variables: { FLIPT_NAMESPACE: "shop" }
      })
      expect(JSON.parse(fromServer.stdout)).toMatchObject([
        { flagKey: "theme", variantKey: "dark" },
        { flagKey: "new-checkout", enabled: true }
      ])
      yield* server.awaitConnections(0)
    })
  )
})

describe("explain", () => {
  it.scopedLive("prints every step, as text and as JSON", () =>
    Effect.gen(function* () {
      const folder = yield* files
      const source = ["--file", "flags.json"]
      const human = yield* run(["explain", "theme", "-e", "user-42", "-c", "plan=pro", "-c", "age=17", ...source], {
        folder
      })
      expect(human.code).toBe(0)
      expect(human.stdout).toContain('Result     variant "light"')
      expect(human.stdout).toContain('fails  age >= 18, the request has "17"')
      const context = '{"plan":"pro","age":30}'
      const json = yield* run(["explain", "theme", "-e", "user-42", "--context", context, ...source, "--json"], {
        folder
      })
      expect(JSON.parse(json.stdout)).toMatchObject({
        _tag: "Variant",
        namespace: "shop",
        request: { context: { plan: "pro", age: 30 } },
        result: { variantKey: "dark" }
      })
    })
  )
})

describe("list", () => {
  it.scopedLive("prints flags as a table, and as JSON", () =>
    Effect.gen(function* () {
      const folder = yield* files
      const human = yield* run(["list", "--file", "flags.json"], { folder })
      expect(human.stdout).toBe(
        [
          "FLAG          TYPE     STATE     DEFAULT  DESCRIPTION",
          "theme         variant  enabled   light    The colors of the shop",
          "new-checkout  boolean  disabled  false",
          ""
        ].join("\n")
      )
      const json = yield* run(["list", "--features", "features.yml", "--json"], { folder })
      expect(JSON.parse(json.stdout)).toMatchObject([{ key: "theme" }, { key: "new-checkout" }])
    })
  )

  it.scopedLive.skipIf(noTerminal !== undefined)("fits the width of a terminal, and has colors only there", () =>
    Effect.gen(function* () {
      const folder = yield* files
      const terminal = yield* runInTerminal(44, ["list", "--file", "flags.json"], { folder })
      expect(terminal.code).toBe(0)
      expect(terminal.stdout).toContain("\u001b[1m")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colors
      const lines = terminal.stdout.replace(/\u001b\[\d+m/g, "").split("\r\n")
      expect(lines[1]).toMatch(/^theme .*…$/)
      expect(lines.every((line) => line.length <= 44)).toBe(true)
      const plain = yield* runInTerminal(44, ["list", "--file", "flags.json"], {
        folder,
        variables: { NO_COLOR: "1" }
      })
      expect(plain.stdout).not.toContain("\u001b")
    })
  )
})

describe("lint", () => {
  it.scopedLive("fails if there are findings", () =>
    Effect.gen(function* () {
      const folder = yield* files
      const clean = yield* run(["lint", "--file", "flags.json"], { folder })
      expect(clean).toMatchObject({ code: 0, stdout: "" })
      const found = yield* run(["lint", "--file", "other.json"], { folder })
      expect(found.code).toBe(1)
      expect(found.stdout).toContain('flag "broken", rollout 1, segment "adults", constraint 1')
      const json = yield* run(["lint", "--file", "other.json", "--json"], { folder })
      expect([json.code, JSON.parse(json.stdout)]).toMatchObject([
        1,
        {
          problems: [],
          findings: expect.arrayContaining([expect.objectContaining({ kind: "Number", namespace: "shop" })])
        }
      ])
    })
  )

  it.scopedLive("prints problems of features.yml with file, line and column", () =>
    Effect.gen(function* () {
      const folder = yield* files
      writeFileSync(join(folder, "features.yml"), features.replace("enabled: true", 'enabled: "yes"'))
      const found = yield* run(["lint", "--features", "."], { folder })
      expect(found.code).toBe(1)
      expect(found.stdout).toContain('features.yml:6:14: error: enabled must be true or false, not the string "yes"')
    })
  )
})

describe("snapshot", () => {
  it.scopedLive("writes the server's document, and a seed that other commands read", () =>
    Effect.gen(function* () {
      const folder = yield* files
      const server = yield* FliptServer.make({ documents: { shop: documentOf() } })
      const source = ["--url", server.url, "-n", "shop"]
      const document = yield* run(["snapshot", "--output", "out.json", ...source], { folder })
      expect(document).toMatchObject({ code: 0, stdout: "" })
      expect(JSON.parse(readFileSync(join(folder, "out.json"), "utf8"))).toMatchObject({
        namespace: { key: "shop" },
        flags: [{ key: "theme", rules: [{ segments: [{ key: "pro-adults" }] }] }, { key: "new-checkout" }]
      })
      const seed = yield* run(["snapshot", "--seed", "--file", "out.json"], { folder })
      writeFileSync(join(folder, "out.seed"), seed.stdout)
      const listed = yield* run(["list", "--file", "out.seed", "--json"], { folder })
      expect(JSON.parse(listed.stdout)).toMatchObject([{ key: "theme" }, { key: "new-checkout" }])
    })
  )
})

describe("diff", () => {
  it.scopedLive("prints which flags differ, and how", () =>
    Effect.gen(function* () {
      const folder = yield* files
      const files_ = yield* run(["diff", "flags.json", "other.json"], { folder })
      expect(files_.code).toBe(1)
      expect(files_.stdout).toBe(
        [
          "~ theme (variant flag)",
          '    rule 1, segment "pro-adults", constraint 2: age >= 18 (number) -> age >= 21 (number)',
          '    rule 1, split: "dark" 70 %, "light" 30 % -> "dark" 50 %, "light" 50 %',
          "+ broken (boolean flag) only in other.json",
          ""
        ].join("\n")
      )
      expect(files_.stderr).toContain("2 flags of 3 differ")
    })
  )

  it.scopedLive("compares environments with each other, and a file with the server", () =>
    Effect.gen(function* () {
      const folder = yield* files
      const server = yield* FliptServer.make({ defaultEnvironment: "staging" })
      yield* server.setDocument(documentOf(), { environment: "staging", namespace: "shop" })
      yield* server.setDocument(documentOf({ checkout: true }), { environment: "production", namespace: "shop" })
      const options = { folder, variables: { FLIPT_URL: server.url, FLIPT_NAMESPACE: "shop" } }
      const environments = yield* run(["diff", "env:staging/shop", "env:production", "--json"], options)
      expect([environments.code, JSON.parse(environments.stdout)]).toEqual([
        1,
        [
          {
            flag: "new-checkout",
            type: "boolean",
            change: "changed",
            differences: [{ place: "value if no rollout matches", a: "false", b: "true" }]
          }
        ]
      ])
      const same = yield* run(["diff", "flags.json", "server"], options)
      expect(same).toMatchObject({ code: 0, stdout: "", stderr: expect.stringContaining("2 flags compared") })
    })
  )
})

describe("watch", () => {
  it.scopedLive("prints status, changes and values as they happen, until Ctrl-C", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { shop: documentOf() } })
      const watching = yield* start(["watch", "--url", server.url, "-n", "shop", ...user, "--json"])
      const events = () =>
        watching
          .stdout()
          .split("\n")
          .slice(0, -1)
          .map((line) => JSON.parse(line) as { readonly event: string; readonly flag?: string })
      yield* until(() => events().filter(({ event }) => event === "value").length === 2)
      yield* server.awaitStreams(1)
      yield* server.setDocument(documentOf({ checkout: true }), { namespace: "shop" })
      yield* until(() => events().filter(({ event }) => event === "value").length === 3)
      yield* until(() => events().some(({ event }) => event === "changes"))
      expect(events()).toContainEqual(
        expect.objectContaining({ event: "changes", added: [], removed: [], changed: ["new-checkout"] })
      )
      expect(
        events()
          .filter(({ event }) => event === "value")
          .at(-1)
      ).toMatchObject({
        flag: "new-checkout",
        result: { enabled: true }
      })
      expect(events()[0]).toMatchObject({ event: "status", status: "Ready" })
      watching.child.kill("SIGINT")
      expect(yield* watching.ended).toEqual({ code: 130 })
      yield* server.awaitConnections(0)
    })
  )

  it.scopedLive("follows a file", () =>
    Effect.gen(function* () {
      const folder = yield* files
      const path = join(folder, "features.yml")
      const watching = yield* start(["watch", "new-checkout", "-e", "user-42", "--features", path])
      yield* until(() => watching.stdout().includes("new-checkout: false"))
      Folder.replace(path, features.replace("enabled: false", "enabled: true"))
      yield* until(() => watching.stdout().includes(" -> true (no match, so the default counts)"))
      expect(watching.stdout()).toMatch(/^\d\d:\d\d:\d\d {2}changes {2}~ new-checkout$/m)
    })
  )
})

describe("doctor", () => {
  it.scopedLive("checks every step to a server", () =>
    Effect.gen(function* () {
      const token = "t0p-s3cret"
      const server = yield* FliptServer.make({
        token: { kind: "client", value: token },
        documents: { shop: documentOf() }
      })
      const variables = { FLIPT_URL: server.url, FLIPT_NAMESPACE: "shop", FLIPT_CLIENT_TOKEN: token }
      const healthy = yield* run(["doctor"], { variables })
      const states = Array.from(healthy.stdout.matchAll(/^(\w+) +(\w+) /gm), ([, state, name]) => [name, state])
      expect([healthy.code, Object.fromEntries(states)]).toEqual([
        0,
        {
          versions: "ok",
          engine: "ok",
          target: "ok",
          DNS: "skipped",
          TCP: "ok",
          TLS: "skipped",
          request: "ok",
          ETag: "ok",
          clock: "ok",
          stream: "ok",
          flags: "ok",
          lint: "ok"
        }
      ])
      yield* server.setToken({ kind: "client", value: "another" })
      const refused = yield* run(["doctor", "--json", "--log-level", "debug"], { variables })
      expect([refused.code, JSON.parse(refused.stdout)]).toMatchObject([
        1,
        expect.arrayContaining([
          expect.objectContaining({
            name: "request",
            state: "problem",
            advice: expect.stringContaining("FLIPT_CLIENT_TOKEN")
          })
        ])
      ])
      expect(healthy.stdout + healthy.stderr + refused.stdout + refused.stderr).not.toContain(token)
    })
  )
})

describe("doctor, over TLS", () => {
  it.scopedLive("reports what is wrong with a certificate, and which chain is accepted", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.make
      const authority = yield* Certificates.authority("Shop CA")
      const issued = yield* authority.issue({ name: "flipt", hosts: Certificates.loopback, days: 300 })
      const server = yield* FliptServer.make({
        tls: issued,
        version: "v1",
        documents: { default: documentOf({ namespace: "default" }) }
      })
      const checksOf = (stdout: string) =>
        new Map(
          (JSON.parse(stdout) as ReadonlyArray<{ readonly name: string; readonly state: string }>).map(
            (check) => [check.name, check] as const
          )
        )
      const unknown = yield* run(["doctor", "--json", "--url", server.url])
      expect(unknown.code).toBe(1)
      expect(checksOf(unknown.stdout).get("TLS")).toMatchObject({
        state: "problem",
        text: expect.stringContaining("UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
        advice: expect.stringContaining("--ca-cert-file")
      })
      writeFileSync(join(folder, "ca.pem"), authority.cert)
      const trusted = yield* run(["doctor", "--json", "--url", server.url, "--ca-cert-file", join(folder, "ca.pem")])
      expect(trusted).toMatchObject({ code: 0, stderr: "" })
      const checks = checksOf(trusted.stdout)
      expect(checks.get("TLS")).toMatchObject({
        state: "ok",
        text: expect.stringMatching(/^TLSv1\.3, flipt < Shop CA, valid for 29[89] more days$/)
      })
      expect(checks.get("stream")).toMatchObject({ state: "skipped", text: expect.stringContaining("Flipt v1") })
    })
  )
})

describe("errors", () => {
  it.scopedLive("go to standard error, with exit codes", () =>
    Effect.gen(function* () {
      const folder = yield* files
      writeFileSync(join(folder, "bad.json"), '{"namespace":{"key":"shop"},"flags":[1]}')
      const server = yield* FliptServer.make()
      yield* server.stop
      const cases: ReadonlyArray<readonly [code: number, args: ReadonlyArray<string>, message: RegExp]> = [
        [2, ["evaluate", "theme", "--file", "flags.json"], /--entity/],
        [2, ["evaluate", "theme", ...user, "--fil", "flags.json"], /--fil is not an option|unknown argument/],
        [2, ["frobnicate"], /^error: .*'evaluate'.*\nsee flipt-client --help\n$/],
        [2, ["diff", "flags.json", "production"], /no file or folder "production".* write env:production/],
        [2, ["list", "--token=s3cret"], /^error: --token is not an option.* set FLIPT_CLIENT_TOKEN/],
        [3, ["evaluate", "thème", ...user, "--file", "flags.json"], /did you mean theme\?/],
        [4, ["list", "--file", "no.json"], /no\.json cannot be read/],
        [4, ["list", "--url", server.url], /environment default, namespace default: .*ECONNREFUSED.*\nhint: .*doctor/],
        [5, ["list", "--file", "bad.json"], /file bad\.json: .*flags/]
      ]
      for (const [code, args, message] of cases) {
        const outcome = yield* run(args, { folder })
        expect([args, outcome.code, outcome.stdout]).toEqual([args, code, ""])
        expect(outcome.stderr).toMatch(message)
      }
    })
  )
})

describe("text from outside", () => {
  it.scopedLive("is escaped in all output", () =>
    Effect.gen(function* () {
      const folder = yield* files
      const key = hostileDocument.flags[0]!.key
      const source = ["--file", "hostile.json"]
      for (const args of [
        ["evaluate", "--all", "-e", "u", ...source],
        ["explain", key, "-e", "u", ...source],
        ["explain", key, "-e", "u", "--json", ...source],
        ["generate", ...source],
        ["diff", "flags.json", "hostile.json"],
        ["evaluate", `${key}!`, "-e", "u", ...source]
      ]) {
        const { stderr, stdout } = yield* run(args, { folder })
        expect([args[0], (stdout + stderr).length > 50]).toEqual([args[0], true])
        expect([args[0], controls.exec(stdout + stderr)]).toEqual([args[0], null])
      }
    })
  )
})

describe("a terminal", () => {
  it.scopedLive.skipIf(noTerminal !== undefined)("shows progress for slow requests only", () =>
    Effect.gen(function* () {
      const server = yield* FliptServer.make({ documents: { default: documentOf({ namespace: "default" }) } })
      const release: Array<() => void> = []
      yield* server.fail(Fault.own(({ proceed }) => void release.push(proceed)))
      const slow = yield* startInTerminal(80, ["list", "--url", server.url])
      yield* until(() => release.length > 0 && slow.stdout().includes("Fetching the flags"))
      release.forEach((proceed) => {
        proceed()
      })
      expect((yield* slow.ended).code).toBe(0)
      expect(slow.stdout().split("\r\u001b[K")[1]).toContain("FLAG")
    })
  )
})

describe("help", () => {
  it.live("describes every command in 80 columns", () =>
    Effect.gen(function* () {
      const root = yield* run(["--help"])
      expect([root.code, root.stderr]).toEqual([0, ""])
      expect(root.stdout).toContain("EXIT CODES")
      const command = yield* run(["help", "explain"])
      expect(command.stdout).toMatch(/^flipt-client explain <flag> --entity id \[options\]\n/)
      expect(command.stdout).toContain("--url url")
      for (const line of [...root.stdout.split("\n"), ...command.stdout.split("\n")]) {
        expect(line.length).toBeLessThanOrEqual(80)
      }
    })
  )

  it.scopedLive.skipIf(noTerminal !== undefined)("includes completions for bash", () =>
    Effect.gen(function* () {
      const script = join(yield* Folder.make, "completions")
      writeFileSync(script, (yield* run(["--completions", "bash"])).stdout)
      const complete = (words: ReadonlyArray<string>) =>
        execFileSync(
          "bash",
          [
            "-c",
            `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _flipt-client_bash_completions "$1"; echo "\${COMPREPLY[@]}"`,
            script,
            ...words
          ],
          { encoding: "utf8" }
        ).trim()
      expect(complete(["flipt-client", "ex"])).toBe("explain")
      expect(complete(["flipt-client", "explain", "--en"])).toBe("--entity --environment")
    })
  )
})

describe("the bundle", () => {
  it("has the licences of what it contains", () => {
    const licences = readFileSync(new URL("../dist/LICENSES.txt", import.meta.url), "utf8")
    for (const name of ["effect", "@effect/cli", "@effect/platform", "yaml"]) {
      expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, "m"))
    }
  })
})
