import * as Context from "effect/Context"
import type { Service } from "../../Auth.js"

export class Auth extends Context.Tag("flipt-client-effect/Auth")<Auth, Service>() {}
