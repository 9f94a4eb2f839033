import { ValidationError } from "../../FliptError.js"

/** The error of a TLS option. The path is the option's full name. */
export const optionError = (
  reason: "Option" | "Certificate",
  path: string,
  problem: string,
  cause?: unknown
): ValidationError =>
  new ValidationError({
    reason,
    path,
    message: `the option ${path} ${problem}`,
    ...(cause === undefined ? {} : { cause })
  })
