import * as Context from "effect/Context"
import type { Service } from "../../FliptClient.js"

export class FliptClient extends Context.Tag("flipt-client-effect/FliptClient")<FliptClient, Service>() {}
