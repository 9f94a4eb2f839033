//! Compiles flags: computes everything that does not depend on the request. An evaluation only reads values, compares
//! them and picks the index of an outcome, in the order of [`crate::outcomes`].

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use crc32fast::Hasher;

use crate::audience::{Audience, Constraint, Segment};
use crate::constraint::Check;
use crate::definition::{self, ConstraintType, FlagType, MatchType, Threshold};
use crate::request::ENTITY;
use crate::second_thread;

/// The number of buckets for the distributions of a rule.
pub const BUCKETS: u16 = 1000;

pub struct Rule {
    pub audience: Audience,
    /// The upper bound of each distribution, ascending.
    pub bounds: Box<[u16]>,
    /// The outcome of the first distribution; those of the others follow.
    pub outcome: u32,
}

pub enum Rollout {
    Threshold { percentage: f32, outcome: u32 },
    Segment { audience: Audience, outcome: u32 },
}

pub enum Plan {
    Variant {
        /// The hash state after the flag key; the entity id follows.
        hasher: Hasher,
        rules: Box<[Rule]>,
    },
    Boolean {
        rollouts: Box<[Rollout]>,
    },
}

pub struct Flag {
    pub definition: definition::Flag,
    /// The context properties that the flag reads, in the order of their slots.
    pub properties: Arc<[Box<str>]>,
    pub plan: Plan,
}

impl Flag {
    /// Compiles the flags of a document.
    #[must_use]
    pub fn compile(definitions: Box<[definition::Flag]>) -> Box<[Self]> {
        let plans = plans_of_many(&definitions);
        let flags = definitions.into_vec().into_iter().zip(plans);
        flags.map(|(definition, (properties, plan))| Self { definition, properties, plan }).collect()
    }
}

/// From this many flags on, a second thread compiles half of them.
const MANY: usize = 4096;

/// The properties that a flag reads, and how it is evaluated.
pub type FlagPlan = (Arc<[Box<str>]>, Plan);

fn plans_of_many(definitions: &[definition::Flag]) -> Vec<FlagPlan> {
    if definitions.len() < MANY {
        return plans(definitions);
    }
    let (first, second) = definitions.split_at(definitions.len() / 2);
    thread::scope(|scope| {
        let compiling = second_thread::spawn(scope, || plans(second));
        let mut compiled = plans(first);
        // compiles on this thread if the second thread could not be started or panicked
        compiled.extend(compiling.and_then(|it| it.join().ok()).unwrap_or_else(|| plans(second)));
        compiled
    })
}

fn plans(definitions: &[definition::Flag]) -> Vec<FlagPlan> {
    let mut compiler = Compiler::default();
    definitions.iter().map(|definition| compiler.flag(definition)).collect()
}

/// Up to this many properties, a linear search is faster than hashing.
const FEW: usize = 16;

/// Assigns a slot to each property that a flag reads.
#[derive(Default)]
pub struct Slots<'a> {
    properties: Vec<&'a str>,
    /// The slot of each property, used once there are more than `FEW`.
    slots: HashMap<&'a str, u32>,
}

impl<'a> Slots<'a> {
    fn slot(&mut self, property: &'a str) -> u32 {
        if let Some(slot) = self.find(property) {
            return slot;
        }
        self.properties.push(property);
        let slot = count(self.properties.len());
        if slot as usize > FEW {
            if self.slots.is_empty() {
                self.slots = self.properties.iter().copied().zip(1..).collect();
            } else {
                self.slots.insert(property, slot);
            }
        }
        slot
    }

    fn find(&self, property: &str) -> Option<u32> {
        if self.slots.is_empty() {
            self.properties.iter().zip(1..).find(|(known, _)| **known == property).map(|(_, slot)| slot)
        } else {
            self.slots.get(property).copied()
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.properties.is_empty()
    }
}

#[allow(clippy::cast_possible_truncation, reason = "no document has that many properties or outcomes")]
fn count(length: usize) -> u32 {
    length as u32
}

/// A segment, compiled once per assignment of slots.
struct Prepared<'a> {
    /// The property that each constraint reads; `None` means the entity id.
    reads: Box<[Option<&'a str>]>,
    compiled: HashMap<Box<[u32]>, Arc<[Constraint]>>,
}

/// The address of a list of segment definitions, and the slots that it reads.
type ListKey = (*const Arc<definition::Segment>, Box<[u32]>);

/// Compiles the flags of a document and shares what they have in common.
#[derive(Default)]
pub struct Compiler<'a> {
    /// Keyed by the address of the definition, which stays valid during compilation.
    segments: HashMap<*const definition::Segment, Prepared<'a>>,
    lists: HashMap<ListKey, Arc<[Segment]>>,
    properties: HashMap<Vec<&'a str>, Arc<[Box<str>]>>,
}

