import * as Context from "effect/Context"
import type { Service } from "../../Engine.js"

export class Engine extends Context.Tag("flipt-client-effect/Engine")<Engine, Service>() {}
