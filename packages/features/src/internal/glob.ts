/**
 * The globs of `.flipt.yml`, with Flipt's syntax (the Go package gobwas/glob, without separators): `*` and `**` match any
 * text, including `/`, `?` one character, `[abc]`, `[a-z]` and `[!a]` one of a set, `{a,b}` one of several patterns. `\`
 * escapes a character.
 *
 * All states of a match advance together, so the time is at most proportional to the pattern's length times the path's.
 */
import * as Either from "effect/Either"

/** A state that consumes a character that passes the test, or advances without consuming one. */
type State =
  | { readonly _tag: "Character"; readonly accepts: (character: string) => boolean; next: number }
  | { readonly _tag: "Split"; readonly targets: Array<number> }
  | { readonly _tag: "End" }

export type Glob = (path: string) => boolean

const MAX_LENGTH = 1000

interface Compiler {
  readonly characters: ReadonlyArray<string>
  readonly states: Array<State>
  at: number
  depth: number
}

const problem = (message: string) => Either.left(message)

/** Reads the rest of `[…]` after the opening bracket. */
const readSet = (compiler: Compiler): Either.Either<(character: string) => boolean, string> => {
  const { characters } = compiler
  const negated = characters[compiler.at] === "!"
  if (negated) {
    compiler.at++
  }
  const ranges: Array<readonly [string, string]> = []
  for (;;) {
    let first = characters[compiler.at++]
    if (first === "]" && ranges.length > 0) {
      break
    }
    if (first === "\\") {
      first = characters[compiler.at++]
    }
    if (first === undefined || first === "]") {
      return problem(first === "]" ? "the set [] is empty" : "a [ has no ]")
    }
    const last = characters[compiler.at + 1]
    if (characters[compiler.at] === "-" && last !== undefined && last !== "]") {
      compiler.at += 2
      ranges.push([first, last])
    } else {
      ranges.push([first, first])
    }
  }
  return Either.right((character) => ranges.some(([from, to]) => from <= character && character <= to) !== negated)
}

/** Reads a sequence up to the end, or in braces up to `,` or `}`. Its last state has no successor yet. */
const readSequence = (compiler: Compiler): Either.Either<void, string> => {
  const { characters, states } = compiler
  const character = (accepts: (character: string) => boolean) => {
    states.push({ _tag: "Character", accepts, next: states.length + 1 })
  }
  while (compiler.at < characters.length) {
    const read = characters[compiler.at++]!
    if (read === "*") {
      const loop = states.length
      states.push({ _tag: "Split", targets: [loop + 1, loop + 2] })
      states.push({ _tag: "Character", accepts: () => true, next: loop })
    } else if (read === "?") {
      character(() => true)
    } else if (read === "[") {
      const set = readSet(compiler)
      if (Either.isLeft(set)) {
        return Either.left(set.left)
      }
      character(set.right)
    } else if (read === "{") {
      const alternatives = readAlternatives(compiler)
      if (Either.isLeft(alternatives)) {
        return alternatives
      }
    } else if (compiler.depth > 0 && (read === "," || read === "}")) {
      compiler.at--
      return Either.void
    } else {
      const literal = read === "\\" ? characters[compiler.at++] : read
      if (literal === undefined) {
        return problem("it ends in a \\ that escapes nothing")
      }
      character((other) => other === literal)
    }
  }
  return compiler.depth > 0 ? problem("a { has no }") : Either.void
}

const readAlternatives = (compiler: Compiler): Either.Either<void, string> => {
  const { characters, states } = compiler
  const split: State = { _tag: "Split", targets: [] }
  states.push(split)
  const exits: Array<Array<number>> = []
  compiler.depth++
  do {
    split.targets.push(states.length)
    const sequence = readSequence(compiler)
    if (Either.isLeft(sequence)) {
      return sequence
    }
    const targets: Array<number> = []
    states.push({ _tag: "Split", targets })
    exits.push(targets)
  } while (characters[compiler.at++] === ",")
  compiler.depth--
  for (const targets of exits) {
    targets.push(states.length)
  }
  return Either.void
}

export const compile = (pattern: string): Either.Either<Glob, string> => {
  const characters = Array.from(pattern)
  if (characters.length > MAX_LENGTH) {
    return problem(`it is longer than ${MAX_LENGTH} characters`)
  }
  const states: Array<State> = []
  const sequence = readSequence({ characters, states, at: 0, depth: 0 })
  if (Either.isLeft(sequence)) {
    return Either.left(sequence.left)
  }
  states.push({ _tag: "End" })

  /** A set of states, including all states that are reachable without consuming a character. */
  const close = (from: ReadonlyArray<number>): ReadonlySet<number> => {
    const reached = new Set<number>()
    const pending = [...from]
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      const state = states[index]!
      if (!reached.has(index)) {
        reached.add(index)
        if (state._tag === "Split") {
          pending.push(...state.targets)
        }
      }
    }
    return reached
  }

  return Either.right((path) => {
    let current = close([0])
    for (const character of path) {
      const next: Array<number> = []
      for (const index of current) {
        const state = states[index]!
        if (state._tag === "Character" && state.accepts(character)) {
          next.push(state.next)
        }
      }
      current = close(next)
    }
    return current.has(states.length - 1)
  })
}
