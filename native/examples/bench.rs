//! Measures the cost of an evaluation: `cargo run --release --example bench`.

use std::hint::black_box;
use std::time::Instant;

use flipt_client_effect::audience::Matched;
use flipt_client_effect::evaluate::evaluate;
use flipt_client_effect::ffi::{
    fce_arena_free, fce_arena_new, fce_evaluate, fce_job_free, fce_job_new, fce_job_push, fce_job_run, fce_job_take,
    fce_snapshot_close,
};
use flipt_client_effect::request::{encode, Request};
use flipt_client_effect::snapshot::Snapshot;
use serde_json::{json, Value};

const ENTITY_ID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const ROUNDS: u32 = 2_000_000;

/// Nanoseconds a call: the best of some runs.
fn measure(name: &str, mut call: impl FnMut() -> i32) {
    let run = |_| {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            black_box(call());
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
    };
    let best = (0..7).map(run).fold(f64::INFINITY, f64::min);
    println!("{name:<56} {best:>7.1} ns");
}

fn document() -> Value {
    let constraint = |kind: &str, property: &str, operator: &str, value: &str| {
        json!({
            "type": format!("{kind}_CONSTRAINT_COMPARISON_TYPE"), "property": property, "operator": operator,
            "value": value
        })
    };
    let segment = json!({
        "key": "pros", "matchType": "ALL_SEGMENT_MATCH_TYPE", "constraints": [
            constraint("STRING", "plan", "isoneof", r#"["pro","team","enterprise"]"#),
            constraint("NUMBER", "age", "gte", "18"),
            constraint("STRING", "country", "neq", "atlantis")
        ]
    });
    let share = |key: &str, rollout: f64| json!({ "variantKey": key, "rollout": rollout });
    json!({
        "namespace": { "key": "default" },
        "flags": [
            {
                "key": "new-checkout", "name": "", "enabled": false, "type": "BOOLEAN_FLAG_TYPE",
                "rollouts": [{ "threshold": { "percentage": 50, "value": true } }]
            },
            {
                "key": "theme", "name": "", "enabled": true, "type": "VARIANT_FLAG_TYPE",
                "rules": [{
                    "segmentOperator": "OR_SEGMENT_OPERATOR", "segments": [segment],
                    "distributions": [share("a", 33.34), share("b", 33.33), share("c", 33.33)]
                }]
            }
        ]
    })
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("less than 4 GiB")
}

fn open(text: &str) -> f64 {
    // SAFETY: the texts are readable.
    let job = unsafe {
        let job = fce_job_new(0, "default".as_ptr(), 7);
        fce_job_push(job, text.as_ptr(), size(text.as_bytes()));
        job
    };
    assert_eq!(fce_job_run(job), 0);
    let snapshot = fce_job_take(job);
    fce_job_free(job);
    snapshot
}

fn measure_evaluations(text: &str) {
    let snapshot = Snapshot::from_document("default", text).expect("a document");
    let handle = open(text);
    let mut memory = vec![0_u8; 4096];
    // SAFETY: the memory lives until the arena is freed, and is used only between calls.
    let arena = unsafe { fce_arena_new(memory.as_mut_ptr(), size(&memory)) };
    let cases = [
        ("threshold", 0, encode(ENTITY_ID, [])),
        ("one segment of 3 constraints, three-way split", 1, encode(ENTITY_ID, ["pro", "42", "de"])),
    ];
    for (name, index, request) in cases {
        let flag = snapshot.flag(index).expect("the flag");
        measure(name, || {
            let request = Request::decode(black_box(&request), flag.properties.len()).expect("a request");
            evaluate(flag, &request, &mut Matched::default()).outcome.cast_signed()
        });
        memory[..request.len()].copy_from_slice(&request);
        measure(&format!("{name}, over the ABI"), || fce_evaluate(arena, handle, index));
    }
    fce_arena_free(arena);
    fce_snapshot_close(handle);
}

fn measure_compiling(text: &str) {
    let mut document: Value = serde_json::from_str(text).expect("a document");
    let flag = document["flags"][1].clone();
    let flags = (0..20_000).map(|index| {
        let mut flag = flag.clone();
        flag["key"] = format!("flag-{index}").into();
        flag
    });
    document["flags"] = flags.collect();
    let text = document.to_string();
    let start = Instant::now();
    let snapshot = Snapshot::from_document("default", &text).expect("a document");
    let seconds = start.elapsed().as_secs_f64();
    let megabytes = f64::from(size(text.as_bytes())) / 1e6;
    println!("compiling {} flags, {megabytes:.1} MB: {:.0} ms", snapshot.flags().len(), seconds * 1e3);
}

fn main() {
    let text = document().to_string();
    measure_evaluations(&text);
    measure_compiling(&text);
}
