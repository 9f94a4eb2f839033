//! A flag, compiled: all that does not depend on the request is computed once, so that one evaluation reads, compares
//! and picks. What it picks is the index of an outcome, in the order of [`crate::describe`].

use std::collections::HashMap;

use crc32fast::Hasher;

use crate::audience::Audience;
use crate::definition::{self, FlagType, Threshold};

/// The points over which entities are spread by a rule.
pub const BUCKETS: u16 = 1000;

pub struct Rule {
    pub audience: Audience,
    /// The last point of each bucket; ascending.
    pub bounds: Box<[u16]>,
    /// That of the first bucket; those of the others follow.
    pub outcome: u32,
}

pub enum Rollout {
    Threshold { percentage: f32, outcome: u32 },
    Segment { audience: Audience, outcome: u32 },
}

pub enum Plan {
    Variant {
        /// The flag's key, hashed: what the entity's id is appended to.
        hasher: Hasher,
        rules: Box<[Rule]>,
    },
    Boolean {
        rollouts: Box<[Rollout]>,
    },
}

pub struct Flag {
    pub definition: definition::Flag,
    /// The properties of a context that are read, in the order of their slots.
    pub properties: Box<[Box<str>]>,
    pub plan: Plan,
}

/// The properties that a flag reads, each with a slot of its own.
#[derive(Default)]
struct Slots(HashMap<Box<str>, u32>);

impl Slots {
    fn slot(&mut self, property: &str) -> u32 {
        if let Some(slot) = self.0.get(property) {
            return *slot;
        }
        let slot = count(self.0.len()) + 1;
        self.0.insert(property.into(), slot);
        slot
    }

    fn properties(self) -> Box<[Box<str>]> {
        let mut properties: Vec<_> = self.0.into_iter().collect();
        properties.sort_unstable_by_key(|(_, slot)| *slot);
        properties.into_iter().map(|(property, _)| property).collect()
    }
}

#[allow(clippy::cast_possible_truncation, reason = "no document has so many properties or outcomes")]
fn count(length: usize) -> u32 {
    length as u32
}

impl Flag {
    #[must_use]
    pub fn new(definition: definition::Flag) -> Self {
        let mut slots = Slots::default();
        let mut slot = |property: &str| slots.slot(property);
        // the first outcome is that of a request which nothing matches
        let mut outcomes = 1;
        let plan = match definition.kind {
            FlagType::Variant => {
                let mut hasher = Hasher::new();
                hasher.update(definition.key.as_bytes());
                let rules = if definition.enabled { &*definition.rules } else { &[] };
                Plan::Variant {
                    hasher,
                    rules: rules.iter().map(|rule| compile_rule(rule, &mut outcomes, &mut slot)).collect(),
                }
            }
            FlagType::Boolean => {
                let rollouts = definition.rollouts.iter();
                Plan::Boolean {
                    rollouts: rollouts
                        .filter_map(|rollout| compile_rollout(rollout, &mut outcomes, &mut slot))
                        .collect(),
                }
            }
        };
        Self { properties: slots.properties(), definition, plan }
    }
}

fn compile_rule(rule: &definition::Rule, outcomes: &mut u32, slot: &mut impl FnMut(&str) -> u32) -> Rule {
    let shares: Vec<_> = rule.shares().map(|distribution| distribution.rollout).collect();
    let outcome = *outcomes;
    *outcomes += count(shares.len()).max(1);
    Rule { audience: Audience::new(&rule.audience, slot), bounds: bounds(&shares), outcome }
}

fn compile_rollout(
    rollout: &definition::Rollout,
    outcomes: &mut u32,
    slot: &mut impl FnMut(&str) -> u32,
) -> Option<Rollout> {
    let outcome = *outcomes;
    let compiled = match rollout {
        definition::Rollout::Threshold(Threshold { percentage, .. }) => {
            Rollout::Threshold { percentage: *percentage, outcome }
        }
        definition::Rollout::Segment(segment) => {
            Rollout::Segment { audience: Audience::new(&segment.audience, slot), outcome }
        }
        definition::Rollout::Unknown => return None,
    };
    *outcomes += 1;
    Some(compiled)
}

/// The bounds of the buckets, in the arithmetic of the official engine: single precision after every step, each share
/// put in relation to the sum, the running total rounded half away from zero.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a conversion that saturates is right")]
fn bounds(shares: &[f32]) -> Box<[u16]> {
    let sum: f32 = shares.iter().sum();
    let mut total = 0.0_f32;
    let mut bounds: Vec<_> = shares
        .iter()
        .map(|share| {
            total += share / sum * 100.0;
            (total * 10.0).round() as u16
        })
        .collect();
    if let Some(last) = bounds.last_mut() {
        *last = BUCKETS;
    }
    bounds.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_official_engine() {
        assert!(bounds(&[]).is_empty());
        assert_eq!(*bounds(&[1e-30]), [1000]);
        assert_eq!(*bounds(&[33.34, 33.33, 33.33]), [333, 667, 1000]);
        assert_eq!(*bounds(&[50.0, 50.0]), [500, 1000]);
        assert_eq!(*bounds(&[75.0, 1.0]), [987, 1000]);
        assert_eq!(*bounds(&[f32::MAX, f32::MAX]), [0, 1000]);
        assert_eq!(*bounds(&[0.05, 99.95]), [1, 1000]);
    }

    #[test]
    fn slots_are_counted_from_one_in_order_of_appearance() {
        let mut slots = Slots::default();
        assert_eq!(["b", "a", "b", "c"].map(|property| slots.slot(property)), [1, 2, 1, 3]);
        assert_eq!(*slots.properties(), ["b".into(), "a".into(), "c".into()]);
    }
}
