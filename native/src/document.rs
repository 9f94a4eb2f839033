//! Reads the snapshot document that a Flipt server sends. Required fields, optional and nullable fields, and unknown enum
//! names are handled like in the official engine.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::{Deserializer, Error};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::de::{object, objects, optional_object, optional_objects, single, Object};
use crate::definition::{
    key_problem, Audience, DefaultVariant, Flag, FlagType, MatchType, Operator, Rollout, Rule, Segment, SegmentRollout,
    Threshold,
};
use crate::intern::{self, RawConstraint, RawShare, Text};
use crate::json::{self, quote, Kind, Malformed, Part, Reader, Step};

mod parallel;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSegment<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    match_type: MatchType,
    #[serde(borrow, deserialize_with = "objects::<_, RawConstraint<'_>, _>")]
    constraints: Box<[RawConstraint<'a>]>,
}

/// A segment that is parsed once for all places with the same text: a server writes it out in each rule that uses it.
struct SharedSegment(Arc<Segment>);

impl<'de> Deserialize<'de> for SharedSegment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let intern = |Object(raw): Object<RawSegment<'_>>| intern::segment(&raw.key, raw.match_type, &raw.constraints);
        if !json::borrows_texts(&deserializer) {
            return Deserialize::deserialize(deserializer).map(intern).map(Self);
        }
        let text = <&RawValue>::deserialize(deserializer)?.get();
        intern::segment_with_text(text, || serde_json::from_str(text).map(intern)).map(Self).map_err(D::Error::custom)
    }
}

fn segments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[Arc<Segment>]>, D::Error> {
    let segments = Vec::<SharedSegment>::deserialize(deserializer)?;
    Ok(segments.into_iter().map(|SharedSegment(segment)| segment).collect())
}

