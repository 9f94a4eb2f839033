/**
 * The flags of the workloads for flagd: (a) `fractional`; (b) `if` with three conditions, then `fractional`; (c) `if`
 * with five conditions.
 */
import { countries, type FlagOfKind, groups, type Kind, variants } from "./workloads.js"

const reads = (name: string) => ({ var: name })

const boolean = (targeting: object) => ({
  state: "ENABLED",
  variants: { on: true, off: false },
  defaultVariant: "off",
  targeting
})

const makers: Readonly<Record<Kind, () => object>> = {
  boolean: () =>
    boolean({
      fractional: [
        ["on", 50],
        ["off", 50]
      ]
    }),
  variant: () => ({
    state: "ENABLED",
    variants: Object.fromEntries([...variants, "none"].map((key) => [key, key])),
    defaultVariant: "none",
    targeting: {
      if: [
        {
          and: [{ "==": [reads("plan"), "pro"] }, { ">": [reads("age"), 18] }, { in: [reads("country"), countries] }]
        },
        { fractional: variants.map((key, place) => [key, place === 2 ? 3334 : 3333]) },
        "none"
      ]
    }
  }),
  segments: () => boolean({ if: [...groups.flatMap((group) => [{ "==": [reads("group"), group] }, "on"]), "off"] })
}

export const flagdDocument = (flags: ReadonlyArray<FlagOfKind>) => ({
  flags: Object.fromEntries(flags.map(({ key, kind }) => [key, makers[kind]()]))
})