impl<'a> Compiler<'a> {
    pub fn flag(&mut self, definition: &'a definition::Flag) -> FlagPlan {
        let mut slots = Slots::default();
        // outcome 0 is for requests that nothing matches
        let mut outcomes = 1;
        let plan = match definition.kind {
            FlagType::Variant => {
                let mut hasher = Hasher::new();
                hasher.update(definition.key.as_bytes());
                let rules = if definition.enabled { &*definition.rules } else { &[] };
                Plan::Variant {
                    hasher,
                    rules: rules.iter().map(|rule| self.rule(rule, &mut outcomes, &mut slots)).collect(),
                }
            }
            FlagType::Boolean => {
                let rollouts = definition.rollouts.iter();
                Plan::Boolean {
                    rollouts: rollouts.filter_map(|rollout| self.rollout(rollout, &mut outcomes, &mut slots)).collect(),
                }
            }
        };
        (self.properties(slots), plan)
    }

    fn properties(&mut self, slots: Slots<'a>) -> Arc<[Box<str>]> {
        if let Some(known) = self.properties.get(&slots.properties) {
            return known.clone();
        }
        let properties: Arc<[Box<str>]> = slots.properties.iter().map(|property| (*property).into()).collect();
        self.properties.insert(slots.properties, properties.clone());
        properties
    }

    fn rule(&mut self, rule: &'a definition::Rule, outcomes: &mut u32, slots: &mut Slots<'a>) -> Rule {
        let shares: Vec<_> = rule.shares().map(|distribution| distribution.rollout).collect();
        let outcome = *outcomes;
        *outcomes += count(shares.len()).max(1);
        Rule { audience: self.audience(&rule.audience, slots), bounds: bounds(&shares), outcome }
    }

    fn rollout(
        &mut self,
        rollout: &'a definition::Rollout,
        outcomes: &mut u32,
        slots: &mut Slots<'a>,
    ) -> Option<Rollout> {
        let outcome = *outcomes;
        let compiled = match rollout {
            definition::Rollout::Threshold(Threshold { percentage, .. }) => {
                Rollout::Threshold { percentage: *percentage, outcome }
            }
            definition::Rollout::Segment(segment) => {
                Rollout::Segment { audience: self.audience(&segment.audience, slots), outcome }
            }
            definition::Rollout::Unknown => return None,
        };
        *outcomes += 1;
        Some(compiled)
    }

    pub fn audience(&mut self, definition: &'a definition::Audience, slots: &mut Slots<'a>) -> Audience {
        let mut read = Vec::new();
        for segment in &*definition.segments {
            let Prepared { reads, .. } = self.prepared(segment);
            read.extend(reads.iter().map(|property| property.map_or(ENTITY, |property| slots.slot(property))));
        }
        let key = (definition.segments.as_ptr(), read.into_boxed_slice());
        let segments = if let Some(known) = self.lists.get(&key) {
            known.clone()
        } else {
            let mut read = &*key.1;
            let segments = definition.segments.iter().map(|segment| {
                let (slots, rest) = read.split_at(segment.constraints.len());
                read = rest;
                self.segment(segment, slots)
            });
            let segments: Arc<[Segment]> = segments.collect();
            self.lists.insert(key, segments.clone());
            segments
        };
        Audience { operator: definition.operator, segments }
    }

