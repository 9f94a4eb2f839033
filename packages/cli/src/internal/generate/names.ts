/**
 * Derives the names of declarations from flag keys.
 */

const reserved: ReadonlySet<string> = new Set(["Flag", "Schema"])

/** Converts `new-checkout` to `NewCheckout`. Characters that are invalid in identifiers separate words. */
const pascal = (key: string): string => {
  const words = key
    .normalize("NFC")
    .split(/[^\p{ID_Continue}$]+|_+/u)
    .filter((word) => word !== "")
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("")
  return name === "" ? "Flag1" : /^[\p{ID_Start}$]/u.test(name) && !reserved.has(name) ? name : `Flag${name}`
}

const MAX_NAME = 80

/** Gives each key a unique name, in the order of the calls. */
export const makeNames = (): ((key: string, ...suffixes: ReadonlyArray<string>) => string) => {
  const taken = new Set<string>()
  /** The next number to try for each name, so that many equal names take linear time. */
  const next = new Map<string, number>()
  return (key, ...suffixes) => {
    const base = [...pascal(key)].slice(0, MAX_NAME).join("")
    const isFree = (name: string) => ["", ...suffixes].every((suffix) => !taken.has(name + suffix))
    let name = base
    for (let index = next.get(base) ?? 2; !isFree(name); index++) {
      name = `${base}${index}`
      next.set(base, index + 1)
    }
    for (const suffix of ["", ...suffixes]) {
      taken.add(name + suffix)
    }
    return name
  }
}
