//! Describes a flag and all its outcomes as JSON. The caller reads this once and then knows outcomes by their index.

use serde::Serialize;

use crate::compile::Flag;
use crate::definition::{self, Audience, DefaultVariant, FlagType, Rollout, Rule};

#[derive(Clone, Copy, Debug, Serialize)]
enum Reason {
    #[serde(rename = "MATCH_EVALUATION_REASON")]
    Match,
    #[serde(rename = "DEFAULT_EVALUATION_REASON")]
    Default,
    #[serde(rename = "FLAG_DISABLED_EVALUATION_REASON")]
    FlagDisabled,
    #[serde(rename = "UNKNOWN_EVALUATION_REASON")]
    Unknown,
}

/// A result of either type, with all segments of the audience.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    #[serde(rename_all = "camelCase")]
    Variant {
        flag_key: &'a str,
        r#match: bool,
        reason: Reason,
        segment_keys: Vec<&'a str>,
        variant_key: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        variant_attachment: Option<&'a str>,
    },
    #[serde(rename_all = "camelCase")]
    Boolean { flag_key: &'a str, enabled: bool, reason: Reason, segment_keys: Vec<&'a str> },
}

/// A variant's key and attachment.
type Variant<'a> = (&'a str, Option<&'a str>);

fn segment_keys(audience: &Audience) -> Vec<&str> {
    audience.segments.iter().map(|segment| &*segment.key).collect()
}

fn default_variant(flag: &definition::Flag) -> Variant<'_> {
    match &flag.default_variant {
        Some(DefaultVariant { key, attachment, .. }) => (key, attachment.as_deref()),
        None => ("", None),
    }
}

fn variant<'a>(
    flag: &'a definition::Flag,
    reason: Reason,
    segment_keys: Vec<&'a str>,
    (variant_key, variant_attachment): Variant<'a>,
) -> Outcome<'a> {
    let r#match = matches!(reason, Reason::Match);
    Outcome::Variant { flag_key: &flag.key, r#match, reason, segment_keys, variant_key, variant_attachment }
}

fn rule_outcomes<'a>(flag: &'a definition::Flag, rule: &'a Rule) -> Vec<Outcome<'a>> {
    let mut variants: Vec<Variant<'a>> =
        rule.shares().map(|share| (&*share.variant_key, share.attachment.as_deref())).collect();
    if variants.is_empty() {
        variants.push(default_variant(flag));
    }
    let outcome = |one| variant(flag, Reason::Match, segment_keys(&rule.audience), one);
    variants.into_iter().map(outcome).collect()
}

fn variant_outcomes(flag: &definition::Flag) -> Vec<Outcome<'_>> {
    let reason = match (flag.enabled, &flag.default_variant) {
        (false, _) => Reason::FlagDisabled,
        (true, Some(_)) => Reason::Default,
        (true, None) => Reason::Unknown,
    };
    let rules = if flag.enabled { &*flag.rules } else { &[] };
    let mut outcomes = vec![variant(flag, reason, Vec::new(), default_variant(flag))];
    outcomes.extend(rules.iter().flat_map(|rule| rule_outcomes(flag, rule)));
    outcomes
}

fn boolean_outcomes(flag: &definition::Flag) -> Vec<Outcome<'_>> {
    let outcome =
        |enabled, reason, segment_keys| Outcome::Boolean { flag_key: &flag.key, enabled, reason, segment_keys };
    let mut outcomes = vec![outcome(flag.enabled, Reason::Default, Vec::new())];
    outcomes.extend(flag.rollouts.iter().filter_map(|rollout| match rollout {
        Rollout::Threshold(threshold) => Some(outcome(threshold.value, Reason::Match, Vec::new())),
        Rollout::Segment(segment) => Some(outcome(segment.value, Reason::Match, segment_keys(&segment.audience))),
        Rollout::Unknown => None,
    }));
    outcomes
}

#[derive(Serialize)]
struct Description<'a> {
    index: u32,
    #[serde(rename = "type")]
    kind: FlagType,
    properties: &'a [Box<str>],
    outcomes: Vec<Outcome<'a>>,
}

/// Returns what a caller needs to evaluate a flag, as JSON.
#[must_use]
pub fn describe(flag: &Flag, index: u32) -> Vec<u8> {
    let kind = flag.definition.kind;
    let outcomes = match kind {
        FlagType::Variant => variant_outcomes(&flag.definition),
        FlagType::Boolean => boolean_outcomes(&flag.definition),
    };
    json(&Description { index, kind, properties: &flag.properties, outcomes })
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
fn json(value: &impl Serialize) -> Vec<u8> {
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

    fn variant(reason: &str, variant_key: &str) -> Value {
        let reason = format!("{reason}_EVALUATION_REASON");
        let matches = reason.starts_with("MATCH");
        json!({ "flagKey": "f", "match": matches, "reason": reason, "segmentKeys": [], "variantKey": variant_key })
    }

    #[test]
    fn what_nothing_matches_depends_on_flag_and_default_variant() {
        let outcome = |flag: &str| description(flag)["outcomes"][0].take();
        assert_eq!(outcome(r#""enabled":true"#), variant("UNKNOWN", ""));
        assert_eq!(outcome(r#""enabled":false"#), variant("FLAG_DISABLED", ""));
        let default = r#""defaultVariant":{"id":"i","key":"d"}"#;
        assert_eq!(outcome(&format!(r#""enabled":true,{default}"#)), variant("DEFAULT", "d"));
        assert_eq!(outcome(&format!(r#""enabled":false,{default}"#)), variant("FLAG_DISABLED", "d"));
    }

    #[test]
    fn every_rule_has_an_outcome_for_each_share_or_one() {
        let rule = |shares: &str| format!(r#"{{"segmentOperator":"AND_SEGMENT_OPERATOR","distributions":[{shares}]}}"#);
        let shares = r#"{"variantKey":"a","rollout":1},{"variantKey":"x","rollout":0},{"variantKey":"b","rollout":1}"#;
        let rules = [rule(shares), rule("")].join(",");
        let described = description(&format!(r#""enabled":true,"rules":[{rules}]"#));
        let expected =
            json!([variant("UNKNOWN", ""), variant("MATCH", "a"), variant("MATCH", "b"), variant("MATCH", "")]);
        assert_eq!(described["outcomes"], expected);
        assert_eq!(described["index"], 7);
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
        assert_eq!(described["outcomes"][2]["segmentKeys"], json!(["t"]));
    }
}
