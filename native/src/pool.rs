//! What is held once, however often it is written: a server writes out a segment in every rule and rollout that uses
//! it. The pool is there while one text is read; what it has given out is kept by those who have it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::definition::{Constraint, ConstraintType, Distribution, MatchType, Segment};

/// A string of the text that is read, copied only where it has escapes.
#[derive(PartialEq, Eq, Hash)]
pub struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&Text<'_>> for Box<str> {
    fn from(text: &Text<'_>) -> Self {
        (**text).into()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(value.into())))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(value)))
    }
}

/// Documents and seeds write a constraint in the same way.
#[derive(Hash, serde::Deserialize)]
pub struct RawConstraint<'a> {
    #[serde(rename = "type")]
    kind: ConstraintType,
    #[serde(borrow)]
    property: Text<'a>,
    operator: Text<'a>,
    value: Text<'a>,
}

impl RawConstraint<'_> {
    fn is(&self, constraint: &Constraint) -> bool {
        self.kind == constraint.kind
            && *self.property == *constraint.property
            && *self.operator == *constraint.operator
            && *self.value == *constraint.value
    }
}

impl From<&RawConstraint<'_>> for Constraint {
    fn from(raw: &RawConstraint<'_>) -> Self {
        Self {
            kind: raw.kind,
            property: (&raw.property).into(),
            operator: (&raw.operator).into(),
            value: (&raw.value).into(),
        }
    }
}

/// A share of a rule, as it is read.
pub struct RawShare<'a> {
    pub variant_key: Text<'a>,
    pub attachment: Option<Text<'a>>,
    pub rollout: f32,
}

impl RawShare<'_> {
    fn is(&self, distribution: &Distribution) -> bool {
        *self.variant_key == *distribution.variant_key
            && self.attachment.as_deref() == distribution.attachment.as_deref()
            && self.rollout.to_bits() == distribution.rollout.to_bits()
    }
}

impl Hash for RawShare<'_> {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.variant_key.hash(hasher);
        self.attachment.hash(hasher);
        self.rollout.to_bits().hash(hasher);
    }
}

impl From<&RawShare<'_>> for Distribution {
    fn from(raw: &RawShare<'_>) -> Self {
        Self {
            variant_key: (&raw.variant_key).into(),
            attachment: raw.attachment.as_ref().map(Into::into),
            rollout: raw.rollout,
        }
    }
}

/// Values by the hash of what they were made of. Of two with the same hash the first one is kept, and the other is not
/// shared: nobody can make the pool slow by choosing what collides.
struct Shared<T>(HashMap<u64, T>);

