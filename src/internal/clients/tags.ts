import * as Context from "effect/Context"
import type { Service } from "../../FliptClients.js"

export class FliptClients extends Context.Tag("flipt-client-effect/FliptClients")<FliptClients, Service>() {}
