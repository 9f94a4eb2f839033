import * as Context from "effect/Context"
import type { Service } from "../Connection.js"

export class Connection extends Context.Tag("@flipt-client-effect/redis/Connection")<Connection, Service>() {}
