//! Interns equal segments and distributions: a server writes a segment out in every rule and rollout that uses it. The
//! interner lives while one text is read; the definitions keep the interned values.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::definition::{Constraint, ConstraintType, Distribution, MatchType, Segment};

/// A string in the text that is being read, copied only if it has escapes.
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

/// Documents and seeds use the same JSON for a constraint.
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
    fn equals(&self, constraint: &Constraint) -> bool {
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

/// A distribution of a rule, borrowed from the text.
pub struct RawShare<'a> {
    pub variant_key: Text<'a>,
    pub attachment: Option<Text<'a>>,
    pub rollout: f32,
}

impl RawShare<'_> {
    fn equals(&self, distribution: &Distribution) -> bool {
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

/// Interned values by the hash of their content. If two values collide, only the first is interned, so collisions cannot
/// make the interner slow.
struct Table<T>(HashMap<u64, T>);

impl<T: Clone> Table<T> {
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

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

fn equal_lists<T, U>(raw: &[T], values: &[U], is: impl Fn(&T, &U) -> bool) -> bool {
    raw.len() == values.len() && raw.iter().zip(values).all(|(raw, value)| is(raw, value))
}

/// Segments in order.
pub type Segments = Arc<[Arc<Segment>]>;
/// The distributions of a rule.
pub type Distributions = Arc<[Distribution]>;

/// The size of the texts of segments that each thread keeps while it reads a document. Segments beyond that are parsed each
/// time.
const MAX_TEXT_BYTES: usize = 16 * 1024 * 1024;

#[derive(Default)]
struct Interner {
    hashes: RandomState,
    segments: Table<Arc<Segment>>,
    /// The segments by their JSON text, and the size of these texts.
    texts: Table<(Box<str>, Arc<Segment>)>,
    text_bytes: usize,
    lists: Table<Segments>,
    distributions: Table<Distributions>,
}

thread_local! {
    static INTERNER: RefCell<Interner> = RefCell::default();
}

/// Clears the thread's interner when dropped, even on a panic.
struct ClearOnDrop;

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        INTERNER.take();
    }
}

/// Reads a text with an interner that is empty before and after.
pub fn with_empty<T>(read: impl FnOnce() -> T) -> T {
    let _clear = ClearOnDrop;
    read()
}