fn optional_segments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[Arc<Segment>]>, D::Error> {
    let segments = Option::<Vec<SharedSegment>>::deserialize(deserializer)?;
    Ok(segments.into_iter().flatten().map(|SharedSegment(segment)| segment).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDistribution<'a> {
    #[serde(borrow)]
    variant_key: Text<'a>,
    #[serde(borrow)]
    variant_attachment: Option<Text<'a>>,
    #[serde(deserialize_with = "single")]
    rollout: f32,
}

impl<'a> From<RawDistribution<'a>> for RawShare<'a> {
    fn from(raw: RawDistribution<'a>) -> Self {
        Self { variant_key: raw.variant_key, attachment: raw.variant_attachment, rollout: raw.rollout }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRule<'a> {
    segment_operator: Operator,
    #[serde(default, deserialize_with = "optional_segments")]
    segments: Box<[Arc<Segment>]>,
    #[serde(borrow, deserialize_with = "objects::<_, RawDistribution<'_>, _>")]
    distributions: Box<[RawShare<'a>]>,
}

impl From<RawRule<'_>> for Rule {
    fn from(raw: RawRule<'_>) -> Self {
        Self {
            audience: audience(raw.segment_operator, raw.segments),
            distributions: intern::distributions(&raw.distributions),
        }
    }
}

/// Documents and seeds use the same JSON for a threshold.
#[derive(Deserialize)]
pub struct RawThreshold {
    #[serde(deserialize_with = "single")]
    percentage: f32,
    value: bool,
}

impl From<RawThreshold> for Threshold {
    fn from(raw: RawThreshold) -> Self {
        Self { percentage: raw.percentage, value: raw.value }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSegmentRollout {
    segment_operator: Option<Operator>,
    #[serde(deserialize_with = "segments")]
    segments: Box<[Arc<Segment>]>,
    value: bool,
}

impl From<RawSegmentRollout> for SegmentRollout {
    fn from(raw: RawSegmentRollout) -> Self {
        let operator = raw.segment_operator.unwrap_or(Operator::Or);
        Self { audience: audience(operator, raw.segments), value: raw.value }
    }
}

#[derive(Deserialize)]
struct RawRollout {
    #[serde(default, deserialize_with = "optional_object::<_, RawThreshold, _>")]
    threshold: Option<Threshold>,
    #[serde(default, deserialize_with = "optional_object::<_, RawSegmentRollout, _>")]
    segment: Option<SegmentRollout>,
}

impl From<RawRollout> for Rollout {
    fn from(raw: RawRollout) -> Self {
        Self::new(raw.threshold, raw.segment)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFlag {
    key: Box<str>,
    #[serde(rename = "name", deserialize_with = "ignored_text")]
    _name: (),
    enabled: bool,
    #[serde(rename = "type")]
    kind: Option<FlagType>,
    description: Option<Box<str>>,
    #[serde(default, deserialize_with = "optional_objects::<_, RawRule<'_>, _>")]
    rules: Box<[Rule]>,
    #[serde(default, deserialize_with = "optional_objects::<_, RawRollout, _>")]
    rollouts: Box<[Rollout]>,
    #[serde(default, deserialize_with = "optional_object::<_, DefaultVariant, _>")]
    default_variant: Option<DefaultVariant>,
}

impl From<RawFlag> for Flag {
    fn from(raw: RawFlag) -> Self {
        Self {
            key: raw.key,
            kind: raw.kind.unwrap_or(FlagType::Variant),
            enabled: raw.enabled,
            description: raw.description,
            default_variant: raw.default_variant,
            rules: raw.rules,
            rollouts: raw.rollouts,
        }
    }
}

/// A required field that is not used.
fn ignored_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    crate::de::text(deserializer, |_| ())
}

#[derive(Deserialize)]
struct Namespace {
    key: Box<str>,
}

#[derive(Deserialize)]
struct RawDocument {
    #[serde(deserialize_with = "object::<_, Namespace, _>")]
    namespace: Namespace,
    #[serde(deserialize_with = "objects::<_, RawFlag, _>")]
    flags: Box<[Flag]>,
    digest: Option<Box<str>>,
}

/// The content of a document.
pub struct Document {
    pub digest: Option<Box<str>>,
    /// In document order, with unique keys.
    pub flags: Box<[Flag]>,
}

/// Reads the document of a namespace.
///
/// # Errors
/// The problem and its location.
pub fn read(text: &str, namespace: &str) -> Result<Document, Malformed> {
    if json::is_blank(text.as_bytes()) {
        return Err(Malformed::whole("the document is empty".into()));
    }
    let raw = match parallel::read(text) {
        Some(raw) => raw,
        None => read_sequentially(text).map_err(|malformed| with_flag(malformed, text))?,
    };
    if *raw.namespace.key != *namespace {
        return Err(Malformed::whole(format!(
            "it is for namespace {}, but {} was requested",
            quote(&raw.namespace.key),
            quote(namespace)
        )));
    }
    for (index, flag) in raw.flags.iter().enumerate() {
        if let Some(problem) = key_problem(&flag.key) {
            return Err(Malformed { kind: Kind::Limit, path: key_path(index), problem });
        }
    }
    Ok(Document { digest: raw.digest, flags: last_of_each_key(raw.flags, |flag| &flag.key) })
}

fn read_sequentially(text: &str) -> Result<RawDocument, Malformed> {
    intern::with_empty(|| json::parse::<Object<RawDocument>>(text)).map(|Object(raw)| raw)
}

/// The path of a flag's key.
fn key_path(index: usize) -> Vec<Step> {
    let parts = [Part::Key("flags".into()), Part::Index(index), Part::Key("key".into())];
    parts.map(|part| Step { part, offset: 0 }).into()
}

/// Removes duplicate segment keys: the last segment with a key wins.
fn audience(operator: Operator, segments: Box<[Arc<Segment>]>) -> Audience {
    Audience { operator, segments: intern::list(&last_of_each_key(segments, |segment| &segment.key)) }
}

/// Keeps the last of several values with the same key, at the position of the first.
fn last_of_each_key<T>(values: Box<[T]>, key: fn(&T) -> &str) -> Box<[T]> {
    if values.len() < 2 {
        return values;
    }
    let mut places = HashMap::with_capacity(values.len());
    let mut last = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let place = *places.entry(key(value)).or_insert(last.len());
        if place == last.len() {
            last.push(index);
        } else {
            last[place] = index;
        }
    }
    if last.len() == values.len() {
        return values;
    }
    let mut values: Vec<_> = values.into_vec().into_iter().map(Some).collect();
    last.into_iter().filter_map(|index| values[index].take()).collect()
}

/// Adds the flag's key to the message of an error inside a flag.
fn with_flag(mut malformed: Malformed, text: &str) -> Malformed {
    if let [Step { part: Part::Key(list), .. }, Step { part: Part::Index(_), offset }, ..] = &malformed.path[..] {
        if list == "flags" {
            if let Some(key) = key_of_object(&text[*offset..]) {
                malformed.problem = format!("{} (flag {})", malformed.problem, quote(&key));
            }
        }
    }
    malformed
}

/// The `key` of the object at the start of a text. The object may be malformed further on.
fn key_of_object(text: &str) -> Option<String> {
    let mut reader = Reader::new(text);
    reader.open(b'{').ok()?;
    let mut found = None;
    let mut first = true;
    while let Ok(true) = reader.advance(b'}', first) {
        first = false;
        match reader.key() {
            Ok(name) if name == "key" => match reader.string() {
                Ok(key) => found = Some(key),
                Err(_) => break,
            },
            Ok(_) if reader.skip().is_ok() => {}
            _ => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        read(text, "default").map(|_| ()).unwrap_err().message()
    }

    fn document(flags: &str) -> String {
        format!(r#"{{"namespace":{{"key":"default"}},"flags":[{flags}]}}"#)
    }

    #[test]
    fn flags_and_segments_with_equal_keys_collapse_to_the_last_at_the_place_of_the_first() {
        let segment = |key: &str, kind: &str| format!(r#"{{"key":"{key}","matchType":"{kind}","constraints":[]}}"#);
        let segments = [segment("s", "x"), segment("t", "x"), segment("s", "ALL_SEGMENT_MATCH_TYPE")].join(",");
        let rule = format!(r#"{{"segmentOperator":"x","segments":[{segments}],"distributions":[]}}"#);
        let text = document(&format!(
            r#"{{"key":"a","name":"","enabled":true}},{{"key":"b","name":"","enabled":true,"rules":[{rule}]}},
               {{"key":"a","name":"","enabled":false}}"#
        ));
        let flags = read(&text, "default").unwrap().flags;
        let keys: Vec<_> = flags.iter().map(|flag| (&*flag.key, flag.enabled)).collect();
        assert_eq!(keys, [("a", false), ("b", true)]);
        let segments = &flags[1].rules[0].audience.segments;
        let keys: Vec<_> = segments.iter().map(|segment| (&*segment.key, segment.match_type)).collect();
        assert_eq!(keys, [("s", MatchType::All), ("t", MatchType::Any)]);
    }

    #[test]
    fn optional_fields_may_be_absent_or_null() {
        let absent = document(r#"{"key":"a","name":"","enabled":true}"#);
        let null = document(
            r#"{"key":"a","name":"","enabled":true,"type":null,"description":null,"rules":null,"rollouts":null,
                "defaultVariant":null}"#,
        );
        assert_eq!(read(&absent, "default").unwrap().flags, read(&null, "default").unwrap().flags);
    }

    #[test]
    fn an_error_in_a_flag_has_its_path_and_key() {
        let broken = |flag: &str| message(&document(&format!(r#"{{"key":"a","name":"","enabled":true}},{flag}"#)));
        assert_eq!(
            broken(r#"{"key":"b","name":"","enabled":1}"#),
            r#"flags[1].enabled: expected true or false, found a number (flag "b")"#
        );
        assert_eq!(
            broken(r#"{"enabled":null,"name":"","key":"b"}"#),
            r#"flags[1].enabled: expected true or false, found null (flag "b")"#
        );
        assert_eq!(broken(r#"{"name":"","enabled":true}"#), r#"flags[1]: "key" is missing"#);
        assert_eq!(broken(r#"{"key":"b","key":"b"}"#), r#"flags[1].key: occurs twice (flag "b")"#);
        assert_eq!(broken("null"), "flags[1]: expected an object, found null");
        let rule = r#"{"segmentOperator":"x","distributions":[{"variantKey":"v","rollout":1e39}]}"#;
        assert_eq!(
            broken(&format!(r#"{{"key":"b","name":"","enabled":true,"rules":[{rule}]}}"#)),
            r#"flags[1].rules[0].distributions[0].rollout: a number beyond single precision (flag "b")"#
        );
    }

    #[test]
    fn a_key_that_is_too_long_is_a_limit() {
        let flag = |key: &str| format!(r#"{{"key":"{key}","name":"","enabled":true}}"#);
        let read = |length: usize| {
            let keys = ["é".repeat(1024), "😀".repeat(length / 2)];
            read(&document(&keys.map(|key| flag(&key)).join(",")), "default")
        };
        assert_eq!(read(1024).unwrap().flags.len(), 2);
        let malformed = read(1026).map(|_| ()).unwrap_err();
        assert_eq!(malformed.kind, Kind::Limit);
        let message = "flags[1].key: a flag key has 1026 UTF-16 code units, but at most 1024 are supported";
        assert_eq!(malformed.message(), message);
    }

    #[test]
    fn an_error_in_the_whole_document_is_reported() {
        assert_eq!(message(""), "the document is empty");
        assert_eq!(message(" \n"), "the document is empty");
        assert_eq!(message("{}"), r#""namespace" is missing"#);
        assert_eq!(message(r#"{"namespace":{"key":"default"}}"#), r#""flags" is missing"#);
        let other = message(r#"{"namespace":{"key":"é"},"flags":[]}"#);
        assert_eq!(other, r#"it is for namespace "é", but "default" was requested"#);
    }

    #[test]
    fn both_readers_take_the_same_documents() {
        let text = document(
            r#"{"key":"a","name":"","enabled":true,"x":[1.5e-7,{"y":"\ud83d\ude00"}],"type":null,
                "rollouts":[{"threshold":{"percentage":33.3,"value":true}}]}"#,
        );
        let mut taken = 0;
        for (place, _) in text.char_indices() {
            for part in
                ["", " ", "0", "1e9", "-", ".", ",", ":", "\"", "\\u0041", "\\udc00", "[", "]", "{}", "null,", "a"]
            {
                for length in 0..2 {
                    let text = [&text[..place], part, &text[place + length..]].concat();
                    let fast = read(&text, "default").is_ok();
                    let slow = json::locate::<Object<RawDocument>>(&text).is_none();
                    assert!(!fast || slow, "{text}");
                    taken += u32::from(fast);
                }
            }
        }
        assert!(taken > 500, "{taken}");
    }
}
