/**
 * Typed flags: declared once with their types and defaults, and read without an error to handle.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Engine from "flipt-client-effect/Engine"
import * as Fetcher from "flipt-client-effect/Fetcher"
import * as Flag from "flipt-client-effect/Flag"
import * as FliptClient from "flipt-client-effect/FliptClient"

// Usually a separate module that declares all flags of the program.

const Checkout = Flag.boolean("new-checkout", { default: false })

const Theme = Flag.variant("theme", ["plain", "light", "dark"], { default: "plain" })

const Colors = Flag.json("theme", Schema.Struct({ accent: Schema.Literal("teal", "navy", "grey") }), {
  default: { accent: "grey" }
})

// The next two declarations do not match the server.

const Banner = Flag.boolean("banner", { default: true })

const OldTheme = Flag.variant("theme", ["plain", "dark"], { default: "plain" })

/** Responds to a request. The user comes from the context. */
const page = Effect.gen(function* () {
  const checkout = yield* Checkout.get()
  const theme = yield* Theme.get()
  const { accent } = yield* Colors.get()
  return `checkout ${checkout ? "new" : "old"}, theme ${theme}, accent ${accent}`
})

const handle = (userId: string, plan: string) =>
  page.pipe(Effect.provideService(Flag.Entity, { entityId: userId, context: { plan, beta: userId === "user-42" } }))

const program = Effect.gen(function* () {
  yield* Console.log(`user-42: ${yield* handle("user-42", "pro")}`)
  yield* Console.log(`user-7: ${yield* handle("user-7", "free")}`)

  const user = { entityId: "user-42", context: { plan: "pro" } }
  const { error, reason, value, variant } = yield* OldTheme.detail(user)
  yield* Console.log(`old theme: ${value}, ${reason}, since Flipt says ${variant}: ${error?._tag}`)
  yield* Console.log(`banner: ${yield* Banner.get(user)}`)

  // many flags of one state, without an effect for each
  const client = yield* FliptClient.FliptClient
  const snapshot = yield* client.snapshot
  const themes = ["user-1", "user-2", "user-3"].map((entityId) => Theme.read(snapshot, { ...user, entityId }))
  yield* Console.log(`themes: ${themes.join(", ")}`)

  for (const { flag, message, reason } of yield* Flag.validate([Checkout, Theme, Colors, Banner, OldTheme])) {
    yield* Console.log(`${flag}: ${reason}: ${message}`)
  }
})

const Flipt = Flag.layerValidate([Checkout, Theme, Colors], { onMismatch: "fail" }).pipe(
  Layer.provideMerge(FliptClient.layerWithoutDependencies()),
  Layer.provide([Engine.layer, Fetcher.layerFile("examples/flags.json")])
)

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Flipt)))
