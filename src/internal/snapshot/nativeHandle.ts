/** The key of a native Snapshot's handle. Not part of the public interface, and absent from Snapshots of other engines. */
export const nativeHandle: unique symbol = Symbol.for("flipt-client-effect/internal/snapshot/nativeHandle")

/** Where the compiled state of a native Snapshot is. It is valid on every thread of the process until the Snapshot closes. */
export interface NativeHandle {
  /** The path of the library that compiled it. */
  readonly path: string
  readonly handle: number
}

export interface HasNativeHandle {
  readonly [nativeHandle]?: NativeHandle | undefined
}
