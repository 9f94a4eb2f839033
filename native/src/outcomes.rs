//! Describes a flag and all its outcomes as JSON. The caller reads this once and then knows outcomes by their index.

use serde::Serialize;

use crate::compile::Flag;
use crate::definition::{self, Audience, DefaultVariant, Distribution, FlagType, Rollout, Rule};

/// Everything is written once, however many outcomes share it: the description is linear in the size of the flag.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    index: u32,
    #[serde(rename = "type")]
    kind: FlagType,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_variant: Option<&'a DefaultVariant>,
    properties: &'a [Box<str>],
    rules: Vec<DescribedRule<'a>>,
    rollouts: Vec<DescribedRollout<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribedRule<'a> {
    segment_keys: Vec<&'a str>,
    variants: Vec<Variant<'a>>,
}

#[derive(Serialize)]
struct Variant<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribedRollout<'a> {
    enabled: bool,
    segment_keys: Vec<&'a str>,
}

fn segment_keys(audience: &Audience) -> Vec<&str> {
    audience.segments.iter().map(|segment| &*segment.key).collect()
}

impl<'a> From<&'a Rule> for DescribedRule<'a> {
    fn from(rule: &'a Rule) -> Self {
        let variant =
            |share: &'a Distribution| Variant { key: &share.variant_key, attachment: share.attachment.as_deref() };
        Self { segment_keys: segment_keys(&rule.audience), variants: rule.shares().map(variant).collect() }
    }
}

impl<'a> DescribedRollout<'a> {
    fn new(rollout: &'a Rollout) -> Option<Self> {
        match rollout {
            Rollout::Threshold(threshold) => Some(Self { enabled: threshold.value, segment_keys: Vec::new() }),
            Rollout::Segment(segment) => {
                Some(Self { enabled: segment.value, segment_keys: segment_keys(&segment.audience) })
            }
            Rollout::Unknown => None,
        }
    }
}

/// The rules and rollouts that evaluation reads.
fn read_parts(flag: &definition::Flag) -> (&[Rule], &[Rollout]) {
    match flag.kind {
        FlagType::Variant if flag.enabled => (&flag.rules, &[]),
        FlagType::Variant => (&[], &[]),
        FlagType::Boolean => (&[], &flag.rollouts),
    }
}

/// Returns what a caller needs to evaluate a flag, as JSON.
#[must_use]
pub fn describe(flag: &Flag, index: u32) -> Vec<u8> {
    let Flag { definition, properties, .. } = flag;
    let (rules, rollouts) = read_parts(definition);
    json(&Description {
        index,
        kind: definition.kind,
        enabled: definition.enabled,
        default_variant: definition.default_variant.as_ref(),
        properties,
        rules: rules.iter().map(Into::into).collect(),
        rollouts: rollouts.iter().filter_map(DescribedRollout::new).collect(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FlagInfo<'a> {
    key: &'a str,
    enabled: bool,
    #[serde(rename = "type")]
    kind: FlagType,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_variant: Option<&'a DefaultVariant>,
}

/// Returns the list of flags, as JSON.
#[must_use]
pub fn list_flags(flags: &[Flag]) -> Vec<u8> {
    let infos = flags.iter().map(|Flag { definition, .. }| FlagInfo {
        key: &definition.key,
        enabled: definition.enabled,
        kind: definition.kind,
        description: definition.description.as_deref(),
        default_variant: definition.default_variant.as_ref(),
    });
    json(&infos.collect::<Vec<_>>())
}

/// Serializing these types to memory cannot fail.
#[must_use]
pub fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, Value};

    fn description(flag: &str) -> Value {
        let text = format!(r#"{{"namespace":{{"key":"n"}},"flags":[{{"key":"f","name":"",{flag}}}]}}"#);
        let flags = Flag::compile(crate::document::read(&text, "n").unwrap().flags);
        serde_json::from_slice(&describe(&flags[0], 7)).unwrap()
    }

    #[test]
    fn a_rule_has_only_shares_above_zero() {
        let rule = |shares: &str| format!(r#"{{"segmentOperator":"AND_SEGMENT_OPERATOR","distributions":[{shares}]}}"#);
        let shares = r#"{"variantKey":"a","rollout":1},{"variantKey":"x","rollout":0},{"variantKey":"b","rollout":1}"#;
        let rules = format!(r#""rules":[{},{}]"#, rule(shares), rule(""));
        let described = description(&format!(r#""enabled":true,{rules}"#));
        let variants = json!([{ "key": "a" }, { "key": "b" }]);
        let expected = json!([{ "segmentKeys": [], "variants": variants }, { "segmentKeys": [], "variants": [] }]);
        assert_eq!(described["rules"], expected);
        assert_eq!(described["index"], 7);
        assert_eq!(described.get("defaultVariant"), None);
        assert_eq!(description(&format!(r#""enabled":false,{rules}"#))["rules"], json!([]));
    }

    #[test]
    fn names_the_properties_that_are_read() {
        let constraint = |kind: &str, property: &str, operator: &str| json!({ "type": format!("{kind}_CONSTRAINT_COMPARISON_TYPE"), "property": property, "operator": operator, "value": "" });
        let constraints = json!([
            constraint("STRING", "b", "eq"),
            constraint("ENTITY_ID", "id", "eq"),
            constraint("STRING", "a", "neq"),
            constraint("STRING", "b", "empty"),
            constraint("ODD", "odd", "eq"),
            constraint("NUMBER", "never", "eq")
        ]);
        let rollout = |key: &str| {
            let segment = json!({ "key": key, "matchType": "", "constraints": constraints });
            json!({ "segment": { "value": true, "segments": [segment] } })
        };
        let rollouts = json!([rollout("s"), rollout("t")]);
        let described = description(&format!(r#""enabled":true,"type":"BOOLEAN_FLAG_TYPE","rollouts":{rollouts}"#));
        assert_eq!(described["properties"], json!(["b", "a"]));
        assert_eq!(described["rollouts"][1]["segmentKeys"], json!(["t"]));
    }
}