    fn prepared(&mut self, segment: &'a Arc<definition::Segment>) -> &mut Prepared<'a> {
        self.segments.entry(Arc::as_ptr(segment)).or_insert_with(|| {
            let reads = segment.constraints.iter().map(|constraint| {
                let of_entity = constraint.kind == ConstraintType::EntityId || !Check::new(constraint).reads();
                (!of_entity).then_some(&*constraint.property)
            });
            Prepared { reads: reads.collect(), compiled: HashMap::new() }
        })
    }

    fn segment(&mut self, segment: &'a Arc<definition::Segment>, slots: &[u32]) -> Segment {
        let Prepared { compiled, .. } = self.prepared(segment);
        let constraints = compiled.entry(slots.into()).or_insert_with(|| {
            let constraints = segment.constraints.iter().zip(slots);
            constraints.map(|(constraint, slot)| Constraint { slot: *slot, check: Check::new(constraint) }).collect()
        });
        Segment { any: segment.match_type == MatchType::Any, constraints: constraints.clone() }
    }
}

/// The upper bounds of the distributions, computed like in the official engine: single precision after every step, each
/// share relative to the sum, the running total rounded half away from zero.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the conversion saturates as intended")]
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
        assert_eq!(slots.properties, ["b", "a", "c"]);
        let names: Vec<_> = (0..100).map(|index| index.to_string()).collect();
        let mut slots = Slots::default();
        for round in 0..2 {
            let found: Vec<_> = names.iter().map(|name| slots.slot(name)).collect();
            assert_eq!(found, (1..=100).collect::<Vec<_>>(), "{round}");
        }
        assert_eq!(slots.properties, names);
        // a linear search would make the whole quadratic
        assert_eq!(slots.slots.len(), names.len());
    }

    #[test]
    fn shared_parts_are_compiled_once() {
        let segment = |key: &str, property: &str| {
            format!(
                r#"{{"key":"{key}","matchType":"","constraints":[{{"type":"STRING_CONSTRAINT_COMPARISON_TYPE",
                    "property":"{property}","operator":"eq","value":"v"}}]}}"#
            )
        };
        let flag = |key: &str, lists: &[String]| {
            let rollouts: Vec<_> =
                lists.iter().map(|list| format!(r#"{{"segment":{{"value":true,"segments":[{list}]}}}}"#)).collect();
            let rollouts = rollouts.join(",");
            format!(r#"{{"key":"{key}","name":"","enabled":true,"type":"BOOLEAN_FLAG_TYPE","rollouts":[{rollouts}]}}"#)
        };
        let (a, b) = (segment("a", "p"), segment("b", "q"));
        let flags = [
            flag("1", &[a.clone(), b.clone()]),
            flag("2", &[a.clone(), b.clone()]),
            flag("3", &[format!("{a},{b}")]),
            flag("4", &[b, a]),
        ];
        let text = format!(r#"{{"namespace":{{"key":"n"}},"flags":[{}]}}"#, flags.join(","));
        let flags = Flag::compile(crate::document::read(&text, "n").unwrap().flags);
        let lists: Vec<Vec<_>> = flags
            .iter()
            .map(|flag| match &flag.plan {
                Plan::Boolean { rollouts } => rollouts
                    .iter()
                    .map(|rollout| match rollout {
                        Rollout::Segment { audience, .. } => audience.segments.clone(),
                        Rollout::Threshold { .. } => panic!("a rollout of segments"),
                    })
                    .collect(),
                Plan::Variant { .. } => panic!("a boolean flag"),
            })
            .collect();
        assert!(Arc::ptr_eq(&lists[0][0], &lists[1][0]) && Arc::ptr_eq(&lists[0][1], &lists[1][1]));
        assert!(Arc::ptr_eq(&lists[0][0][0].constraints, &lists[2][0][0].constraints));
        assert!(Arc::ptr_eq(&lists[0][1][0].constraints, &lists[2][0][1].constraints));
        assert!(Arc::ptr_eq(&flags[0].properties, &flags[1].properties));
        // another order means other slots
        let slots = |list: &[Segment]| list.iter().map(|segment| segment.constraints[0].slot).collect::<Vec<_>>();
        assert_eq!(lists[3].iter().map(|list| slots(list)).collect::<Vec<_>>(), [[1], [2]]);
        assert_eq!(*flags[3].properties, ["q".into(), "p".into()]);
        assert!(!Arc::ptr_eq(&lists[3][0], &lists[0][1]));
    }
}
