/**
 * Options and arguments that commands share.
 */
import * as Args from "@effect/cli/Args"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Text from "./text.js"

/** An optional string. */
const text = (name: string, placeholder: string, description: string): Options.Options<string | undefined> =>
  Options.text(name).pipe(
    Options.withPseudoName(placeholder),
    Options.withDescription(description),
    Options.optional,
    Options.map(Option.getOrUndefined)
  )

/** Rejects arguments that look like options, because the parser treats unknown options as arguments. */
const positional = (name: string, description: string): Args.Args<string> =>
  Args.text({ name }).pipe(
    Args.withDescription(description),
    Args.mapEffect((value) =>
      value.startsWith("-") && !process.argv.includes("--")
        ? Effect.fail(HelpDoc.p(`${Text.plain(value, 100)} is not an option of this command, or its value is missing`))
        : Effect.succeed(value)
    )
  )

export const json: Options.Options<boolean> = Options.boolean("json").pipe(
  Options.withDescription("Print JSON, for programs.")
)

const file = text("file", "path", "Read flags from a snapshot document or a seed.")

const features = text("features", "path", "Read flags from features.yml, or from a folder of such files.")

/** Where the server is, and how to reach it. */
export const server = {
  url: text("url", "url", "The server's base URL. Default: http://localhost:8080. [FLIPT_URL]"),
  environment: text("environment", "key", "The environment. Default: default. [FLIPT_ENVIRONMENT]"),
  namespace: text(
    "namespace",
    "key",
    "The namespace. Default: default, or the one in the file. [FLIPT_NAMESPACE]"
  ).pipe(Options.withAlias("n")),
  reference: text("reference", "name", "The branch, tag or commit (Flipt v1). [FLIPT_REFERENCE]"),
  tokenFile: text("token-file", "path", "Read the client token from this file. [FLIPT_CLIENT_TOKEN: the token]"),
  jwtFile: text("jwt-file", "path", "Read a JWT from this file. [FLIPT_JWT_TOKEN: the JWT]"),
  caCertFile: text("ca-cert-file", "path", "Also trust the authorities in this file. [FLIPT_CA_CERT_FILE]"),
  clientCertFile: text("client-cert-file", "path", "The client certificate. [FLIPT_CLIENT_CERT_FILE]"),
  clientKeyFile: text("client-key-file", "path", "The key of the client certificate. [FLIPT_CLIENT_KEY_FILE]"),
  insecureSkipVerify: Options.boolean("insecure-skip-verify").pipe(
    Options.withDescription("Accept any server certificate. [FLIPT_INSECURE_SKIP_VERIFY]")
  ),
  proxy: text("proxy", "url", "Connect through this proxy. [FLIPT_PROXY]"),
  requestTimeout: text(
    "request-timeout",
    "duration",
    'Such as "5 seconds". Default: 30 seconds. [FLIPT_REQUEST_TIMEOUT]'
  )
}

export const source = { file, features, ...server }

const context = Options.text("context").pipe(
  Options.withAlias("c"),
  Options.withPseudoName("name=value"),
  Options.withDescription(
    "A property of the entity. Repeat it, list several pairs (-c plan=pro country=DE), or give a JSON object."
  ),
  Options.repeated
)

const ENTITY = "The id of the entity, such as a user's."

export const entity = {
  entity: Options.text("entity").pipe(
    Options.withAlias("e"),
    Options.withPseudoName("id"),
    Options.withDescription(ENTITY)
  ),
  context
}

export const optionalEntity = {
  entity: text("entity", "id", `${ENTITY} Print its values, for the given flags or all flags.`).pipe(
    Options.withAlias("e")
  ),
  context
}

export const flag: Args.Args<string> = positional("flag", "The key of the flag.")

export const optionalFlag: Args.Args<string | undefined> = flag.pipe(Args.optional, Args.map(Option.getOrUndefined))

export const flags: Args.Args<ReadonlyArray<string>> = flag.pipe(Args.repeated)

export const sides = {
  a: positional(
    "a",
    "What to compare: server, env:NAME, env:NAME/NAMESPACE, or the path of a document, a seed or features.yml."
  ),
  b: positional("b", "What to compare it with, in the same form.")
}

export const all: Options.Options<boolean> = Options.boolean("all").pipe(
  Options.withAlias("a"),
  Options.withDescription("Evaluate every flag of the namespace.")
)

export const seed: Options.Options<boolean> = Options.boolean("seed").pipe(
  Options.withDescription("Write a seed instead of a document, for the option snapshot of any Flipt client.")
)

export const output: Options.Options<string | undefined> = text(
  "output",
  "path",
  "Write to this file instead of standard output."
).pipe(Options.withAlias("o"))

export const follow = {
  fetchMode: Options.choice("fetch-mode", ["polling", "streaming"]).pipe(
    Options.withDescription("How to follow a server. Default: streaming. [FLIPT_FETCH_MODE]"),
    Options.optional,
    Options.map(Option.getOrUndefined)
  ),
  updateInterval: text(
    "update-interval",
    "duration",
    'How often to poll, such as "10 seconds". Default: 2 minutes. [FLIPT_UPDATE_INTERVAL]'
  )
}