pub fn segment(key: &str, match_type: MatchType, constraints: &[RawConstraint<'_>]) -> Arc<Segment> {
    INTERNER.with_borrow_mut(|interner| {
        interner.segments.get(
            interner.hashes.hash_one((key, match_type, constraints)),
            |segment| equals_segment(segment, key, match_type, constraints),
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

fn equals_segment(segment: &Segment, key: &str, match_type: MatchType, constraints: &[RawConstraint<'_>]) -> bool {
    segment.match_type == match_type
        && *segment.key == *key
        && equal_lists(constraints, &segment.constraints, RawConstraint::equals)
}

/// The segment with a JSON text, parsed if the text is new.
///
/// # Errors
/// That of `parse`.
pub fn segment_with_text<E>(text: &str, parse: impl FnOnce() -> Result<Arc<Segment>, E>) -> Result<Arc<Segment>, E> {
    // a collision costs no more than a new text
    let hash = u64::from(crc32fast::hash(text.as_bytes()));
    let known = INTERNER.with_borrow(|interner| {
        interner.texts.0.get(&hash).filter(|(known, _)| **known == *text).map(|(_, segment)| segment.clone())
    });
    if let Some(segment) = known {
        return Ok(segment);
    }
    let segment = parse()?;
    INTERNER.with_borrow_mut(|interner| {
        if interner.text_bytes + text.len() <= MAX_TEXT_BYTES && !interner.texts.0.contains_key(&hash) {
            interner.text_bytes += text.len();
            interner.texts.0.insert(hash, (text.into(), segment.clone()));
        }
    });
    Ok(segment)
}

/// Interns a list of interned segments.
pub fn list(segments: &[Arc<Segment>]) -> Segments {
    INTERNER.with_borrow_mut(|interner| {
        let addresses = segments.iter().map(Arc::as_ptr).collect::<Vec<_>>();
        interner.lists.get(
            interner.hashes.hash_one(addresses),
            |list| equal_lists(segments, list, Arc::ptr_eq),
            || segments.into(),
        )
    })
}

pub fn distributions(shares: &[RawShare<'_>]) -> Distributions {
    INTERNER.with_borrow_mut(|interner| {
        interner.distributions.get(
            interner.hashes.hash_one(shares),
            |distributions| equal_lists(shares, distributions, RawShare::equals),
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
    fn different_values_are_not_shared() {
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

    /// Hashes do not collide in the other tests, so this one tests the comparisons directly.
    #[test]
    fn values_are_equal_only_if_all_fields_are() {
        let share = |key, attachment: Option<&'static str>, rollout| RawShare {
            variant_key: text(key),
            attachment: attachment.map(text),
            rollout,
        };
        let first = Distribution::from(&share("v", Some("a"), 1.0));
        assert!(share("v", Some("a"), 1.0).equals(&first));
        let others = [share("w", Some("a"), 1.0), share("v", Some("b"), 1.0), share("v", None, 1.0)];
        assert!(!others.iter().any(|other| other.equals(&first)));
        assert!(!share("v", Some("a"), 2.0).equals(&first));

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
        assert!(equals_segment(&segment, "s", MatchType::Any, &one()));
        assert!(!equals_segment(&segment, "t", MatchType::Any, &one()));
        assert!(!equals_segment(&segment, "s", MatchType::All, &one()));
        assert!(!equals_segment(&segment, "s", MatchType::Any, &[]));
        let others = [
            raw(ConstraintType::Number, ["p", "eq", "v"]),
            raw(kind, ["q", "eq", "v"]),
            raw(kind, ["p", "neq", "v"]),
            raw(kind, ["p", "eq", "w"]),
        ];
        assert!(others.into_iter().all(|other| !equals_segment(&segment, "s", MatchType::Any, &[other])));
    }

    #[test]
    fn values_with_the_same_hash_stay_apart() {
        let mut table = Table::<Arc<str>>::default();
        let mut get = |text: &str| table.get(7, |known| **known == *text, || text.into());
        let texts = ["a", "b", "a"].map(&mut get);
        assert_eq!(texts.each_ref().map(|text| &**text), ["a", "b", "a"]);
        assert!(Arc::ptr_eq(&texts[0], &texts[2]));
    }

    #[test]
    fn a_segment_is_parsed_once_for_its_text() {
        with_empty(|| {
            let read = |text: &str, key: &str| {
                let mut parsed = false;
                let found: Result<_, ()> = segment_with_text(text, || {
                    parsed = true;
                    Ok(segment(key, MatchType::Any, &[]))
                });
                (found.unwrap(), parsed)
            };
            let (first, parsed) = read("a", "a");
            assert!(parsed);
            let (again, parsed) = read("a", "not parsed");
            assert!(Arc::ptr_eq(&first, &again) && !parsed);
            // two texts with the same checksum
            assert_eq!(crc32fast::hash(b"plumless"), crc32fast::hash(b"buckeroo"));
            assert_eq!([read("plumless", "p").1, read("plumless", "").1], [true, false]);
            assert_eq!(["b", "c"].map(|key| &*read("buckeroo", key).0.key == key), [true, true]);
            let large = "x".repeat(MAX_TEXT_BYTES);
            assert_eq!([read(&large, "l").1, read(&large, "m").1], [true, true]);
            assert!(segment_with_text("z", || Err::<Arc<Segment>, _>(())).is_err());
        });
    }

    #[test]
    fn the_interner_is_empty_after_each_text() {
        flags(&[SEGMENT.into()]);
        assert!(crate::document::read("{\"flags\":[", "n").is_err());
        INTERNER.with_borrow(|interner| {
            assert!(interner.segments.0.is_empty() && interner.lists.0.is_empty());
            assert!(interner.texts.0.is_empty() && interner.text_bytes == 0);
        });
        let panicked = std::panic::catch_unwind(|| {
            with_empty(|| {
                segment("s", MatchType::Any, &[]);
                panic!("while it reads")
            });
        });
        assert!(panicked.is_err());
        INTERNER.with_borrow(|interner| assert!(interner.segments.0.is_empty()));
    }
}
