/** A value that exists once per process, even if several copies of this library are loaded. */
export const globalValue = <A>(id: string, make: () => A): A => {
  const values = globalThis as unknown as Record<symbol, A | undefined>
  const key = Symbol.for(id)
  values[key] ??= make()
  return values[key]
}
