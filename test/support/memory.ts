/**
 * Memory in use after garbage collection.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Effect from "effect/Effect"

setFlagsFromString("--expose-gc")
const gc: () => void = runInNewContext("gc")

export const afterGc: Effect.Effect<NodeJS.MemoryUsage> = Effect.promise(async () => {
  for (let turn = 0; turn < 5; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    gc()
  }
  return process.memoryUsage()
})
