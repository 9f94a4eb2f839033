import type { EvaluationContext } from "../Model.js"
import * as Crc32 from "./crc32.js"

/** Who is asked about. One object serves many evaluations, and hashes the entity's id once, if ever. */
export class Subject {
  private hashed: number | undefined = undefined

  constructor(
    readonly entityId: string,
    readonly context: EvaluationContext | undefined
  ) {}

  /** The entity's id, hashed: what a flag's key is appended to. */
  get register(): number {
    this.hashed ??= Crc32.update(Crc32.initial, this.entityId)
    return this.hashed
  }
}
