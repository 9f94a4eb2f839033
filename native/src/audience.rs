//! Compiled segments, and which of them match a request.

use std::sync::Arc;

use crate::constraint::Check;
use crate::definition::Operator;
use crate::request::Request;

pub struct Constraint {
    /// The slot of the request to read.
    pub slot: u32,
    pub check: Check,
}

#[derive(Clone)]
pub struct Segment {
    pub any: bool,
    /// Shared between equal segments that read the same slots.
    pub constraints: Arc<[Constraint]>,
}

impl Segment {
    fn matches(&self, request: &Request) -> bool {
        for Constraint { slot, check } in &*self.constraints {
            if matches!(check, Check::Abort) {
                return false;
            }
            if check.matches(request.bytes(*slot)) == self.any {
                return self.any;
            }
        }
        !self.any || self.constraints.is_empty()
    }
}

pub struct Audience {
    pub operator: Operator,
    pub segments: Arc<[Segment]>,
}

/// Which part of an audience matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    No,
    /// All segments.
    All,
    /// Some segments of an audience that needs only one.
    Some,
}

/// The segments of an audience that match, if only some do. It allocates only for audiences of more than 64 segments.
#[derive(Debug, Default)]
pub struct Matched {
    first: u64,
    rest: Vec<u64>,
}

impl Matched {
    fn insert(&mut self, index: usize) {
        let (word, bit) = (index / 64, 1 << (index % 64));
        match word.checked_sub(1) {
            None => self.first |= bit,
            Some(word) => {
                if self.rest.len() <= word {
                    self.rest.resize(word + 1, 0);
                }
                self.rest[word] |= bit;
            }
        }
    }

    #[must_use]
    pub fn count(&self) -> u32 {
        self.words().map(u64::count_ones).sum()
    }

    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }

    /// The indexes in ascending order.
    pub fn indexes(&self) -> impl Iterator<Item = u32> + '_ {
        (0_u32..)
            .step_by(64)
            .zip(self.words())
            .flat_map(|(start, word)| (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| start + bit))
    }
}

impl Audience {
    /// `matched` must be empty. It is filled for `Match::Some`.
    pub fn matches(&self, request: &Request, matched: &mut Matched) -> Match {
        match self.operator {
            Operator::And if self.segments.iter().all(|segment| segment.matches(request)) => Match::All,
            Operator::And => Match::No,
            Operator::Or => self.matches_any(request, matched),
        }
    }

    fn matches_any(&self, request: &Request, matched: &mut Matched) -> Match {
        let mut count = 0;
        for (index, segment) in self.segments.iter().enumerate() {
            if segment.matches(request) {
                count += 1;
                matched.insert(index);
            }
        }
        match count {
            0 => Match::No,
            _ if count == self.segments.len() => Match::All,
            _ => Match::Some,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Compiler, Slots};
    use crate::definition::{self, ConstraintType, MatchType};
    use crate::request::encode;

    /// A constraint that matches the entity `e` (`+`), does not match it (`-`), or has an unknown type.
    fn constraint(sign: char) -> definition::Constraint {
        let (kind, operator) = match sign {
            '+' => (ConstraintType::EntityId, "eq"),
            '-' => (ConstraintType::EntityId, "neq"),
            _ => (ConstraintType::Unknown, "eq"),
        };
        definition::Constraint { kind, property: "p".into(), operator: operator.into(), value: "e".into() }
    }

    fn audience(operator: Operator, segments: &[(MatchType, &str)]) -> definition::Audience {
        let segments = segments.iter().map(|(match_type, signs)| {
            let constraints = signs.chars().map(constraint).collect();
            Arc::new(definition::Segment { key: "s".into(), match_type: *match_type, constraints })
        });
        definition::Audience { operator, segments: segments.collect() }
    }

    fn matches(operator: Operator, segments: &[(MatchType, &str)]) -> (Match, Vec<u32>) {
        let definition = audience(operator, segments);
        let mut slots = Slots::default();
        let audience = Compiler::default().audience(&definition, &mut slots);
        assert!(slots.is_empty(), "reads no property");
        let bytes = encode("e", []);
        let mut matched = Matched::default();
        let found = audience.matches(&Request::decode(&bytes, 0).unwrap(), &mut matched);
        (found, matched.indexes().collect())
    }

    #[test]
    fn a_segment_is_settled_by_its_first_decisive_constraint() {
        let cases = [("", true, true), ("+", true, true), ("-", false, false), ("+-", false, true)];
        let unknown = [("?", false, false), ("+?", false, true), ("?+", false, false), ("-?", false, false)];
        for (signs, all, any) in cases.into_iter().chain(unknown) {
            let result = |match_type| matches(Operator::And, &[(match_type, signs)]).0 == Match::All;
            assert_eq!((result(MatchType::All), result(MatchType::Any)), (all, any), "{signs}");
        }
    }

    #[test]
    fn and_without_segments_matches_and_or_does_not() {
        assert_eq!(matches(Operator::And, &[]).0, Match::All);
        assert_eq!(matches(Operator::Or, &[]).0, Match::No);
    }

    #[test]
    fn or_returns_the_segments_that_match() {
        let (hit, miss) = ((MatchType::All, "+"), (MatchType::All, "-"));
        assert_eq!(matches(Operator::Or, &[hit, hit]).0, Match::All);
        assert_eq!(matches(Operator::Or, &[miss, miss]).0, Match::No);
        assert_eq!(matches(Operator::Or, &[hit, miss, hit]), (Match::Some, vec![0, 2]));
        assert_eq!(matches(Operator::And, &[hit, miss, hit]).0, Match::No);
        let many: Vec<_> = (0..300).map(|index| if index % 100 == 63 { hit } else { miss }).collect();
        assert_eq!(matches(Operator::Or, &many), (Match::Some, vec![63, 163, 263]));
    }
}
