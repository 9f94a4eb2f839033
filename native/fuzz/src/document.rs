//! Random valid documents. Most strings come from a small vocabulary, so that requests often match constraints.

use arbitrary::{Arbitrary, Result, Unstructured};
use serde_json::{json, Value};

use crate::NAMESPACE;

#[derive(Clone, Debug)]
pub struct Text(pub String);

const VOCABULARY: &[&str] = &[
    "",
    "a",
    "b",
    "plan",
    "pro",
    "1",
    "1.5",
    "-2",
    "true",
    "2024-01-01T00:00:00Z",
    "2024-01-01",
    "[\"pro\",\"a\"]",
    "[1,2]",
    "[\"R\\u0026D\"]",
    "é",
    "\u{0}",
    "😀",
    "\u{fffd}",
];

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let text = if u.ratio(9, 10)? { (*u.choose(VOCABULARY)?).to_owned() } else { u.arbitrary()? };
        Ok(Self(text))
    }
}

const TYPES: &[&str] = &["STRING", "NUMBER", "BOOLEAN", "DATETIME", "ENTITY_ID", "OTHER"];

const OPERATORS: &[&str] = &[
    "eq",
    "neq",
    "lt",
    "lte",
    "gt",
    "gte",
    "empty",
    "notempty",
    "true",
    "false",
    "present",
    "notpresent",
    "prefix",
    "suffix",
    "contains",
    "notcontains",
    "isoneof",
    "isnotoneof",
    "other",
];

#[derive(Arbitrary, Clone, Debug)]
struct Constraint {
    kind: u8,
    operator: u8,
    property: Text,
    value: Text,
}

fn pick<'a>(names: &[&'a str], index: u8) -> &'a str {
    names[usize::from(index) % names.len()]
}

impl Constraint {
    fn json(&self) -> Value {
        json!({
            "type": format!("{}_CONSTRAINT_COMPARISON_TYPE", pick(TYPES, self.kind)),
            "property": self.property.0,
            "operator": pick(OPERATORS, self.operator),
            "value": self.value.0,
        })
    }
}

#[derive(Arbitrary, Clone, Debug)]
struct Segment {
    key: Text,
    any: bool,
    constraints: Vec<Constraint>,
}

fn segments(segments: &[Segment]) -> Value {
    let segment = |Segment { key, any, constraints }: &Segment| {
        let kind = if *any { "ANY_SEGMENT_MATCH_TYPE" } else { "ALL_SEGMENT_MATCH_TYPE" };
        let constraints: Vec<_> = constraints.iter().map(Constraint::json).collect();
        json!({ "key": key.0, "matchType": kind, "constraints": constraints })
    };
    segments.iter().map(segment).collect()
}

fn operator(and: bool) -> &'static str {
    if and {
        "AND_SEGMENT_OPERATOR"
    } else {
        "OR_SEGMENT_OPERATOR"
    }
}

#[derive(Arbitrary, Clone, Debug)]
struct Rule {
    and: bool,
    segments: Vec<Segment>,
    distributions: Vec<(Text, Option<Text>, i8)>,
}

#[derive(Arbitrary, Clone, Debug)]
enum Rollout {
    Threshold(i8, bool),
    Segments(bool, Vec<Segment>, bool),
    Unknown,
}

#[derive(Arbitrary, Clone, Debug)]
struct Flag {
    key: Text,
    enabled: bool,
    boolean: bool,
    description: Option<Text>,
    rules: Vec<Rule>,
    rollouts: Vec<Rollout>,
    default_variant: Option<(Text, Option<Text>)>,
}

impl Flag {
    fn json(&self) -> Value {
        let rule = |Rule { and, segments: list, distributions }: &Rule| {
            let distribution = |(key, attachment, rollout): &(Text, Option<Text>, i8)| {
                let attachment = attachment.as_ref().map(|text| &text.0);
                json!({ "variantKey": key.0, "variantAttachment": attachment, "rollout": f32::from(*rollout) / 1.25 })
            };
            let distributions: Vec<_> = distributions.iter().map(distribution).collect();
            json!({ "segmentOperator": operator(*and), "segments": segments(list), "distributions": distributions })
        };
        let rollout = |rollout: &Rollout| match rollout {
            Rollout::Threshold(percentage, value) => {
                json!({ "threshold": { "percentage": f32::from(*percentage), "value": value } })
            }
            Rollout::Segments(and, list, value) => json!({
                "segment": { "segmentOperator": operator(*and), "segments": segments(list), "value": value }
            }),
            Rollout::Unknown => json!({}),
        };
        let default = |(key, attachment): &(Text, Option<Text>)| json!({ "id": "id", "key": key.0, "attachment": attachment.as_ref().map(|text| &text.0) });
        json!({
            "key": self.key.0,
            "name": "",
            "enabled": self.enabled,
            "type": if self.boolean { "BOOLEAN_FLAG_TYPE" } else { "VARIANT_FLAG_TYPE" },
            "description": self.description.as_ref().map(|text| &text.0),
            "rules": self.rules.iter().map(rule).collect::<Vec<_>>(),
            "rollouts": self.rollouts.iter().map(rollout).collect::<Vec<_>>(),
            "defaultVariant": self.default_variant.as_ref().map(default),
        })
    }
}

#[derive(Arbitrary, Clone, Debug)]
pub struct Document {
    digest: Option<Text>,
    flags: Vec<Flag>,
}

impl Document {
    #[must_use]
    pub fn text(&self) -> String {
        json!({
            "namespace": { "key": NAMESPACE },
            "flags": self.flags.iter().map(Flag::json).collect::<Vec<_>>(),
            "digest": self.digest.as_ref().map(|text| &text.0),
        })
        .to_string()
    }
}
