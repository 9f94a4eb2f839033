/**
 * Reads bodies in the order in which they arrive, and no faster than they are consumed.
 */
import type { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** How much may wait to be consumed before the sender is paused. */
const MAX_BUFFERED = 1024 * 1024

/** Calls one of the functions, once, when a source has ended, failed, or closed before its end. */
export const onDone = (source: Readable, onEnd: () => void, onError: (error: Error) => void): void => {
  let isDone = false
  const once = (report: () => void) => () => {
    if (!isDone) {
      isDone = true
      report()
    }
  }
  source.once("end", once(onEnd))
  source.on("error", (error) => once(() => onError(error))())
  source.once(
    "close",
    once(() => onError(source.errored ?? new Error("the connection closed before the end of the body")))
  )
}

/** An incoming body. Its source is attached now or later, and is read ahead up to a limit. */
export class Body {
  private chunks: Array<Uint8Array> = []
  private size = 0
  private source: Readable | undefined
  private end: "open" | "ended" | { readonly error: Error } = "open"
  private notify = () => {}

  attach(source: Readable): void {
    this.source = source
    source.on("data", (chunk: Uint8Array) => {
      this.chunks.push(chunk)
      this.size += chunk.length
      if (this.size >= MAX_BUFFERED) {
        source.pause()
      }
      this.notify()
    })
    onDone(
      source,
      () => this.finish("ended"),
      (error) => this.finish({ error })
    )
  }

  finish(end: "ended" | { readonly error: Error }): void {
    if (this.end === "open") {
      this.end = end
      this.notify()
    }
  }

  /** Takes everything that has arrived, and waits if nothing has. Fails with `None` at the end. */
  readonly take: Effect.Effect<ReadonlyArray<Uint8Array>, Option.Option<Error>> = Effect.suspend(() => {
    if (this.chunks.length > 0) {
      const taken = this.chunks
      this.chunks = []
      this.size = 0
      this.source?.resume()
      return Effect.succeed(taken)
    }
    if (this.end !== "open") {
      return Effect.fail(this.end === "ended" ? Option.none() : Option.some(this.end.error))
    }
    return Effect.zipRight(this.arrival, this.take)
  })

  private readonly arrival = Effect.async<void>((resume) => {
    this.notify = () => {
      this.notify = () => {}
      resume(Effect.void)
    }
    return Effect.sync(() => {
      this.notify = () => {}
    })
  })
}
