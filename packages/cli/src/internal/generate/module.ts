/**
 * A TypeScript module that declares the flags of a namespace.
 */
import type { Definition, Variant } from "../definitions.js"
import * as Text from "../text.js"
import { makeNames } from "./names.js"
import { literalOf, schemaOf } from "./schema.js"

const quote = (text: string): string => Text.jsonText(JSON.stringify(text.toWellFormed()))

/** A description as the text of a comment, which must not end the comment. */
const commentOf = ({ description, key }: Definition): string =>
  Text.plain(description === undefined || description.trim() === "" ? key : description.trim()).replaceAll("*/", "* /")

/** Every variant that a result can have, the default variant first. */
const variantsOf = ({ defaultVariant, rules }: Definition): ReadonlyArray<Variant> => [
  ...(defaultVariant === undefined ? [] : [defaultVariant]),
  ...rules.flatMap(({ distributions }) =>
    distributions.map(({ attachment, variantKey }) => ({ key: variantKey, attachment }))
  )
]

/** The decoded attachments, or `undefined` if there are none or one of them is not JSON. */
const attachmentsOf = (variants: ReadonlyArray<Variant>): ReadonlyMap<string, unknown> | undefined => {
  const values = new Map<string, unknown>()
  for (const { attachment } of variants) {
    if (attachment !== undefined && !values.has(attachment)) {
      try {
        values.set(attachment, JSON.parse(attachment))
      } catch {
        return undefined
      }
    }
  }
  return values.size === 0 ? undefined : values
}

type Names = ReturnType<typeof makeNames>

const writeBoolean = (definition: Definition, name: string): string =>
  `/** ${commentOf(definition)} */\nexport const ${name} = Flag.boolean(${quote(definition.key)}, { default: false })`

const writeVariant = (definition: Definition, names: Names): string => {
  const key = quote(definition.key)
  const variants = variantsOf(definition)
  const keys = [...new Set(variants.map((variant) => variant.key))]
  const comment = commentOf(definition)
  if (keys.length === 0) {
    return `// ${comment}: no variant to declare, since no rule gives one and there is no default variant`
  }
  const attachments = attachmentsOf(variants)
  const name = attachments === undefined ? names(definition.key) : names(definition.key, "Attachment", "Value")
  const declaration = `/** ${comment} */\nexport const ${name} = Flag.variant(${key}, [${keys.map(quote).join(", ")}], {\n  default: ${quote(keys[0] as string)}\n})`
  if (attachments === undefined) {
    return variants.some(({ attachment }) => attachment !== undefined)
      ? `${declaration}\n// An attachment of this flag is not JSON, so there is no Schema for it.`
      : declaration
  }
  // The declared default must decode, too; a default variant without an attachment has none.
  const first = variants.find(({ attachment }) => attachment !== undefined)?.attachment as string
  return [
    declaration,
    `/** The attachments of ${name}, as they are now: rename and refine this Schema. */\nexport const ${name}Attachment = ${Text.jsonText(schemaOf([...attachments.values()]))}`,
    `/** The attachment of ${name} */\nexport const ${name}Value = Flag.json(${key}, ${name}Attachment, {\n  default: ${Text.jsonText(literalOf(attachments.get(first)))}\n})`
  ].join("\n\n")
}

/** The module's text. `source` says where the flags come from, escaped. */
export const writeModule = (definitions: ReadonlyArray<Definition>, source: string): string => {
  const names = makeNames()
  const declarations = definitions.map((definition) =>
    definition.isBoolean ? writeBoolean(definition, names(definition.key)) : writeVariant(definition, names)
  )
  const body = declarations.join("\n\n")
  const imports = [
    ...(body.includes("Schema.") ? [`import * as Schema from "effect/Schema"`] : []),
    ...(body.includes("= Flag.") ? [`import * as Flag from "flipt-client-effect/Flag"`] : [])
  ]
  return `${[
    `/**\n * The flags of ${source.replaceAll("*/", "* /")}.\n *\n * Written by flipt-client generate. A default counts while Flipt cannot be reached: check each of them.\n */`,
    ...(imports.length === 0 ? ["export {}"] : [imports.join("\n")]),
    ...(body === "" ? [] : [body])
  ].join("\n\n")}\n`
}
