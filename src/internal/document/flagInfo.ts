import type { FlagInfo } from "../../Model.js"
import type * as Definition from "./definition.js"

/** A flag as `listFlags` returns it. */
export const toFlagInfo = (flag: Definition.Flag): FlagInfo =>
  Object.freeze({
    key: flag.key,
    enabled: flag.enabled,
    type: flag.boolean ? "BOOLEAN_FLAG_TYPE" : "VARIANT_FLAG_TYPE",
    ...(flag.description === undefined ? {} : { description: flag.description }),
    ...(flag.defaultVariant === undefined
      ? {}
      : {
          defaultVariant: Object.freeze({
            id: flag.defaultVariant.id,
            key: flag.defaultVariant.key,
            ...(flag.defaultVariant.attachment === undefined ? {} : { attachment: flag.defaultVariant.attachment })
          })
        })
  })
