/**
 * Atomic reads and writes of files in a directory that several processes may share.
 */

const temporarySuffix = /\.[0-9a-f-]{36}\.tmp$/

/** A name that no other write or process uses. */
const temporaryName = (name: string): string => `${name}.${process.getBuiltinModule("node:crypto").randomUUID()}.tmp`

/**
 * Opens a directory, and creates it if necessary. If it cannot be written, the error is returned, not thrown. A
 * temporary file named after `probe` finds this out, because permission bits are not reliable on every system.
 */
export const openDirectory = async (
  directory: string,
  probe: string
): Promise<{ readonly path: string; readonly unwritable: unknown }> => {
  const fs = process.getBuiltinModule("node:fs/promises")
  const { join, resolve } = process.getBuiltinModule("node:path")
  // The working directory of the process may change later.
  const path = resolve(directory)
  await fs.mkdir(path, { recursive: true, mode: 0o700 })
  const file = join(path, temporaryName(probe))
  try {
    await (await fs.open(file, "wx", 0o600)).close()
    await fs.rm(file, { force: true })
    return { path, unwritable: undefined }
  } catch (unwritable) {
    return { path, unwritable }
  }
}

/**
 * Removes temporary files whose names match and that were last written before the given time. Errors are ignored,
 * because other processes may remove the same files.
 */
export const removeTemporaryFiles = async (directory: string, names: RegExp, before: number): Promise<void> => {
  const fs = process.getBuiltinModule("node:fs/promises")
  const { join } = process.getBuiltinModule("node:path")
  for (const file of await fs.readdir(directory).catch(() => [])) {
    const name = file.replace(temporarySuffix, "")
    if (name !== file && names.test(name)) {
      const path = join(directory, file)
      const { mtimeMs } = await fs.lstat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
      if (mtimeMs < before) {
        await fs.rm(path, { force: true }).catch(() => undefined)
      }
    }
  }
}

/** Reads a file, or returns `undefined` if there is none. */
export const readFileIn = async (
  directory: string,
  name: string,
  signal: AbortSignal
): Promise<Uint8Array | undefined> => {
  const fs = process.getBuiltinModule("node:fs/promises")
  const { join } = process.getBuiltinModule("node:path")
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
 * Replaces a file atomically: readers, and a restart after a crash, find either the old file or the new one. If it
 * fails or is aborted, the old file remains and the temporary file is removed.
 */
export const replaceFileIn = async (
  directory: string,
  name: string,
  pieces: ReadonlyArray<Uint8Array>,
  signal: AbortSignal
): Promise<void> => {
  const fs = process.getBuiltinModule("node:fs/promises")
  const { join } = process.getBuiltinModule("node:path")
  // The directory may have been deleted since it was opened.
  await fs.mkdir(directory, { recursive: true, mode: 0o700 })
  const temporary = join(directory, temporaryName(name))
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
  // Flushes the rename to disk. Not every system supports this (Windows cannot open a directory), and without it a
  // power cut can at worst bring back the old file, which is intact.
  try {
    const handle = await fs.open(directory, "r")
    await handle.sync().finally(() => handle.close())
  } catch {}
}
