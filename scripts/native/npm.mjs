// @ts-check
import { spawnSync } from "node:child_process"
import process from "node:process"

/**
 * Runs npm and returns its output. Throws with the reported error if it fails.
 *
 * @param {ReadonlyArray<string>} args
 * @param {object} [options]
 * @param {string} [options.cwd]
 * @param {NodeJS.ProcessEnv} [options.env]
 */
export const npm = (args, { cwd, env } = {}) => {
  const result = tryNpm(args, { cwd, env })
  if (result.status !== 0) {
    throw new Error(`npm ${args[0]} failed: ${result.stderr.trim()}`)
  }
  return result.stdout
}

/**
 * The same, for a caller that looks at the exit code.
 *
 * @param {ReadonlyArray<string>} args
 * @param {object} [options]
 * @param {string | undefined} [options.cwd]
 * @param {NodeJS.ProcessEnv | undefined} [options.env]
 */
export const tryNpm = (args, { cwd, env } = {}) =>
  spawnSync("npm", args, {
    cwd,
    env: env ?? process.env,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    // npm is a script for the command shell there
    shell: process.platform === "win32"
  })
