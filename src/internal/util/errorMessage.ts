import { printable } from "./outsideText.js"

/** How much a message shows of the error of another library. */
const MAX_MESSAGE = 1000

/** The message of an error, or the text of any other thrown value, fit for a message. */
export const errorMessage = (error: unknown): string =>
  printable(error instanceof Error ? error.message : String(error), MAX_MESSAGE)
