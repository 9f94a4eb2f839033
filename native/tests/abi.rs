//! The C ABI returns the right values and rejects invalid input.

mod support {
    pub mod abi;
    mod documents;
    pub use documents::document;
}

use std::ptr;

use flipt_client_effect::ffi::{
    fce_abi_version, fce_arena_free, fce_arena_new, fce_blob_free, fce_blob_len, fce_blob_read, fce_evaluate,
    fce_evaluate_batch, fce_job_free, fce_job_message, fce_job_new, fce_job_push, fce_job_run, fce_job_take,
    fce_snapshot_blob, fce_snapshot_close, fce_snapshot_retain, fce_stat, fce_test_panic,
};
use flipt_client_effect::request::{encode, encode_batch};
use serde_json::{json, Value};
use support::abi::{blob, compile, message, new_job, push, Arena};
use support::document;

const HANDLE: i32 = -1;
const ARGUMENT: i32 = -4;
const SPACE: i32 = -5;
const FLAG: i32 = -6;
const PARTIAL: i32 = 0x4000_0000;

// of the flag `half`: crc32("user-1half") % 100 is 68, of the other entities 16, 84 and 0
const OUTSIDE: i32 = 0;
const INSIDE: i32 = 1;

fn load() -> f64 {
    compile(0, "default", document().to_string().as_bytes()).unwrap()
}

fn description(snapshot: f64, key: &str) -> Value {
    serde_json::from_slice(&blob(snapshot, 4, key).unwrap()).unwrap()
}

