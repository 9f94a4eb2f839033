// @ts-check
/** Prints the platforms for the matrix of the release workflow. */
import { platforms } from "./platforms.mjs"

console.log(`platforms=${JSON.stringify(platforms.map(({ id, runner }) => ({ id, runner })))}`)
