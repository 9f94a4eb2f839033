//! Evaluates flags, without allocating.

use crc32fast::Hasher;

use crate::audience::{Match, Matched};
use crate::compile::{Flag, Plan, Rollout, Rule, BUCKETS};
use crate::request::Request;

const PERCENT: u16 = 100;

/// The index of the flag's outcome; 0 if nothing matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub outcome: u32,
    /// Whether only some segments of the outcome match.
    pub partial: bool,
}

const NO_MATCH: Answer = Answer { outcome: 0, partial: false };

/// Evaluates a flag for a checked request. `matched` must be empty; for a partial answer it receives the segments that
/// match.
pub fn evaluate(flag: &Flag, request: &Request, matched: &mut Matched) -> Answer {
    match &flag.plan {
        Plan::Variant { hasher, rules } => evaluate_variant(hasher, rules, request, matched),
        Plan::Boolean { rollouts } => evaluate_boolean(&flag.definition.key, rollouts, request, matched),
    }
}

fn evaluate_variant(hasher: &Hasher, rules: &[Rule], request: &Request, matched: &mut Matched) -> Answer {
    for Rule { audience, bounds, outcome } in rules {
        let found = audience.matches(request, matched);
        if found != Match::No {
            let bucket = if bounds.len() > 1 {
                let mut hasher = hasher.clone();
                hasher.update(request.entity_id());
                let point = remainder(hasher, BUCKETS) + 1;
                // no point is above the last bound
                (0..).zip(bounds).find(|(_, bound)| **bound >= point).map_or(0, |(bucket, _)| bucket)
            } else {
                0
            };
            return Answer { outcome: outcome + bucket, partial: found == Match::Some };
        }
    }
    NO_MATCH
}

fn evaluate_boolean(key: &str, rollouts: &[Rollout], request: &Request, matched: &mut Matched) -> Answer {
    let mut point = None;
    for rollout in rollouts {
        match rollout {
            Rollout::Threshold { percentage, outcome } => {
                let point = *point.get_or_insert_with(|| {
                    let mut hasher = Hasher::new();
                    hasher.update(request.entity_id());
                    hasher.update(key.as_bytes());
                    f32::from(remainder(hasher, PERCENT))
                });
                if point < *percentage {
                    return Answer { outcome: *outcome, partial: false };
                }
            }
            Rollout::Segment { audience, outcome } => {
                let found = audience.matches(request, matched);
                if found != Match::No {
                    return Answer { outcome: *outcome, partial: found == Match::Some };
                }
            }
        }
    }
    NO_MATCH
}

#[allow(clippy::cast_possible_truncation, reason = "a remainder is less than the divisor")]
fn remainder(hasher: Hasher, divisor: u16) -> u16 {
    (hasher.finalize() % u32::from(divisor)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::encode;
    use crate::snapshot::Snapshot;

    /// Evaluates a flag, given without key and name, for several entities.
    fn answers<const N: usize>(flag: &str, entity_ids: [&str; N]) -> [u32; N] {
        let text = format!(r#"{{"namespace":{{"key":"n"}},"flags":[{{"key":"flag","name":"",{flag}}}]}}"#);
        let snapshot = Snapshot::from_document("n", &text).unwrap();
        let flag = snapshot.flag(0).unwrap();
        entity_ids.map(|entity_id| {
            let bytes = encode(entity_id, []);
            let request = Request::decode(&bytes, flag.properties.len()).unwrap();
            evaluate(flag, &request, &mut Matched::default()).outcome
        })
    }

    const EVERYONE: &str = r#"{"segmentOperator":"AND_SEGMENT_OPERATOR","distributions":"#;

    #[test]
    fn a_variant_is_picked_by_the_hash_of_flag_and_entity() {
        let shares = r#"[{"variantKey":"a","rollout":33.34},{"variantKey":"b","rollout":33.33},
            {"variantKey":"none","rollout":0},{"variantKey":"c","rollout":33.33}]"#;
        let flag = format!(r#""enabled":true,"rules":[{EVERYONE}{shares}}}]"#);
        let entities = ["1", "2", "7", "8"];
        let buckets = entities.map(|id| match crc32fast::hash(format!("flag{id}").as_bytes()) % 1000 + 1 {
            0..=333 => 1,
            334..=667 => 2,
            _ => 3,
        });
        assert_eq!(answers(&flag, entities), buckets);
        assert!([1, 2, 3].iter().all(|bucket| buckets.contains(bucket)), "{buckets:?}");
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let nobody = r#"{"segmentOperator":"OR_SEGMENT_OPERATOR","distributions":[{"variantKey":"a","rollout":1}]}"#;
        let flag = format!(r#""enabled":true,"rules":[{nobody},{EVERYONE}[]}},{EVERYONE}[]}}]"#);
        assert_eq!(answers(&flag, ["e"]), [2]);
        assert_eq!(answers(&format!(r#""enabled":true,"rules":[{nobody}]"#), ["e"]), [0]);
        assert_eq!(answers(&format!(r#""enabled":false,"rules":[{EVERYONE}[]}}]"#), ["e"]), [0]);
    }

    #[test]
    fn a_threshold_is_passed_by_the_hash_of_entity_and_flag() {
        let entities = ["1", "2", "3", "4", "5", "6"];
        let flag = |percentage: &str| {
            let threshold = format!(r#"{{"threshold":{{"percentage":{percentage},"value":true}}}}"#);
            format!(r#""enabled":false,"type":"BOOLEAN_FLAG_TYPE","rollouts":[{{}},{threshold}]"#)
        };
        for percentage in 0..=100 {
            let passes = entities.map(|id| crc32fast::hash(format!("{id}flag").as_bytes()) % 100 < percentage);
            assert_eq!(answers(&flag(&percentage.to_string()), entities), passes.map(u32::from), "{percentage} %");
        }
    }
}