/// The words at an arena's start.
fn words(arena: &Arena, count: usize) -> Vec<u32> {
    let words = arena.memory.chunks_exact(4).take(count);
    words.map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

/// Numbers that are not valid handles.
fn wrong_handles() -> impl Iterator<Item = f64> {
    let closed = load();
    assert_eq!(fce_snapshot_close(closed), 0);
    let numbers = [0.0, -0.0, 1.0, -1.0, 0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 2_f64.powi(52)];
    numbers.into_iter().chain([closed, closed + 1.0, closed * 2.0, closed + 0.5])
}

#[test]
fn has_a_version_and_catches_panics() {
    assert_eq!(fce_abi_version(), 4);
    assert_eq!(fce_test_panic(), -99);
    assert_eq!(fce_stat(5).to_bits(), f64::from(ARGUMENT).to_bits());
}

#[test]
fn describes_flags_and_evaluates_them() {
    let snapshot = load();
    let half = json!({
        "index": 0, "type": "BOOLEAN_FLAG_TYPE", "enabled": false, "properties": [], "rules": [],
        "rollouts": [{ "enabled": true, "segmentKeys": [] }]
    });
    assert_eq!(description(snapshot, "half"), half);
    let split = description(snapshot, "split");
    let variants = json!([{ "key": "v1", "attachment": "{}" }, { "key": "v2" }]);
    assert_eq!(split["rules"][0], json!({ "segmentKeys": ["x"], "variants": variants }));
    assert_eq!(split["defaultVariant"], json!({ "id": "d", "key": "v0" }));
    assert_eq!(split["properties"], json!(["a"]));
    assert_eq!(split["rollouts"], json!([]));

    let mut arena = Arena::new(64);
    for (entity_id, outcome) in [("user-1", OUTSIDE), ("user-2", INSIDE), ("user-5", OUTSIDE), ("user-6", INSIDE)] {
        assert_eq!(arena.evaluate(snapshot, 0, &encode(entity_id, [])), outcome);
    }
    assert_eq!(arena.evaluate(snapshot, 2, &encode("user", ["2"])), 0);
    assert!(arena.evaluate(snapshot, 2, &encode("user", ["1"])) > 0);
    assert_eq!(fce_snapshot_close(snapshot), 0);
}

#[test]
fn a_closed_snapshot_is_rejected_in_every_arena() {
    let snapshot = load();
    let mut arena = Arena::new(64);
    assert_eq!(arena.evaluate(snapshot, 0, &encode("user-2", [])), INSIDE);
    assert_eq!(fce_snapshot_close(snapshot), 0);
    assert_eq!(arena.evaluate(snapshot, 0, &encode("user-2", [])), HANDLE);
    assert_eq!(fce_evaluate_batch(arena.handle, snapshot, 0), HANDLE);
}

#[test]
fn a_snapshot_lives_as_long_as_its_last_handle() {
    let first = load();
    let second = fce_snapshot_retain(first);
    assert_ne!(first.to_bits(), second.to_bits());
    assert_eq!(fce_snapshot_close(first), 0);
    assert_eq!(fce_snapshot_retain(first).to_bits(), f64::from(HANDLE).to_bits());
    let other_thread = move || {
        let mut arena = Arena::new(64);
        assert_eq!(arena.evaluate(first, 0, &encode("user-2", [])), HANDLE);
        assert_eq!(arena.evaluate(second, 0, &encode("user-2", [])), INSIDE);
        let third = fce_snapshot_retain(second);
        assert_eq!(fce_snapshot_close(second), 0);
        assert_eq!(arena.evaluate(second, 0, &encode("user-2", [])), HANDLE);
        assert_eq!(arena.evaluate(third, 0, &encode("user-2", [])), INSIDE);
        assert_eq!(fce_snapshot_close(third), 0);
    };
    std::thread::spawn(other_thread).join().unwrap();
    for wrong in wrong_handles() {
        assert_eq!(fce_snapshot_retain(wrong).to_bits(), f64::from(HANDLE).to_bits());
    }
}

#[test]
fn reports_the_segments_that_match() {
    let snapshot = load();
    assert_eq!(description(snapshot, "some")["properties"], json!(["a", "b"]));
    let mut arena = Arena::new(64);
    assert_eq!(arena.evaluate(snapshot, 1, &encode("e", ["0", "0"])), 0);
    assert_eq!(arena.evaluate(snapshot, 1, &encode("e", ["1", "1"])), 1);
    assert_eq!(arena.evaluate(snapshot, 1, &encode("e", ["1", ""])), 1 | PARTIAL);
    assert_eq!(words(&arena, 3), [2, 0, 2]);
    assert_eq!(arena.evaluate(snapshot, 1, &encode("e", ["", "1"])), 1 | PARTIAL);
    assert_eq!(words(&arena, 2), [1, 1]);
    fce_snapshot_close(snapshot);
}

#[test]
fn answers_a_batch_in_order() {
    let snapshot = load();
    let requests = encode_batch(&[
        (1, "e", &["1", ""]),
        (7, "whoever", &["what", "ever", "else"]),
        (0, "user-2", &[]),
        (1, "entity", &["1", "1"]),
        (1, "e", &["", "1"]),
    ]);
    let mut arena = Arena::new(requests.len());
    arena.memory.copy_from_slice(&requests);
    assert_eq!(fce_evaluate_batch(arena.handle, snapshot, 5), 10);
    let some = (1 | PARTIAL).cast_unsigned();
    let expected = [some, 2, 0, 2, FLAG.cast_unsigned(), INSIDE.cast_unsigned(), 1, some, 1, 1];
    assert_eq!(words(&arena, 10), expected);
    assert_eq!(fce_evaluate_batch(arena.handle, snapshot, 0), 0);
    fce_snapshot_close(snapshot);
}

#[test]
fn rejects_requests_beyond_the_arena() {
    let snapshot = load();
    let mut arena = Arena::new(32);
    let evaluate = |arena: &mut Arena, words: &[u32]| {
        arena.memory.fill(0);
        let bytes: Vec<_> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        arena.evaluate(snapshot, 1, &bytes)
    };
    assert_eq!(evaluate(&mut arena, &[0, 32, 32, 0, 31, 1]), 0);
    assert_eq!(evaluate(&mut arena, &[0, 33, 0, 0, 0, 0]), ARGUMENT);
    assert_eq!(evaluate(&mut arena, &[33, 0, 0, 0, 0, 0]), ARGUMENT);
    assert_eq!(evaluate(&mut arena, &[0, 0, 0, 0, 31, 2]), ARGUMENT);
    assert_eq!(evaluate(&mut arena, &[u32::MAX, u32::MAX, 0, 0, 0, 0]), ARGUMENT);
    assert_eq!(evaluate(&mut arena, &[0, 4, 1, u32::MAX, 0, 0]), ARGUMENT);
    assert_eq!(fce_evaluate(arena.handle, snapshot, 3), FLAG);
    assert_eq!(fce_evaluate(arena.handle, snapshot, u32::MAX), FLAG);
    let mut small = Arena::new(23);
    assert_eq!(small.evaluate(snapshot, 1, &[]), ARGUMENT);

    let batch = |arena: &mut Arena, words: &[u32], count| {
        arena.memory.fill(0);
        for (place, word) in arena.memory.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        fce_evaluate_batch(arena.handle, snapshot, count)
    };
    assert_eq!(batch(&mut arena, &[0, 1, 0, 4], 1), 1);
    assert_eq!(batch(&mut arena, &[0, 1, 0, 4], u32::MAX), ARGUMENT);
    assert_eq!(batch(&mut arena, &[0, 0, 0, 4], 1), ARGUMENT);
    assert_eq!(batch(&mut arena, &[0, 2, 0, 4], 1), ARGUMENT);
    assert_eq!(batch(&mut arena, &[0, 4, 0, 0], 1), ARGUMENT);
    assert_eq!(batch(&mut arena, &[0, u32::MAX, 0, 4], 1), ARGUMENT);
    assert_eq!(batch(&mut arena, &[0, 1, 0, 33], 1), ARGUMENT);
    assert_eq!(batch(&mut arena, &[0, 1, 32, 1], 1), ARGUMENT);
    fce_snapshot_close(snapshot);
}

#[test]
fn accepts_any_bytes_in_the_arena() {
    let snapshot = load();
    let mut arena = Arena::new(61);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut answered = 0;
    for round in 0..50_000_u32 {
        for byte in &mut arena.memory {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // small numbers and ASCII most of the time
            *byte = if state & 0xf00 == 0 { state.to_le_bytes()[0] } else { u8::from(state & 0x7000 == 0) * 6 };
        }
        let result = match round % 4 {
            3 => fce_evaluate_batch(arena.handle, snapshot, round % 7),
            index => fce_evaluate(arena.handle, snapshot, index),
        };
        assert!(result >= 0 || [ARGUMENT, SPACE].contains(&result), "{result}");
        answered += u32::from(result > 0);
    }
    assert!(answered > 1000, "{answered}");
    fce_snapshot_close(snapshot);
}

#[test]
fn reports_matching_segments_that_do_not_fit() {
    let segments: Vec<_> = (0..9)
        .map(|index| {
            json!({
                "key": format!("s{index}"), "matchType": "ALL_SEGMENT_MATCH_TYPE", "constraints": [{
                    "type": "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE", "property": "",
                    "operator": if index == 0 { "neq" } else { "eq" }, "value": "e"
                }]
            })
        })
        .collect();
    let rollout = json!({ "segment": { "value": true, "segments": segments } });
    let flag = json!({ "key": "f", "name": "", "enabled": true, "type": "BOOLEAN_FLAG_TYPE", "rollouts": [rollout] });
    let document = json!({ "namespace": { "key": "default" }, "flags": [flag] }).to_string();
    let snapshot = compile(0, "default", document.as_bytes()).unwrap();
    assert_eq!(Arena::new(35).evaluate(snapshot, 0, &encode("e", [])), SPACE);
    let mut arena = Arena::new(36);
    assert_eq!(arena.evaluate(snapshot, 0, &encode("e", [])), 1 | PARTIAL);
    assert_eq!(words(&arena, 9), [8, 1, 2, 3, 4, 5, 6, 7, 8]);

    let request = encode_batch(&[(0, "e", &[])]);
    for (length, expected) in [(39, SPACE), (40, 10)] {
        let mut arena = Arena::new(length);
        arena.memory[..request.len()].copy_from_slice(&request);
        assert_eq!(fce_evaluate_batch(arena.handle, snapshot, 1), expected);
        assert_eq!(arena.memory.starts_with(&request), expected == SPACE, "nothing is written when it does not fit");
    }
    fce_snapshot_close(snapshot);
}

#[test]
fn refuses_text_that_is_not_utf_8() {
    let snapshot = load();
    let bytes = [0xff_u8];
    // SAFETY: the slice is readable.
    unsafe {
        assert_eq!(fce_job_new(0, bytes.as_ptr(), 1).to_bits(), f64::from(ARGUMENT).to_bits());
        assert_eq!(fce_snapshot_blob(snapshot, 3, bytes.as_ptr(), 1).to_bits(), f64::from(ARGUMENT).to_bits());
    }
    fce_snapshot_close(snapshot);
}

#[test]
fn rejects_every_invalid_handle() {
    let snapshot = load();
    let mut arena = Arena::new(64);
    let none = ptr::null_mut();
    let job = new_job(0, "default");
    for wrong in wrong_handles().chain([snapshot, job]) {
        let job_code = if wrong.to_bits() == job.to_bits() { 0 } else { HANDLE };
        // SAFETY: no bytes are read or written.
        unsafe {
            assert_eq!(fce_job_push(wrong, none, 0), job_code);
            assert_eq!(fce_job_message(wrong, none, 0), job_code);
            assert_eq!(fce_blob_read(wrong, 0, none, 0), HANDLE);
            if wrong.to_bits() != snapshot.to_bits() {
                assert!(fce_snapshot_blob(wrong, 0, none, 0) < 0.0);
            }
        }
        assert_eq!(fce_arena_free(wrong), HANDLE);
        assert_eq!(fce_blob_len(wrong), HANDLE);
        assert_eq!(fce_blob_free(wrong), HANDLE);
        assert_eq!(fce_evaluate(wrong, snapshot, 0), HANDLE);
        assert_eq!(fce_evaluate_batch(wrong, snapshot, 0), HANDLE);
        if wrong.to_bits() != snapshot.to_bits() {
            assert_eq!(fce_snapshot_close(wrong), HANDLE);
            assert_eq!(fce_evaluate(arena.handle, wrong, 0), HANDLE);
            assert_eq!(fce_evaluate_batch(arena.handle, wrong, 0), HANDLE);
        }
        if job_code == HANDLE {
            assert_eq!(fce_job_run(wrong), HANDLE);
            assert!(fce_job_take(wrong) < 0.0);
            assert_eq!(fce_job_free(wrong), HANDLE);
        }
    }
    assert_eq!(arena.evaluate(snapshot, 0, &encode("user-2", [])), INSIDE);
    assert_eq!(fce_job_free(job), 0);
    assert_eq!(fce_snapshot_close(snapshot), 0);
    assert_eq!(fce_snapshot_close(snapshot), HANDLE);
}

#[test]
fn an_arena_belongs_to_its_thread() {
    let snapshot = load();
    let arena = Arena::new(64);
    let handle = arena.handle;
    let elsewhere = std::thread::spawn(move || (fce_evaluate(handle, snapshot, 0), fce_arena_free(handle)));
    assert_eq!(elsewhere.join().unwrap(), (HANDLE, HANDLE));
    assert!(fce_evaluate(handle, snapshot, 0) >= 0);
    assert_eq!(fce_arena_free(handle), 0);
    assert_eq!(fce_evaluate(handle, snapshot, 0), HANDLE);
    // SAFETY: missing memory is rejected.
    unsafe {
        assert!(fce_arena_new(ptr::null_mut(), 8) < 0.0);
        assert!(fce_arena_new(ptr::NonNull::dangling().as_ptr(), 0) < 0.0);
    }
    fce_snapshot_close(snapshot);
}

#[test]
fn a_job_runs_and_is_taken_once() {
    assert!(new_job(2, "default") < 0.0);
    let job = new_job(0, "default");
    // SAFETY: null is rejected.
    assert_eq!(unsafe { fce_job_push(job, ptr::null(), 1) }, ARGUMENT);
    assert!(fce_job_take(job) < 0.0);
    assert_eq!(push(job, b"{}"), 0);
    assert_eq!(fce_job_run(job), -2);
    assert_eq!(message(job), r#""namespace" is missing"#);
    let mut small = [0; 5];
    // SAFETY: the slice is writable.
    assert_eq!(unsafe { fce_job_message(job, small.as_mut_ptr(), 5) }, SPACE);
    assert_eq!(fce_job_run(job), ARGUMENT);
    assert_eq!(push(job, b"{}"), ARGUMENT);
    assert!(fce_job_take(job) < 0.0);
    assert_eq!(fce_job_free(job), 0);
    assert_eq!(fce_job_free(job), HANDLE);
}

#[test]
fn returns_blobs() {
    let snapshot = load();
    let seed = blob(snapshot, 0, "").unwrap();
    let restored = compile(1, "default", &seed).unwrap();
    assert_eq!(blob(restored, 0, "").unwrap(), seed);
    let flags: Value = serde_json::from_slice(&blob(snapshot, 1, "").unwrap()).unwrap();
    let expected = json!([
        { "key": "half", "enabled": false, "type": "BOOLEAN_FLAG_TYPE" },
        { "key": "some", "enabled": false, "type": "BOOLEAN_FLAG_TYPE", "description": "d" },
        { "key": "split", "enabled": true, "type": "VARIANT_FLAG_TYPE", "defaultVariant": { "id": "d", "key": "v0" } }
    ]);
    assert_eq!(flags, expected);
    assert_eq!(blob(snapshot, 2, "").unwrap(), b"\"0a1b\"");
    assert_eq!(blob(restored, 2, "").unwrap(), b"null");
    assert_eq!(blob(snapshot, 5, "").unwrap(), b"[]");
    let fingerprint = blob(snapshot, 3, "split").unwrap();
    assert_eq!(fingerprint.len(), 16);
    assert_eq!(blob(restored, 3, "split").unwrap(), fingerprint);
    for kind in [3, 4] {
        assert_eq!(blob(snapshot, kind, "nope"), Err(f64::from(FLAG)));
    }
    assert_eq!(blob(snapshot, 6, ""), Err(f64::from(ARGUMENT)));
    // SAFETY: no key is read; nothing is written beyond the offset.
    unsafe {
        let blob = fce_snapshot_blob(snapshot, 2, ptr::null(), 0);
        assert_eq!(fce_blob_read(blob, 6, ptr::null_mut(), 8), 0);
        assert_eq!(fce_blob_read(blob, 7, ptr::null_mut(), 8), ARGUMENT);
        assert_eq!(fce_blob_read(blob, 0, ptr::null_mut(), 8), ARGUMENT);
        assert_eq!(fce_blob_free(blob), 0);
    }
    fce_snapshot_close(snapshot);
    fce_snapshot_close(restored);
}
