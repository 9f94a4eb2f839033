import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Service } from "../../SnapshotStore.js"

const none: Service = { load: () => Effect.succeedNone, save: () => Effect.void }

export class SnapshotStore extends Context.Reference<SnapshotStore>()("flipt-client-effect/SnapshotStore", {
  defaultValue: (): Service => none
}) {}
