/**
 * Converts the flags of a document to the form of snapshot documents.
 */
import {
  booleanOf,
  checkNote,
  describe,
  type Field,
  type Fields,
  fieldsOf,
  filled,
  isNull,
  itemsOf,
  keyOf,
  numberOf,
  oneOf,
  required
} from "./fields.js"
import { escapeHtml, toJson } from "./json.js"
import { quote, type Reporter } from "./report.js"
import type { Segment } from "./segments.js"

/** The definitions that flags can reference, and the limits of a document. */
export interface Scope {
  readonly report: Reporter
  /** The minor version of the format. */
  readonly version: number
  readonly segments: ReadonlyMap<string, Segment>
  /** Keys of segments that earlier documents of the namespace define. */
  readonly earlier: ReadonlySet<string>
  /** Counts characters that the snapshot document repeats. */
  readonly spend: (characters: number) => void
}

interface Variant {
  readonly key: string
  readonly attachment: string
}

interface Variants {
  /** The first of several variants with the same key. */
  readonly byKey: ReadonlyMap<string, Variant>
  /** The last of several defaults. */
  readonly byDefault: Variant | undefined
}

/** As in a snapshot document. */
export interface Flag {
  readonly key: string
  readonly [field: string]: unknown
}

const flagFields = new Set([
  "key",
  "name",
  "type",
  "description",
  "enabled",
  "metadata",
  "variants",
  "rules",
  "rollouts"
])
const variantFields = new Set(["key", "name", "description", "default", "attachment"])
const ruleFields = new Set(["segment", "rank", "distributions"])
const distributionFields = new Set(["variant", "rollout"])
const rolloutFields = new Set(["description", "segment", "threshold"])
const thresholdFields = new Set(["percentage", "value"])
const ruleSegmentFields = new Set(["keys", "operator"])
const rolloutSegmentFields = new Set(["key", "keys", "operator", "value"])

const flagTypes = ["VARIANT_FLAG_TYPE", "BOOLEAN_FLAG_TYPE"] as const
const segmentOperators = ["OR_SEGMENT_OPERATOR", "AND_SEGMENT_OPERATOR"] as const

const checkVersion = ({ report, version }: Scope, field: Field | undefined, name: string, since: number): void => {
  if (field !== undefined && version < since) {
    report.warn(
      field.value.offset,
      "Version",
      field.path,
      `${name} needs version "1.${since}" of the format or later, as Flipt requires`
    )
  }
}

/** The segments with these keys, without those that Flipt omits. */
const segmentsOf = (scope: Scope, keys: ReadonlyArray<Field>): ReadonlyArray<Segment["content"]> =>
  keys.flatMap((field) => {
    const key = keyOf(scope.report, field)
    const segment = key === undefined ? undefined : scope.segments.get(key)
    if (key === undefined) {
      return []
    }
    if (segment !== undefined) {
      scope.spend(segment.size)
      return segment.unusable === undefined ? [segment.content] : []
    }
    const { offset } = field.value
    if (scope.earlier.has(key)) {
      // Flipt 2 checks references against the namespace, but fills snapshots from the document.
      scope.report.warn(
        offset,
        "Reference",
        field.path,
        `the segment ${quote(key)} is defined in an earlier document; Flipt omits it from this document's snapshot, so define it here too`
      )
    } else {
      scope.report.error(
        offset,
        "Reference",
        field.path,
        `no segment ${quote(key)} is defined in this document or an earlier one of its namespace; define it, or correct the key`
      )
    }
    return []
  })

interface Audience {
  readonly segmentOperator: (typeof segmentOperators)[number]
  readonly segments: ReadonlyArray<Segment["content"]>
}

/** The segments and the operator of a rule's or rollout's mapping. */
const decodeAudience = (scope: Scope, fields: Fields): Audience => {
  const { report } = scope
  const key = fields.get("key")
  const keys = itemsOf(fields, "keys")
  if (key !== undefined && keys.length > 0) {
    report.error(key.value.offset, "Value", key.path, "both key and keys are set; remove one of them")
  }
  const operator = fields.get("operator")
  const segmentOperator =
    operator === undefined || isNull(operator.value) ? undefined : oneOf(report, operator, segmentOperators)
  return {
    segmentOperator: segmentOperator ?? "OR_SEGMENT_OPERATOR",
    segments: segmentsOf(scope, keys.length === 0 && key !== undefined ? [key] : keys)
  }
}

