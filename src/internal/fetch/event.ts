/**
 * The constructors of updates and events, for the Fetchers.
 */
import * as Data from "effect/Data"
import type * as Fetcher from "../../Fetcher.js"

export const { Document, NotModified }: Data.TaggedEnum.Constructor<Fetcher.Update> = Data.taggedEnum<Fetcher.Update>()

export const Event: Data.TaggedEnum.Constructor<Fetcher.Event> = Data.taggedEnum<Fetcher.Event>()
