// Saves states to the directory STORE_DIRECTORY repeatedly, with LABEL and the round's number in version and document,
// and loads an entry after each save. Prints the number of loads, how many were incomplete, how many returned the state
// of another process, and the log lines.
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as SnapshotStore from "flipt-client-effect/SnapshotStore"

const { LABEL, ROUNDS, STORE_DIRECTORY } = process.env
const target = { environment: "default", namespace: "shop" }
const lines = []

/** A text whose length differs in each round, and that is larger than a single write. */
const chunksOf = (version) => Array.from({ length: 20 + (version.length % 7) }, () => Buffer.from(version.repeat(4000)))

const program = Effect.gen(function* () {
  const store = yield* SnapshotStore.SnapshotStore
  let loads = 0
  let wrong = 0
  let others = 0
  for (let round = 0; round < Number(ROUNDS); round++) {
    const version = `${LABEL}${"-".repeat(round % 7)}${round}`
    const save = store.save(target, {
      bytes: chunksOf(version),
      version: Option.some(version),
      storedAt: DateTime.unsafeMake(round)
    })
    const load = Effect.map(store.load(target), (entry) => {
      const found = Option.flatMap(entry, (entry) => entry.version)
      loads++
      others += Option.exists(found, (version) => !version.startsWith(LABEL)) ? 1 : 0
      // the store is empty when the first process starts
      wrong +=
        Option.isNone(found) && round === 0
          ? 0
          : Option.exists(found, (version) => Buffer.concat(entry.value.bytes).equals(Buffer.concat(chunksOf(version))))
            ? 0
            : 1
    })
    yield* Effect.all([save, load, load], { concurrency: "unbounded" })
  }
  return { loads, wrong, others, lines }
})

const logger = Logger.make(({ message }) => void lines.push(String(message)))
console.log(
  JSON.stringify(
    await Effect.runPromise(
      program.pipe(
        Effect.provide(SnapshotStore.layerFileSystem(STORE_DIRECTORY)),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
    )
  )
)
