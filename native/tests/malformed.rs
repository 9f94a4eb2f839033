//! Malformed texts do not load, and reading them needs little stack.

use std::thread;

use flipt_client_effect::definition::FlagType;
use flipt_client_effect::json::Kind;
use flipt_client_effect::snapshot::Snapshot;

const SEGMENT: &str = r#"{"key":"s","matchType":"ALL_SEGMENT_MATCH_TYPE","constraints":[
    {"type":"STRING_CONSTRAINT_COMPARISON_TYPE","property":"plan","operator":"eq","value":"pro\u00e9 日 \ud83d\ude00"}]}"#;

/// A document with every known field, and unknown ones.
fn document() -> String {
    format!(
        r#"{{"namespace":{{"key":"default","name":""}},"x":[{{"y":[1.5e400,"\ud83d\ude00",null]}}],"flags":[{{
            "key":"first","name":"First","enabled":true}},{{
            "key":"second","name":"Second","enabled":true,"type":"VARIANT_FLAG_TYPE","description":"a flag",
            "rules":[{{"segmentOperator":"OR_SEGMENT_OPERATOR","segments":[{SEGMENT}],
                "distributions":[{{"variantKey":"v1","variantAttachment":"{{}}","rollout":33.3,"ruleId":"r"}}]}}],
            "rollouts":[{{"threshold":{{"percentage":50,"value":true}}}},
                {{"segment":{{"segmentOperator":"AND_SEGMENT_OPERATOR","segments":[{SEGMENT}],"value":true}}}}],
            "defaultVariant":{{"id":"d","key":"v0","attachment":"[]"}}}}],"digest":"0a1b"}}"#
    )
}

fn read(text: &str) -> Result<Snapshot, (Kind, String)> {
    Snapshot::from_document("default", text).map_err(|error| (error.kind, error.message()))
}

fn message(text: &str) -> String {
    read(text).map(|_| ()).unwrap_err().1
}

/// Runs on a stack as small as that of the pool on which documents are compiled.
fn on_small_stack(body: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(128 * 1024).spawn(body).unwrap().join().unwrap();
}

fn random(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap()
}

#[test]
fn loads_with_unknown_fields() {
    let snapshot = read(&document()).unwrap();
    assert_eq!(snapshot.flags().len(), 2);
    assert_eq!(snapshot.flags()[1].definition.kind, FlagType::Variant);
}

#[test]
fn is_rejected_if_cut_off_anywhere() {
    let document = document();
    for (length, _) in document.char_indices() {
        let message = message(&document[..length]);
        let known = ["the end of the text", "the text ends inside a string", "is empty", "found \"", "escape"];
        assert!(known.iter().any(|part| message.contains(part)), "{length}: {message}");
    }
}

#[test]
fn is_rejected_with_our_message_for_any_changed_byte() {
    let document = document();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut bytes = document.clone().into_bytes();
        for _ in 0..=random(&mut state) % 3 {
            let place = random(&mut state) % bytes.len();
            match random(&mut state) % 4 {
                0 => drop(bytes.remove(place)),
                1 => bytes[place] = b"{}[]\",:0\\nu.e-"[random(&mut state) % 14],
                2 => bytes.insert(place, b"{}[]\",:0\\nu.e-\n"[random(&mut state) % 15]),
                _ => bytes.truncate(bytes.len() - random(&mut state) % 20),
            }
        }
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if let Err((_, message)) = read(&text) {
            refused += 1;
            // serde_json's own words would mean that the two readers disagree
            assert!(!message.contains(" at line "), "{message}\n{text}");
        }
    }
    assert!(refused > 10_000);
}

