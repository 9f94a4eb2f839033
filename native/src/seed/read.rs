//! Reads a seed into definitions.

use std::collections::HashMap;

use serde::de::{Deserializer, Error};
use serde::Deserialize;

use super::VERSION;
use crate::de::{objects, optional_object, single, Object, Record};
use crate::definition::{
    key_problem, Audience, DefaultVariant, Flag, FlagType, MatchType, Operator, Rollout, Rule, SegmentRollout,
    Threshold,
};
use crate::document::RawThreshold;
use crate::intern::{self, Distributions, RawConstraint, RawShare, Text};
use crate::json::{self, quote, Malformed};

#[derive(Deserialize)]
struct SeedFlag {
    #[serde(rename = "key", deserialize_with = "ignored_text")]
    _key: (),
    enabled: bool,
    #[serde(rename = "type")]
    kind: FlagType,
    description: Option<Box<str>>,
    #[serde(default, deserialize_with = "optional_object::<_, DefaultVariant, _>")]
    default_variant: Option<DefaultVariant>,
}

/// A required field that is not used: the map's key counts.
fn ignored_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    crate::de::text(deserializer, |_| ())
}

#[derive(Deserialize)]
struct SeedSegment<'a> {
    match_type: MatchType,
    #[serde(borrow, deserialize_with = "objects::<_, RawConstraint<'_>, _>")]
    constraints: Box<[RawConstraint<'a>]>,
}

type SeedSegments<'a> = Record<Object<SeedSegment<'a>>>;

fn audience(operator: Operator, Record(segments): SeedSegments<'_>) -> Audience {
    let segments =
        segments.iter().map(|(key, Object(segment))| intern::segment(key, segment.match_type, &segment.constraints));
    Audience { operator, segments: intern::list(&segments.collect::<Vec<_>>()) }
}

#[derive(Deserialize)]
struct SeedRule<'a> {
    id: Box<str>,
    segment_operator: Operator,
    #[serde(borrow)]
    segments: SeedSegments<'a>,
}

#[derive(Deserialize)]
struct SeedSegmentRollout<'a> {
    segment_operator: Operator,
    #[serde(borrow)]
    segments: SeedSegments<'a>,
    value: bool,
}

impl From<SeedSegmentRollout<'_>> for SegmentRollout {
    fn from(seed: SeedSegmentRollout<'_>) -> Self {
        Self { audience: audience(seed.segment_operator, seed.segments), value: seed.value }
    }
}

#[derive(Deserialize)]
struct SeedRollout {
    #[serde(default, deserialize_with = "optional_object::<_, RawThreshold, _>")]
    threshold: Option<Threshold>,
    #[serde(default, deserialize_with = "optional_object::<_, SeedSegmentRollout<'_>, _>")]
    segment: Option<SegmentRollout>,
}

#[derive(Deserialize)]
struct SeedDistribution<'a> {
    #[serde(borrow)]
    variant_key: Text<'a>,
    #[serde(borrow)]
    variant_attachment: Option<Text<'a>>,
    #[serde(deserialize_with = "single")]
    rollout: f32,
}

#[derive(Deserialize)]
struct SeedNamespace<'a> {
    key: Box<str>,
    flags: Record<Object<SeedFlag>>,
    #[serde(borrow)]
    eval_rules: Record<Vec<Object<SeedRule<'a>>>>,
    eval_rollouts: Record<Vec<Object<SeedRollout>>>,
    #[serde(borrow)]
    eval_distributions: Record<Vec<Object<SeedDistribution<'a>>>>,
}

#[derive(Deserialize)]
struct Seed<'a> {
    #[serde(rename = "version", deserialize_with = "version")]
    _version: (),
    #[serde(borrow)]
    namespace: Object<SeedNamespace<'a>>,
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let version = single(deserializer)?;
    if version.to_bits() == f32::from(VERSION).to_bits() {
        Ok(())
    } else {
        Err(D::Error::custom(format!("unsupported version {version}, expected {VERSION}")))
    }
}

