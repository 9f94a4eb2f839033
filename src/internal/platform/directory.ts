/**
 * Whole files in a directory that several processes may share.
 */

const temporarySuffix = /\.[0-9a-f-]{36}\.tmp$/

/** A name that no other write and no other process has. */
const temporaryName = async (name: string): Promise<string> =>
  `${name}.${(await import("node:crypto")).randomUUID()}.tmp`

/**
 * A directory, made where there is none. What stands against writing there is told, and does not reject: a temporary
 * file, named after `probe`, finds it out, since the mode of a directory does not say it on every system.
 */
export const openDirectory = async (
  directory: string,
  probe: string
): Promise<{ readonly path: string; readonly unwritable: unknown }> => {
  const [fs, { join, resolve }] = await Promise.all([import("node:fs/promises"), import("node:path")])
  // the process may change its own directory later
  const path = resolve(directory)
  await fs.mkdir(path, { recursive: true, mode: 0o700 })
  const file = join(path, await temporaryName(probe))
  try {
    await (await fs.open(file, "wx", 0o600)).close()
    await fs.rm(file, { force: true })
    return { path, unwritable: undefined }
  } catch (unwritable) {
    return { path, unwritable }
  }
}

/**
 * Removes the temporary files of such names that were last written before then. Others may be at it too, so nothing is
 * an error.
 */
export const removeTemporaryFiles = async (directory: string, names: RegExp, before: number): Promise<void> => {
  const [fs, { join }] = await Promise.all([import("node:fs/promises"), import("node:path")])
  for (const found of await fs.readdir(directory).catch(() => [])) {
    const name = found.replace(temporarySuffix, "")
    if (name !== found && names.test(name)) {
      const path = join(directory, found)
      const { mtimeMs } = await fs.lstat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
      if (mtimeMs < before) {
        await fs.rm(path, { force: true }).catch(() => undefined)
      }
    }
  }
}

/** A whole file; `undefined` where there is none. */
export const readFileIn = async (
  directory: string,
  name: string,
  signal: AbortSignal
): Promise<Uint8Array | undefined> => {
  const [fs, { join }] = await Promise.all([import("node:fs/promises"), import("node:path")])
  try {
    return await fs.readFile(join(directory, name), { signal })
  } catch (error) {
    if ((error as { readonly code?: unknown } | null)?.code === "ENOENT") {
      return undefined
    }
    throw error
  }
}

/**
 * Puts a file in the place of the one before, in one step that others see, and that a crash leaves done or not done.
 * What goes wrong, an abort too, leaves the one before and nothing else.
 */
export const replaceFileIn = async (
  directory: string,
  name: string,
  pieces: ReadonlyArray<Uint8Array>,
  signal: AbortSignal
): Promise<void> => {
  const [fs, { join }] = await Promise.all([import("node:fs/promises"), import("node:path")])
  // someone may have cleaned up since it was opened
  await fs.mkdir(directory, { recursive: true, mode: 0o700 })
  const temporary = join(directory, await temporaryName(name))
  const file = await fs.open(temporary, "wx", 0o600)
  try {
    try {
      for (const piece of pieces) {
        await file.writeFile(piece, { signal })
      }
      await file.sync()
    } finally {
      await file.close()
    }
    signal.throwIfAborted()
    await fs.rename(temporary, join(directory, name))
  } catch (error) {
    await fs.rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
  // Only that the new name outlives a power cut hangs on this, and not every system can do it: Windows opens no
  // directories. Without it the file before may come back, and it is whole as well.
  try {
    const folder = await fs.open(directory, "r")
    await folder.sync().finally(() => folder.close())
  } catch {}
}
