import * as Data from "effect/Data"
import type { Status } from "../../Status.js"

export const status: Data.TaggedEnum.Constructor<Status> = Data.taggedEnum<Status>()
