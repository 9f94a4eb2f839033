//! Evaluates arbitrary memory as requests to arbitrary documents, and evaluates well-formed requests in every possible
//! way.

#![no_main]

use arbitrary::Arbitrary;
use flipt_client_effect::abi::Code;
use flipt_client_effect::ffi::{
    fce_arena_free, fce_arena_new, fce_evaluate, fce_evaluate_batch, fce_job_free, fce_job_new, fce_job_push,
    fce_job_run, fce_job_take, fce_snapshot_close,
};
use flipt_client_effect::outcomes::describe;
use flipt_client_effect::request::{encode, encode_batch};
use flipt_client_effect::snapshot::Snapshot;
use flipt_client_effect_fuzz::document::{Document, Text};
use flipt_client_effect_fuzz::NAMESPACE;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[derive(Arbitrary, Debug)]
struct Input {
    document: Document,
    requests: Vec<(u8, Text, Vec<Text>)>,
    flag: u8,
    memory: Vec<u8>,
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

fn open(kind: u32, text: &[u8]) -> f64 {
    // SAFETY: the slices are readable.
    let job = unsafe { fce_job_new(kind, NAMESPACE.as_ptr(), size(NAMESPACE.as_bytes())) };
    // SAFETY: as above.
    assert_eq!(unsafe { fce_job_push(job, text.as_ptr(), size(text)) }, 0);
    assert_eq!(fce_job_run(job), 0);
    let snapshot = fce_job_take(job);
    assert_eq!(fce_job_free(job), 0);
    snapshot
}

/// Evaluates on a copy of the memory, and returns the code and the memory after the call.
fn with_arena(memory: &[u8], evaluate: impl FnOnce(f64) -> i32) -> (i32, Vec<u8>) {
    let mut memory = memory.to_vec();
    // SAFETY: the memory outlives the arena, and nothing else uses it.
    let arena = unsafe { fce_arena_new(memory.as_mut_ptr(), size(&memory)) };
    let code = evaluate(arena);
    fce_arena_free(arena);
    (code, memory)
}

fn words(memory: &[u8]) -> Vec<u32> {
    memory.chunks_exact(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

const PARTIAL: u32 = 0x4000_0000;

/// Checks an outcome against the flag's description and returns the words of its result.
fn check_outcome(description: &Value, outcome: u32, listed: &[u32]) -> Vec<u32> {
    let list = |key: &str| description[key].as_array().unwrap().clone();
    let keys: Vec<usize> = std::iter::once(0)
        .chain(list("rules").iter().flat_map(|rule| {
            let variants = rule["variants"].as_array().unwrap().len().max(1);
            std::iter::repeat_n(rule["segmentKeys"].as_array().unwrap().len(), variants)
        }))
        .chain(list("rollouts").iter().map(|rollout| rollout["segmentKeys"].as_array().unwrap().len()))
        .collect();
    let segments = keys[(outcome & !PARTIAL) as usize];
    if outcome & PARTIAL == 0 {
        return vec![outcome];
    }
    let count = listed[0] as usize;
    let indexes = &listed[1..=count];
    assert!(count > 0 && count < segments, "{count} of {segments} segments");
    assert!(indexes.is_sorted_by(|a, b| a < b) && indexes.iter().all(|index| (*index as usize) < segments));
    [&[outcome], &listed[..=count]].concat()
}

fuzz_target!(|input: Input| {
    let text = input.document.text();
    let Ok(model) = Snapshot::from_document(NAMESPACE, &text) else { return };
    let (snapshot, restored) = (open(0, text.as_bytes()), open(1, &model.seed()));
    let describe = |flag: u32| serde_json::from_slice::<Value>(&describe(model.flag(flag).unwrap(), flag)).unwrap();

    let flag = u32::from(input.flag) % (u32::try_from(model.flags().len()).unwrap() + 1);
    let (code, memory) = with_arena(&input.memory, |arena| fce_evaluate(arena, snapshot, flag));
    if code >= 0 {
        check_outcome(&describe(flag), code.cast_unsigned(), &words(&memory));
    } else {
        assert_eq!(memory, input.memory, "a failed call wrote to the arena");
        assert_ne!(code, Code::Panic as i32);
    }
    let (code, _) = with_arena(&input.memory, |arena| fce_evaluate_batch(arena, snapshot, u32::from(input.flag)));
    assert_ne!(code, Code::Panic as i32);

    let mut batch = Vec::new();
    let mut expected = Vec::new();
    for (flag, entity, values) in &input.requests {
        if model.flags().is_empty() {
            break;
        }
        let flag = u32::from(*flag) % u32::try_from(model.flags().len()).unwrap();
        let wanted = model.flag(flag).unwrap().properties.len();
        let values: Vec<&str> = (0..wanted).map(|i| values.get(i).map_or("", |text| text.0.as_str())).collect();
        let mut request = encode(&entity.0, values.iter().copied());
        request.resize(request.len() + 4096, 0);
        let (code, memory) = with_arena(&request, |arena| fce_evaluate(arena, snapshot, flag));
        let again = with_arena(&request, |arena| fce_evaluate(arena, restored, flag));
        assert_eq!((code, &memory), (again.0, &again.1), "a restored snapshot differs");
        assert!(code >= 0, "{code}");
        expected.extend(check_outcome(&describe(flag), code.cast_unsigned(), &words(&memory)));
        batch.push((flag, entity.0.as_str(), values));
    }
    let requests: Vec<(u32, &str, &[&str])> =
        batch.iter().map(|(flag, entity, values)| (*flag, *entity, values.as_slice())).collect();
    let mut memory = encode_batch(&requests);
    memory.resize(memory.len() + expected.len() * 4 + 4, 0);
    let count = u32::try_from(requests.len()).unwrap();
    let (code, memory) = with_arena(&memory, |arena| fce_evaluate_batch(arena, snapshot, count));
    assert_eq!(usize::try_from(code).unwrap(), expected.len());
    assert_eq!(words(&memory)[..expected.len()], expected, "a batch differs from single evaluations");
    assert_eq!((fce_snapshot_close(snapshot), fce_snapshot_close(restored)), (0, 0));
});
