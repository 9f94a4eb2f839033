//! Writes definitions as a seed.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::VERSION;
use crate::definition::{
    Constraint, DefaultVariant, Flag, FlagType, MatchType, Operator, Rollout, Rule, Segment, Threshold,
};

#[derive(Serialize)]
struct SeedFlag<'a> {
    key: &'a str,
    enabled: bool,
    #[serde(rename = "type")]
    kind: FlagType,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_variant: Option<&'a DefaultVariant>,
}

#[derive(Serialize)]
struct SeedSegment<'a> {
    segment_key: &'a str,
    match_type: MatchType,
    constraints: &'a [Constraint],
}

struct Segments<'a>(&'a [Arc<Segment>]);

impl Serialize for Segments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|segment| {
            let value = SeedSegment {
                segment_key: &segment.key,
                match_type: segment.match_type,
                constraints: &segment.constraints,
            };
            (&segment.key, value)
        }))
    }
}

#[derive(Serialize)]
struct SeedRule<'a> {
    id: &'a str,
    flag_key: &'a str,
    segments: Segments<'a>,
    rank: usize,
    segment_operator: Operator,
}

struct Rules<'a>(&'a Flag);

impl Serialize for Rules<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(flag) = self;
        let ids: Vec<_> = rules(flag).map(|(id, _)| id).collect();
        serializer.collect_seq(flag.rules.iter().zip(&ids).enumerate().map(|(index, (rule, id))| SeedRule {
            id,
            flag_key: &flag.key,
            segments: Segments(&rule.audience.segments),
            rank: index + 1,
            segment_operator: rule.audience.operator,
        }))
    }
}

/// The rules, with the ids that the official engine derives from their positions.
fn rules(flag: &Flag) -> impl Iterator<Item = (String, &Rule)> {
    flag.rules.iter().enumerate().map(|(index, rule)| (format!("{}-{}", flag.key, index + 1), rule))
}

#[derive(Serialize)]
struct SeedSegmentRollout<'a> {
    value: bool,
    segment_operator: Operator,
    segments: Segments<'a>,
}

#[derive(Serialize)]
struct SeedRollout<'a> {
    rollout_type: &'static str,
    rank: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<SeedSegmentRollout<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<&'a Threshold>,
}

struct Rollouts<'a>(&'a Flag);

impl Serialize for Rollouts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.rollouts.iter().enumerate().map(|(index, rollout)| {
            let (rollout_type, segment, threshold) = match rollout {
                Rollout::Threshold(threshold) => ("THRESHOLD_ROLLOUT_TYPE", None, Some(threshold)),
                Rollout::Segment(rollout) => {
                    let segment = SeedSegmentRollout {
                        value: rollout.value,
                        segment_operator: rollout.audience.operator,
                        segments: Segments(&rollout.audience.segments),
                    };
                    ("SEGMENT_ROLLOUT_TYPE", Some(segment), None)
                }
                Rollout::Unknown => ("UNKNOWN_ROLLOUT_TYPE", None, None),
            };
            SeedRollout { rollout_type, rank: index + 1, segment, threshold }
        }))
    }
}

#[derive(Serialize)]
struct SeedDistribution<'a> {
    rule_id: &'a str,
    rollout: f32,
    variant_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant_attachment: Option<&'a str>,
}

struct RuleDistributions<'a>(String, &'a Rule);

impl Serialize for RuleDistributions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(rule_id, rule) = self;
        serializer.collect_seq(rule.distributions.iter().map(|distribution| SeedDistribution {
            rule_id,
            rollout: distribution.rollout,
            variant_key: &distribution.variant_key,
            variant_attachment: distribution.attachment.as_deref(),
        }))
    }
}

/// The distributions of all rules of all flags, keyed by rule id.
struct Distributions<'a>(&'a [&'a Flag]);

impl Serialize for Distributions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rules = self.0.iter().flat_map(|flag| rules(flag));
        serializer.collect_map(rules.map(|(id, rule)| (id.clone(), RuleDistributions(id, rule))))
    }
}

/// One value per flag, keyed by flag.
struct ByFlag<'a, T>(&'a [&'a Flag], fn(&'a Flag) -> T);

impl<T: Serialize> Serialize for ByFlag<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|flag| (&flag.key, self.1(flag))))
    }
}

#[derive(Serialize)]
struct SeedNamespace<'a> {
    key: &'a str,
    flags: ByFlag<'a, SeedFlag<'a>>,
    eval_rules: ByFlag<'a, Rules<'a>>,
    eval_rollouts: ByFlag<'a, Rollouts<'a>>,
    eval_distributions: Distributions<'a>,
}

#[derive(Serialize)]
struct Seed<'a> {
    version: u8,
    namespace: SeedNamespace<'a>,
}

fn flag_of(flag: &Flag) -> SeedFlag<'_> {
    SeedFlag {
        key: &flag.key,
        enabled: flag.enabled,
        kind: flag.kind,
        description: flag.description.as_deref(),
        default_variant: flag.default_variant.as_ref(),
    }
}

/// Returns the seed of a namespace, as JSON text.
#[must_use]
pub fn write(namespace: &str, flags: &[&Flag]) -> Vec<u8> {
    let namespace = SeedNamespace {
        key: namespace,
        flags: ByFlag(flags, flag_of),
        eval_rules: ByFlag(flags, Rules),
        eval_rollouts: ByFlag(flags, Rollouts),
        eval_distributions: Distributions(flags),
    };
    // serializing these types to memory cannot fail
    serde_json::to_vec(&Seed { version: VERSION, namespace }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Audience, Distribution};

    #[test]
    fn reads_back_unchanged() {
        let constraint = Constraint {
            kind: crate::definition::ConstraintType::Unknown,
            property: "p".into(),
            operator: "eq".into(),
            value: "\"\u{1}é".into(),
        };
        let segment = |key: &str| Segment {
            key: key.into(),
            match_type: MatchType::Any,
            constraints: [constraint.clone()].into(),
        };
        let audience =
            Audience { operator: Operator::And, segments: ["z", "10", "2"].map(|key| Arc::new(segment(key))).into() };
        let distribution = |rollout| Distribution { variant_key: "v".into(), attachment: Some("{}".into()), rollout };
        let rule = Rule {
            audience: audience.clone(),
            distributions: [33.333_333_f32, 1e-30, -0.0, 100.0].map(distribution).into(),
        };
        let threshold = Threshold { percentage: 0.1, value: true };
        let flag = |key: &str| Flag {
            key: key.into(),
            kind: FlagType::Boolean,
            enabled: true,
            description: Some("d".into()),
            default_variant: Some(DefaultVariant { id: "i".into(), key: "k".into(), attachment: None }),
            rules: [rule.clone(), rule.clone()].into(),
            rollouts: [
                Rollout::Unknown,
                Rollout::Threshold(threshold),
                Rollout::Segment(crate::definition::SegmentRollout { audience: audience.clone(), value: false }),
            ]
            .into(),
        };
        let flags = ["b", "1", "__proto__"].map(flag);
        let text = String::from_utf8(write("n", &flags.each_ref())).unwrap();
        assert!(text.starts_with(r#"{"version":1,"namespace":{"key":"n","flags":{"b":{"key":"b","#), "{text}");
        assert!(text.contains(r#""eval_distributions":{"b-1":[{"rule_id":"b-1","rollout":33.333332,"#), "{text}");
        assert_eq!(*super::super::read(&text, "n").unwrap(), flags);
    }
}
