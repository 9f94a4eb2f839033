import * as Context from "effect/Context"
import type * as Model from "../../Model.js"

export class Entity extends Context.Tag("flipt-client-effect/Flag/Entity")<Entity, Model.Entity>() {}