#[test]
fn is_rejected_if_nested_too_deeply_anywhere() {
    on_small_stack(|| {
        let document = document();
        let brackets = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let braces = |depth: usize| r#"{"a":"#.repeat(depth) + "1" + &"}".repeat(depth);
        for deep in [&brackets as &dyn Fn(usize) -> String, &braces] {
            // before the brace of the object that gets an unknown field, and how deep that object is
            for (place, level) in [
                (r#"{"namespace""#, 1),
                (r#"{"key":"default""#, 2),
                (r#"{"segmentOperator":"OR"#, 5),
                (r#"{"variantKey""#, 7),
                (r#"{"type":"STRING"#, 9),
                (r#"{"percentage""#, 6),
                (r#"{"id":"d""#, 4),
            ] {
                let with = |depth: usize| {
                    assert!(document.contains(place), "{place}");
                    let field = format!(r#"{{"deep":{},{}"#, deep(depth), &place[1..]);
                    document.replacen(place, &field, 1)
                };
                assert!(read(&with(128 - level)).is_ok(), "{place}");
                for depth in [129 - level, 10_000] {
                    let (kind, message) = read(&with(depth)).map(|_| ()).unwrap_err();
                    assert_eq!(kind, Kind::Limit, "{place}");
                    assert!(message.contains("deep") && message.contains("nested deeper than 128 levels"), "{message}");
                }
            }
            for known in [r#""digest":"0a1b""#, r#""name":"Second""#, r#""operator":"eq""#, r#""rollout":33.3"#] {
                let (name, _) = known.split_once(':').unwrap();
                assert!(document.contains(known), "{known}");
                let text = document.replacen(known, &format!("{name}:{}", deep(10_000)), 1);
                let (kind, message) = read(&text).map(|_| ()).unwrap_err();
                assert_eq!(kind, Kind::Document);
                assert!(message.contains("expected a "), "{message}");
            }
        }
        assert_eq!(read(&"[".repeat(10_000)).map(|_| ()).unwrap_err().0, Kind::Document);
        assert_eq!(read(&braces(10_000)[..10_000]).map(|_| ()).unwrap_err().0, Kind::Limit);
    });
}

#[test]
fn loads_and_evaluates_on_a_small_stack() {
    on_small_stack(|| {
        let snapshot = read(&document()).unwrap();
        let seed = String::from_utf8(snapshot.seed()).unwrap();
        let restored = Snapshot::from_seed("default", &seed).unwrap();
        assert_eq!(restored.seed(), snapshot.seed());
        let deep = seed.replacen(r#"{"type""#, &format!(r#"{{"x":{},"type""#, "[".repeat(10_000)), 1);
        assert_eq!(Snapshot::from_seed("default", &deep).err().unwrap().kind, Kind::Limit);
    });
}

#[test]
fn reports_what_was_found() {
    let replaced = |from: &str, to: &str| {
        let document = document();
        assert!(document.contains(from), "{from}");
        message(&document.replacen(from, to, 1))
    };
    let cases = [
        (r#""rollout":33.3"#, r#""rollout":1e39"#, "rollout: a number beyond single precision"),
        (r#""rollout":33.3"#, r#""rollout":+1"#, "rollout: expected a number, found \"+\" at character "),
        (r#""name":"Second""#, r#""name":null"#, "flags[1].name: expected a string, found null (flag \"second\")"),
        (r#""name":"Second""#, r#""n\u0061me":"","name":"""#, "flags[1].name: occurs twice (flag \"second\")"),
        (r#""name":"Second","#, "", "flags[1]: \"name\" is missing (flag \"second\")"),
        (r#""y":["#, r#""y":["\udc00","#, "x[0].y[0]: a lone surrogate in a string"),
        (r#""y":["#, r#""y":["\x","#, "x[0].y[0]: an invalid escape in a string"),
        (r#""y":["#, "\"y\":[\"\u{1}\",", "x[0].y[0]: a control character in a string"),
        ("\"0a1b\"}", "\"0a1b\"}}", "expected the end of the text, found \"}\" at character "),
    ];
    for (from, to, expected) in cases {
        let message = replaced(from, to);
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(message(&format!("\u{feff}{}", document())), "expected an object, found \"\u{feff}\" at character 0");
    for (text, found) in
        [("[]", "a list"), ("null", "null"), ("1", "a number"), ("\"\"", "a string"), ("<", "\"<\" at character 0")]
    {
        assert_eq!(message(text), format!("expected an object, found {found}"));
    }
}
