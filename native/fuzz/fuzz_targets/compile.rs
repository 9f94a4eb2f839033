//! Reads arbitrary text as a document.

#![no_main]

use flipt_client_effect::snapshot::Snapshot;
use flipt_client_effect_fuzz::{check, NAMESPACE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| check(text, Snapshot::from_document(NAMESPACE, text)));