const decodeVariants = (scope: Scope, flag: Fields): Variants => {
  const { report } = scope
  const byKey = new Map<string, Variant>()
  let byDefault: Variant | undefined
  for (const item of itemsOf(flag, "variants")) {
    const fields = fieldsOf(report, item, "a variant", variantFields)
    if (fields === undefined) {
      continue
    }
    const key = filled(fields, "key")
    checkNote(fields, "name", {})
    checkNote(fields, "description", { mayBeNull: true })
    checkVersion(scope, fields.get("default"), "default", 3)
    const isDefault = booleanOf(fields, "default")
    const attachment = fields.get("attachment")
    if (attachment?.value._tag === "Scalar" && !isNull(attachment.value)) {
      report.warn(
        attachment.value.offset,
        "Type",
        attachment.path,
        `attachment should be a mapping or a list, not ${describe(attachment.value)}, which Flipt rejects`
      )
    }
    const json = attachment === undefined ? "null" : toJson(report, attachment.value, attachment.path)
    if (key === undefined) {
      continue
    }
    const variant = { key: key.text, attachment: json }
    if (byKey.has(key.text)) {
      report.warn(
        key.value.offset,
        "Duplicate",
        key.path,
        `the variant ${quote(key.text)} is defined twice; Flipt's rules use the first one`
      )
    } else {
      byKey.set(key.text, variant)
    }
    if (isDefault && byDefault !== undefined) {
      report.warn(
        fields.offset,
        "Duplicate",
        fields.path,
        "another variant is also the default; Flipt uses the last one"
      )
    }
    byDefault = isDefault ? variant : byDefault
  }
  return { byKey, byDefault }
}

const decodeRule = (scope: Scope, item: Field, rank: number, variants: Variants): unknown => {
  const { report } = scope
  const fields = fieldsOf(report, item, "a rule", ruleFields)
  if (fields === undefined) {
    return undefined
  }
  const rankField = fields.get("rank")
  if (rankField !== undefined && !(rankField.value._tag === "Scalar" && typeof rankField.value.value === "bigint")) {
    report.warn(
      rankField.value.offset,
      "Type",
      rankField.path,
      `rank should be a whole number, not ${describe(rankField.value)}; Flipt uses the order of the rules`
    )
  }
  const segment = required(fields, "segment", "write the key of a segment, or keys and an operator")
  const segmentMap =
    segment?.value._tag === "Scalar" || segment === undefined
      ? undefined
      : fieldsOf(report, segment, "the segment of a rule", ruleSegmentFields)
  const audience: Audience =
    segmentMap !== undefined
      ? decodeAudience(scope, segmentMap)
      : {
          segmentOperator: "OR_SEGMENT_OPERATOR",
          segments: segment?.value._tag === "Scalar" ? segmentsOf(scope, [segment]) : []
        }
  const distributions = itemsOf(fields, "distributions").flatMap((entry) => {
    const distribution = fieldsOf(report, entry, "a distribution", distributionFields)
    if (distribution === undefined) {
      return []
    }
    const variant = filled(distribution, "variant")
    const rolloutField = required(distribution, "rollout", "write the share in percent")
    const rollout = rolloutField && numberOf(report, rolloutField)
    if (rolloutField !== undefined && rollout !== undefined && !(rollout >= 0 && rollout <= 100)) {
      report.error(
        rolloutField.value.offset,
        "Value",
        rolloutField.path,
        `rollout must be from 0 to 100, not ${rollout}`
      )
    }
    if (variant === undefined || rollout === undefined) {
      return []
    }
    const found = variants.byKey.get(variant.text)
    if (found === undefined) {
      report.warn(
        variant.value.offset,
        "Reference",
        variant.path,
        `the flag has no variant ${quote(variant.text)}, so a Flipt server rejects the file; define it, or correct the key`
      )
    }
    const variantAttachment = found?.attachment ?? "null"
    scope.spend(variantAttachment.length)
    return [{ variantKey: variant.text, variantAttachment, rollout }]
  })
  return { rank, ...audience, distributions }
}

