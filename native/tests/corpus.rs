//! Replays thousands of recorded answers of the official engine.

use std::fs;
use std::path::Path;

use flipt_client_effect::audience::Matched;
use flipt_client_effect::definition::FlagType;
use flipt_client_effect::evaluate::evaluate;
use flipt_client_effect::outcomes::{describe, list_flags};
use flipt_client_effect::request::{encode, Request};
use flipt_client_effect::snapshot::Snapshot;
use serde_json::{json, Value};

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// One document per line. Empty if the crate is built without the repository.
fn corpus() -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../test/fixtures/corpus.ndjson");
    let lines = fs::read_to_string(file).unwrap_or_default();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn load(line: &Value) -> Snapshot {
    Snapshot::from_document(text(line, "namespace"), &line["document"].to_string()).unwrap()
}

/// The results that a flag can have, by their index.
fn outcomes(description: &Value, flag_key: &str) -> Vec<Value> {
    let list = |key: &str| description[key].as_array().unwrap().clone();
    let enabled = &description["enabled"];
    if description["type"] == "BOOLEAN_FLAG_TYPE" {
        let no_match = json!({ "enabled": enabled, "reason": "DEFAULT_EVALUATION_REASON", "segmentKeys": [] });
        let matches = list("rollouts").into_iter().map(|mut rollout| {
            rollout["reason"] = "MATCH_EVALUATION_REASON".into();
            rollout
        });
        let mut outcomes: Vec<_> = std::iter::once(no_match).chain(matches).collect();
        for outcome in &mut outcomes {
            outcome["flagKey"] = flag_key.into();
        }
        return outcomes;
    }
    let outcome = |reason: &str, segment_keys: &Value, variant: &Value| {
        let mut outcome = json!({
            "flagKey": flag_key, "match": reason == "MATCH", "reason": format!("{reason}_EVALUATION_REASON"),
            "segmentKeys": segment_keys, "variantKey": variant["key"].as_str().unwrap_or_default()
        });
        if let Some(attachment) = variant["attachment"].as_str() {
            outcome["variantAttachment"] = attachment.into();
        }
        outcome
    };
    let default = &description["defaultVariant"];
    let reason = match (enabled == true, default.is_null()) {
        (false, _) => "FLAG_DISABLED",
        (true, false) => "DEFAULT",
        (true, true) => "UNKNOWN",
    };
    let mut outcomes = vec![outcome(reason, &json!([]), default)];
    for rule in list("rules") {
        let variants = rule["variants"].as_array().unwrap();
        let variants = if variants.is_empty() { std::slice::from_ref(default) } else { variants };
        outcomes.extend(variants.iter().map(|variant| outcome("MATCH", &rule["segmentKeys"], variant)));
    }
    outcomes
}

/// The result of a request, and the flag's type; `None` when there is no such flag.
fn answer(snapshot: &Snapshot, request: &Value) -> Option<(FlagType, Value)> {
    let index = snapshot.index(text(request, "flagKey"))?;
    let flag = snapshot.flag(index).unwrap();
    let values = flag.properties.iter().map(|property| request["context"][&**property].as_str().unwrap_or_default());
    let bytes = encode(text(request, "entityId"), values);
    let mut matched = Matched::default();
    let request = Request::decode(&bytes, flag.properties.len()).unwrap();
    let answer = evaluate(flag, &request, &mut matched);
    let description = parse(&describe(flag, index));
    assert_eq!(description["index"], index);
    let mut result = outcomes(&description, &flag.definition.key).swap_remove(answer.outcome as usize);
    if answer.partial {
        let keys: Vec<_> = matched.indexes().map(|index| result["segmentKeys"][index as usize].clone()).collect();
        assert!(!keys.is_empty() && keys.len() < result["segmentKeys"].as_array().unwrap().len());
        result["segmentKeys"] = Value::from(keys);
    }
    Some((flag.definition.kind, sorted(result)))
}

/// The official engine's order of segments is random.
fn sorted(mut result: Value) -> Value {
    result["segmentKeys"].as_array_mut().unwrap().sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    result
}

/// With every number as a float: `1` and `1.0` are equal.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(floats).collect(),
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), floats(value))).collect(),
        value => value.clone(),
    }
}

#[test]
fn every_evaluation_has_the_official_result() {
    let corpus = corpus();
    let mut evaluations = 0;
    for line in &corpus {
        let snapshot = load(line);
        let seed = line["snapshot"].to_string();
        let restored = Snapshot::from_seed(text(line, "namespace"), &seed).unwrap();
        for case in line["cases"].as_array().unwrap() {
            let request = &case["request"];
            let kind = if case["kind"] == "boolean" { FlagType::Boolean } else { FlagType::Variant };
            let key = text(request, "flagKey");
            for snapshot in [&snapshot, &restored] {
                let found = match answer(snapshot, request) {
                    Some((found, result)) if found == kind => json!({ "ok": result }),
                    Some(_) => {
                        json!({ "error": format!("invalid request: {key} is not a {} flag", text(case, "kind")) })
                    }
                    None => {
                        let namespace = text(line, "namespace");
                        json!({ "error": format!("invalid request: failed to get flag information {namespace}/{key}") })
                    }
                };
                assert_eq!(found, case["expected"], "{case}");
            }
            evaluations += 1;
        }
    }
    assert_eq!(evaluations, 40 * corpus.len());
}

#[test]
fn every_list_and_seed_equals_the_official_one() {
    for line in corpus() {
        let snapshot = load(&line);
        let listed = parse(&list_flags(snapshot.flags()));
        let (mut listed, mut expected) =
            (listed.as_array().unwrap().clone(), line["flags"].as_array().unwrap().clone());
        for flags in [&mut listed, &mut expected] {
            flags.sort_by(|a, b| text(a, "key").cmp(text(b, "key")));
        }
        assert_eq!(listed, expected);
        let expected = floats(&line["snapshot"]);
        assert_eq!(floats(&parse(&snapshot.seed())), expected);
        let restored = Snapshot::from_seed(text(&line, "namespace"), &line["snapshot"].to_string()).unwrap();
        assert_eq!(floats(&parse(&restored.seed())), expected);
    }
}