/// A map of the seed, keyed by flag or rule.
struct Entries<T> {
    name: &'static str,
    values: HashMap<Box<str>, T>,
}

impl<T> Entries<T> {
    fn new<Raw>(name: &'static str, Record(entries): Record<Raw>, read: impl Fn(Raw) -> T) -> Self {
        Self { name, values: entries.into_iter().map(|(key, value)| (key, read(value))).collect() }
    }

    fn get(&self, key: &str) -> Result<&T, Malformed> {
        let missing = || Malformed::whole(format!("\"{}\" has no entry for {}", self.name, quote(key)));
        self.values.get(key).ok_or_else(missing)
    }
}

/// A rule without its distributions, which are in a map keyed by rule id.
struct RuleHead {
    id: Box<str>,
    audience: Audience,
}

/// Bounds the distributions that rules with the same id share. No client writes such rules, and the state would grow with
/// the product of rules and distributions.
const MAX_SHARED: usize = 1024;

/// Reads the seed of a namespace.
///
/// # Errors
/// The problem and its location.
pub fn read(text: &str, namespace: &str) -> Result<Box<[Flag]>, Malformed> {
    intern::with_empty(|| read_interned(text, namespace))
}

fn read_interned(text: &str, namespace: &str) -> Result<Box<[Flag]>, Malformed> {
    let Object(Seed { namespace: Object(seed), .. }) = json::parse::<Object<Seed>>(text)?;
    if *seed.key != *namespace {
        let (found, requested) = (quote(&seed.key), quote(namespace));
        return Err(Malformed::whole(format!("it is for namespace {found}, but {requested} was requested")));
    }
    let rules = Entries::new("eval_rules", seed.eval_rules, |rules| list(rules, rule_head));
    let rollouts = Entries::new("eval_rollouts", seed.eval_rollouts, |rollouts| list(rollouts, rollout));
    let distributions = Entries::new("eval_distributions", seed.eval_distributions, shares);
    let total: usize = distributions.values.values().map(|shares| shares.len()).sum();
    let mut assigned = 0;
    let flag = |(key, Object(flag)): (Box<str>, Object<SeedFlag>)| {
        if let Some(problem) = key_problem(&key) {
            return Err(Malformed::limit(problem));
        }
        let rules = rules.get(&key)?.iter().map(|RuleHead { audience, id }| {
            let distributions = distributions.get(id)?.clone();
            assigned += distributions.len();
            if assigned > total + MAX_SHARED {
                return Err(Malformed::limit(format!(
                    "its rules share too many distributions: rules with the same id may have {MAX_SHARED} more than the seed"
                )));
            }
            Ok(Rule { audience: audience.clone(), distributions })
        });
        Ok(Flag {
            kind: flag.kind,
            enabled: flag.enabled,
            description: flag.description,
            default_variant: flag.default_variant,
            rules: rules.collect::<Result<_, Malformed>>()?,
            rollouts: rollouts.get(&key)?.clone(),
            key,
        })
    };
    seed.flags.0.into_iter().map(flag).collect()
}

fn list<Raw, T>(values: Vec<Object<Raw>>, read: fn(Raw) -> T) -> Box<[T]> {
    values.into_iter().map(|Object(raw)| read(raw)).collect()
}

fn rule_head(seed: SeedRule<'_>) -> RuleHead {
    RuleHead { id: seed.id, audience: audience(seed.segment_operator, seed.segments) }
}

fn rollout(seed: SeedRollout) -> Rollout {
    Rollout::new(seed.threshold, seed.segment)
}