impl<T: Clone> Shared<T> {
    fn get(&mut self, hash: u64, is: impl FnOnce(&T) -> bool, make: impl FnOnce() -> T) -> T {
        match self.0.get(&hash) {
            Some(value) if is(value) => value.clone(),
            Some(_) => make(),
            None => {
                let value = make();
                self.0.insert(hash, value.clone());
                value
            }
        }
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

fn all<T, U>(raw: &[T], values: &[U], is: impl Fn(&T, &U) -> bool) -> bool {
    raw.len() == values.len() && raw.iter().zip(values).all(|(raw, value)| is(raw, value))
}

/// Segments in their order.
pub type Segments = Arc<[Arc<Segment>]>;
/// The distributions of a rule.
pub type Distributions = Arc<[Distribution]>;

#[derive(Default)]
struct Pool {
    hashes: RandomState,
    segments: Shared<Arc<Segment>>,
    lists: Shared<Segments>,
    distributions: Shared<Distributions>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// Empties the pool of the thread, however what it was filled for ends.
struct Emptied;

impl Drop for Emptied {
    fn drop(&mut self) {
        POOL.take();
    }
}

/// Runs what reads a text, with a pool that is empty before and after.
pub fn with<T>(read: impl FnOnce() -> T) -> T {
    let _emptied = Emptied;
    read()
}

pub fn segment(key: &str, match_type: MatchType, constraints: &[RawConstraint<'_>]) -> Arc<Segment> {
    POOL.with_borrow_mut(|pool| {
        pool.segments.get(
            pool.hashes.hash_one((key, match_type, constraints)),
            |segment| is_segment(segment, key, match_type, constraints),
            || {
                Arc::new(Segment {
                    key: key.into(),
                    match_type,
                    constraints: constraints.iter().map(Into::into).collect(),
                })
            },
        )
    })
}

fn is_segment(segment: &Segment, key: &str, match_type: MatchType, constraints: &[RawConstraint<'_>]) -> bool {
    segment.match_type == match_type
        && *segment.key == *key
        && all(constraints, &segment.constraints, RawConstraint::is)
}

/// A list of segments of the pool.
pub fn list(segments: &[Arc<Segment>]) -> Segments {
    POOL.with_borrow_mut(|pool| {
        let places = segments.iter().map(Arc::as_ptr).collect::<Vec<_>>();
        pool.lists.get(pool.hashes.hash_one(places), |list| all(segments, list, Arc::ptr_eq), || segments.into())
    })
}

pub fn distributions(shares: &[RawShare<'_>]) -> Distributions {
    POOL.with_borrow_mut(|pool| {
        pool.distributions.get(
            pool.hashes.hash_one(shares),
            |distributions| all(shares, distributions, RawShare::is),
            || shares.iter().map(Into::into).collect(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Flag, Rollout};

    const SEGMENT: &str = r#"{"key":"s","matchType":"ALL_SEGMENT_MATCH_TYPE","constraints":[
        {"type":"STRING_CONSTRAINT_COMPARISON_TYPE","property":"p","operator":"eq","value":"v"}]}"#;

    /// Flags with a rule and a rollout for each list of segments.
    fn flags(lists: &[String]) -> Box<[Flag]> {
        let flags = (0..).zip(lists).map(|(index, segments)| {
            format!(
                r#"{{"key":"{index}","name":"","enabled":true,
                    "rules":[{{"segmentOperator":"","segments":[{segments}],
                        "distributions":[{{"variantKey":"v","variantAttachment":"{{}}","rollout":50}}]}}],
                    "rollouts":[{{"segment":{{"value":true,"segments":[{segments}]}}}}]}}"#
            )
        });
        let text = format!(r#"{{"namespace":{{"key":"n"}},"flags":[{}]}}"#, flags.collect::<Vec<_>>().join(","));
        crate::document::read(&text, "n").unwrap().flags
    }

    fn lists(flags: &[Flag]) -> Vec<Segments> {
        let of_rollout = |rollout: &Rollout| match rollout {
            Rollout::Segment(segment) => segment.audience.segments.clone(),
            _ => panic!("a rollout of segments"),
        };
        flags.iter().flat_map(|flag| [flag.rules[0].audience.segments.clone(), of_rollout(&flag.rollouts[0])]).collect()
    }

    #[test]
    fn equal_segments_and_shares_are_held_once() {
        let other = SEGMENT.replace("\"s\"", "\"t\"");
        let both = format!("{SEGMENT},{other}");
        let spaced = SEGMENT.replace(',', " , ").replace("\"v\"", r#""\u0076""#);
        let flags = flags(&[SEGMENT.into(), spaced, both]);
        let lists = lists(&flags);
        assert!(lists[..4].iter().all(|list| Arc::ptr_eq(list, &lists[0])));
        assert!(Arc::ptr_eq(&lists[4], &lists[5]));
        assert!(Arc::ptr_eq(&lists[4][0], &lists[0][0]));
        assert!(flags.iter().all(|flag| Arc::ptr_eq(&flag.rules[0].distributions, &flags[0].rules[0].distributions)));
    }

    #[test]
    fn what_differs_in_anything_is_not_shared() {
        let changes = [
            ("\"s\"", "\"r\""),
            ("ALL_", "ANY_"),
            ("STRING", "NUMBER"),
            ("\"p\"", "\"q\""),
            ("\"eq\"", "\"neq\""),
            ("\"v\"", "\"w\""),
            ("[\n", "[{\"type\":\"\",\"property\":\"\",\"operator\":\"\",\"value\":\"\"},"),
        ];
        let mut variants: Vec<_> = changes.iter().map(|(from, to)| SEGMENT.replace(from, to)).collect();
        variants.push(SEGMENT.into());
        let flags = flags(&variants);
        for (index, flag) in flags.iter().enumerate() {
            for other in &flags[..index] {
                assert_ne!(flag.rules[0].audience, other.rules[0].audience);
            }
        }
    }

    fn text(text: &str) -> Text<'_> {
        Text(Cow::Borrowed(text))
    }

    /// Hashes do not collide in a test, so what is compared then is compared here.
    #[test]
    fn equal_is_what_is_equal_in_everything() {
        let share = |key, attachment: Option<&'static str>, rollout| RawShare {
            variant_key: text(key),
            attachment: attachment.map(text),
            rollout,
        };
        let first = Distribution::from(&share("v", Some("a"), 1.0));
        assert!(share("v", Some("a"), 1.0).is(&first));
        let others = [share("w", Some("a"), 1.0), share("v", Some("b"), 1.0), share("v", None, 1.0)];
        assert!(!others.iter().any(|other| other.is(&first)));
        assert!(!share("v", Some("a"), 2.0).is(&first));

        let raw = |kind, [property, operator, value]: [&'static str; 3]| RawConstraint {
            kind,
            property: text(property),
            operator: text(operator),
            value: text(value),
        };
        let kind = ConstraintType::String;
        let one = || [raw(kind, ["p", "eq", "v"])];
        let constraints = one().iter().map(Into::into).collect();
        let segment = Segment { key: "s".into(), match_type: MatchType::Any, constraints };
        assert!(is_segment(&segment, "s", MatchType::Any, &one()));
        assert!(!is_segment(&segment, "t", MatchType::Any, &one()));
        assert!(!is_segment(&segment, "s", MatchType::All, &one()));
        assert!(!is_segment(&segment, "s", MatchType::Any, &[]));
        let others = [
            raw(ConstraintType::Number, ["p", "eq", "v"]),
            raw(kind, ["q", "eq", "v"]),
            raw(kind, ["p", "neq", "v"]),
            raw(kind, ["p", "eq", "w"]),
        ];
        assert!(others.into_iter().all(|other| !is_segment(&segment, "s", MatchType::Any, &[other])));
    }

    #[test]
    fn values_with_the_same_hash_stay_apart() {
        let mut shared = Shared::<Arc<str>>::default();
        let mut get = |text: &str| shared.get(7, |known| **known == *text, || text.into());
        let texts = ["a", "b", "a"].map(&mut get);
        assert_eq!(texts.each_ref().map(|text| &**text), ["a", "b", "a"]);
        assert!(Arc::ptr_eq(&texts[0], &texts[2]));
    }

    #[test]
    fn the_pool_is_empty_after_each_text() {
        flags(&[SEGMENT.into()]);
        assert!(crate::document::read("{\"flags\":[", "n").is_err());
        POOL.with_borrow(|pool| assert!(pool.segments.0.is_empty() && pool.lists.0.is_empty()));
        let panicked = std::panic::catch_unwind(|| {
            with(|| {
                segment("s", MatchType::Any, &[]);
                panic!("while it reads")
            });
        });
        assert!(panicked.is_err());
        POOL.with_borrow(|pool| assert!(pool.segments.0.is_empty()));
    }
}
