import * as Context from "effect/Context"
import type { Service } from "../../Tls.js"

export class Tls extends Context.Tag("flipt-client-effect/Tls")<Tls, Service>() {}