const decodeRollout = (scope: Scope, item: Field, rank: number): unknown => {
  const { report } = scope
  const fields = fieldsOf(report, item, "a rollout", rolloutFields)
  if (fields === undefined) {
    return undefined
  }
  checkNote(fields, "description", { mayBeNull: true })
  const threshold = fields.get("threshold")
  const segment = fields.get("segment")
  if (threshold !== undefined && segment !== undefined) {
    report.error(
      fields.offset,
      "Value",
      fields.path,
      "a rollout cannot have both a segment and a threshold; split it in two"
    )
  }
  const thresholdMap = threshold && fieldsOf(report, threshold, "a threshold", thresholdFields)
  if (thresholdMap !== undefined) {
    const field = required(thresholdMap, "percentage")
    const percentage = (field && numberOf(report, field)) ?? 0
    if (field !== undefined && !(percentage >= 0 && percentage <= 100)) {
      report.warn(field.value.offset, "Value", field.path, `percentage should be from 0 to 100, not ${percentage}`)
    }
    return {
      type: "THRESHOLD_ROLLOUT_TYPE",
      rank,
      threshold: { percentage, value: booleanOf(thresholdMap, "value") }
    }
  }
  const segmentMap = segment && fieldsOf(report, segment, "the segment of a rollout", rolloutSegmentFields)
  if (segmentMap !== undefined) {
    return {
      type: "SEGMENT_ROLLOUT_TYPE",
      rank,
      segment: { value: booleanOf(segmentMap, "value"), ...decodeAudience(scope, segmentMap) }
    }
  }
  if (threshold === undefined && segment === undefined) {
    report.warn(
      fields.offset,
      "Missing",
      fields.path,
      "the rollout has neither a segment nor a threshold; Flipt skips it"
    )
  }
  return { type: "UNKNOWN_ROLLOUT_TYPE", rank }
}

const checkMetadata = (scope: Scope, flag: Fields): void => {
  const metadata = flag.get("metadata")
  checkVersion(scope, metadata, "metadata", 3)
  if (metadata !== undefined && metadata.value._tag !== "Mapping") {
    scope.report.warn(
      metadata.value.offset,
      "Type",
      metadata.path,
      `metadata should be a mapping, not ${describe(metadata.value)}, which Flipt rejects`
    )
  }
}

/** Warns about rules or rollouts that the flag's type ignores. */
const warnUnused = (flag: Fields, name: string, message: string): void => {
  const field = flag.get(name)
  if (field?.value._tag === "List" && field.value.items.length > 0) {
    flag.report.warn(field.value.offset, "Value", field.path, message)
  }
}

export const decodeFlag = (scope: Scope, item: Field): { readonly flag: Flag; readonly key: Field } | undefined => {
  const { report } = scope
  const fields = fieldsOf(report, item, "a flag", flagFields)
  if (fields === undefined) {
    return undefined
  }
  const keyField = required(fields, "key")
  const key = keyField && keyOf(report, keyField)
  const name = checkNote(fields, "name", { isRequired: true })
  const description = checkNote(fields, "description", { mayBeNull: true })
  checkMetadata(scope, fields)
  const typeField = fields.get("type")
  checkVersion(scope, typeField, "type", 1)
  const type = (typeField && oneOf(report, typeField, flagTypes)) ?? "VARIANT_FLAG_TYPE"
  const enabled = booleanOf(fields, "enabled")
  const variants = decodeVariants(scope, fields)
  if (type === "BOOLEAN_FLAG_TYPE") {
    warnUnused(fields, "rules", "a boolean flag ignores its rules; write rollouts")
  } else {
    warnUnused(fields, "rollouts", "a variant flag ignores its rollouts, which Flipt rejects; write rules")
  }
  const rules = itemsOf(fields, "rules").map((rule, index) => decodeRule(scope, rule, index + 1, variants))
  const rollouts = itemsOf(fields, "rollouts").map((rollout, index) => decodeRollout(scope, rollout, index + 1))
  if (keyField === undefined || key === undefined) {
    return undefined
  }
  const { byDefault } = variants
  const flag: Flag = {
    key,
    name,
    description,
    enabled,
    type,
    rules,
    rollouts,
    ...(byDefault === undefined
      ? {}
      : {
          defaultVariant: {
            id: `${key}/${byDefault.key}`,
            key: byDefault.key,
            attachment: escapeHtml(byDefault.attachment)
          }
        })
  }
  return { flag, key: keyField }
}
