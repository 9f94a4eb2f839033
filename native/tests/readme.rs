//! The README documents the current ABI: its version, functions, codes and kinds.

use flipt_client_effect::abi::{BlobKind, Code, JobKind, Stat, ABI_VERSION};
use flipt_client_effect::ffi;

const README: &str = include_str!("../README.md");

/// The names of functions that exist.
macro_rules! names {
    ($($function:ident),+ $(,)?) => {{
        $(let _ = ffi::$function;)+
        [$(stringify!($function)),+]
    }};
}

/// The text under a heading, up to the next one.
fn section(heading: &str) -> &'static str {
    let (_, rest) = README.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    rest.split("\n#").next().unwrap()
}

#[test]
fn has_the_tables_of_the_codes_and_kinds() {
    let tables = [
        ("### Codes", Code::table()),
        ("### Job kinds", JobKind::table()),
        ("### Blob kinds", BlobKind::table()),
        ("### Counters", Stat::table()),
    ];
    for (heading, table) in tables {
        assert_eq!(section(heading).trim(), table.trim());
    }
}

#[test]
fn names_the_version_and_every_function() {
    let abi = section("## The ABI");
    assert!(abi.contains(&format!("This is version {ABI_VERSION} of the ABI.")));
    let mut expected = names![
        fce_abi_version,
        fce_arena_free,
        fce_arena_new,
        fce_blob_free,
        fce_blob_len,
        fce_blob_read,
        fce_evaluate,
        fce_evaluate_batch,
        fce_job_free,
        fce_job_message,
        fce_job_new,
        fce_job_push,
        fce_job_run,
        fce_job_take,
        fce_snapshot_blob,
        fce_snapshot_close,
        fce_snapshot_retain,
        fce_stat,
        fce_test_panic,
        fce_thread_owns,
    ];
    expected.sort_unstable();
    let rows = abi.lines().filter(|line| line.starts_with("| `"));
    let mut documented: Vec<_> = rows
        .map(|row| row.split_once("fce_").and_then(|(_, rest)| rest.split_once('(')).expect("a function").0)
        .map(|name| format!("fce_{name}"))
        .collect();
    documented.sort_unstable();
    assert_eq!(documented, expected);
}