fn shares(distributions: Vec<Object<SeedDistribution<'_>>>) -> Distributions {
    let shares = distributions.into_iter().map(|Object(raw)| RawShare {
        variant_key: raw.variant_key,
        attachment: raw.variant_attachment,
        rollout: raw.rollout,
    });
    intern::distributions(&shares.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = r#"{"version":1,"namespace":{"key":"n","flags":{"b":{"key":"x","enabled":true,"type":"?"},
        "a":{"key":"a","enabled":false,"type":"BOOLEAN_FLAG_TYPE"}},
        "eval_rules":{"a":[],"b":[{"id":"b-1","segment_operator":"?","segments":{}}]},"eval_rollouts":{"a":[{}],"b":[]},
        "eval_distributions":{"b-1":[{"variant_key":"v","rollout":33.333333333}]}}}"#;

    fn message(from: &str, to: &str) -> String {
        assert!(SEED.contains(from));
        read(&SEED.replacen(from, to, 1), "n").unwrap_err().message()
    }

    #[test]
    fn takes_the_keys_of_its_maps() {
        let flags = read(SEED, "n").unwrap();
        let keys: Vec<_> = flags.iter().map(|flag| &*flag.key).collect();
        assert_eq!(keys, ["b", "a"]);
        assert_eq!(flags[0].rules[0].distributions[0].rollout.to_bits(), 33.333_332_f32.to_bits());
        assert_eq!(*flags[1].rollouts, [Rollout::Unknown]);
    }

    #[test]
    fn rules_share_few_distributions() {
        let read = |rules: usize, shares: usize| {
            let rule = r#"{"id":"r","segment_operator":"","segments":{}}"#;
            let share = r#"{"variant_key":"v","rollout":1}"#;
            let text = format!(
                r#"{{"version":1,"namespace":{{"key":"n","flags":{{"a":{{"key":"","enabled":true,"type":""}}}},
                    "eval_rules":{{"a":[{}]}},"eval_rollouts":{{"a":[]}},"eval_distributions":{{"r":[{}]}}}}}}"#,
                vec![rule; rules].join(","),
                vec![share; shares].join(",")
            );
            read(&text, "n").map(|flags| flags.len()).map_err(|malformed| malformed.kind)
        };
        assert_eq!(read(1, 5000), Ok(1));
        assert_eq!(read(5000, 0), Ok(1));
        assert_eq!(read(2, 1024), Ok(1));
        assert_eq!(read(2, 1025), Err(json::Kind::Limit));
        assert_eq!(read(1026, 1), Err(json::Kind::Limit));
    }

    #[test]
    fn a_key_that_is_too_long_is_a_limit() {
        let long = "k".repeat(1025);
        let seed = SEED.replace("\"b\":", &format!("\"{long}\":"));
        assert_eq!(read(&seed, "n").unwrap_err().kind, json::Kind::Limit);
        assert!(read(&seed.replace(&long, &long[1..]), "n").is_ok());
    }

    #[test]
    fn is_rejected_with_the_problem() {
        assert_eq!(message("\"version\":1", "\"version\":2"), "version: unsupported version 2, expected 1");
        assert_eq!(message("\"version\":1", "\"version\":1.5"), "version: unsupported version 1.5, expected 1");
        assert_eq!(message("\"version\":1,", ""), "\"version\" is missing");
        assert_eq!(message("\"key\":\"n\"", "\"key\":\"m\""), r#"it is for namespace "m", but "n" was requested"#);
        assert_eq!(message("\"a\":[],", ""), r#""eval_rules" has no entry for "a""#);
        assert_eq!(message(",\"b\":[]", ""), r#""eval_rollouts" has no entry for "b""#);
        assert_eq!(message("{\"b-1\"", "{\"b-2\""), r#""eval_distributions" has no entry for "b-1""#);
        assert_eq!(message("\"a\":[],", "\"a\":[],\"a\":[],"), "namespace.eval_rules.a: occurs twice");
        assert_eq!(message("\"type\":\"?\"", "\"type\":null"), "namespace.flags.b.type: expected a string, found null");
    }
}
