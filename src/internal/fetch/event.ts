/**
 * The constructors of what a Fetcher says, for the Fetchers themselves.
 */
import * as Data from "effect/Data"
import type * as Fetcher from "../../Fetcher.js"

export const { Document, NotModified }: Data.TaggedEnum.Constructor<Fetcher.Update> = Data.taggedEnum<Fetcher.Update>()

export const Event: Data.TaggedEnum.Constructor<Fetcher.Event> = Data.taggedEnum<Fetcher.Event>()
