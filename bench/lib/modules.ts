/**
 * Loads modules of `bench/build/lib`, either as a copy per subject or in a separate process. Benchmarks run in the root
 * of the checkout.
 */
import { type ChildProcess, fork } from "node:child_process"
import { resolve } from "node:path"
import process from "node:process"
import { pathToFileURL } from "node:url"

const fileOf = (name: string): string => resolve("bench", "build", "lib", `${name}.js`)

/**
 * Imports a copy of a module. V8 optimizes a loop for everything that it has called so far. With a copy per subject, a
 * loop calls only one subject, as in an application.
 */
export const copyOf = <Module>(name: string, subject: string): Promise<Module> =>
  import(`${pathToFileURL(fileOf(name)).href}?of=${encodeURIComponent(subject)}`)

export interface Started<Message> {
  readonly child: ChildProcess
  readonly message: Message
}

/** Runs a module in a separate process, and resolves with the first message that it sends. */
export const start = <Message>(
  name: string,
  args: ReadonlyArray<string>,
  options: { readonly execArgv?: ReadonlyArray<string>; readonly env?: NodeJS.ProcessEnv } = {}
): Promise<Started<Message>> =>
  new Promise((resolve, reject) => {
    const { env = {}, execArgv = [] } = options
    const child = fork(fileOf(name), args, { execArgv: [...execArgv], env: { ...process.env, ...env } })
    child.once("message", (message) => resolve({ child, message: message as Message }))
    child.once("exit", (code) => reject(new Error(`${name} ${args.join(" ")} exited with code ${code}`)))
  })
