/**
 * One line of a diagnosis.
 */
export interface Check {
  readonly name: string
  readonly state: "ok" | "warning" | "problem" | "skipped"
  /** What was found, escaped. */
  readonly text: string
  /** What to do about it. */
  readonly advice?: string | undefined
}

export const ok = (name: string, text: string): Check => ({ name, state: "ok", text })

export const warning = (name: string, text: string, advice: string): Check => ({
  name,
  state: "warning",
  text,
  advice
})

export const problem = (name: string, text: string, advice?: string): Check => ({
  name,
  state: "problem",
  text,
  advice
})

export const skipped = (name: string, text: string): Check => ({ name, state: "skipped", text })
