//! Evaluation over an arena: requests are read from its start, and results are written there.

use super::{arena, guard, length};
use crate::abi::Code;
use crate::audience::Matched;
use crate::compile::Flag;
use crate::evaluate::evaluate;
use crate::request::{Raw, Request, Requests};
use crate::snapshot::Snapshot;

/// Bit set in an outcome's index if only some of its segments match.
const PARTIAL: u32 = 0x4000_0000;

const WORD: usize = 4;

/// The index of the outcome, and the matching segments if only some match.
fn answer(flag: &Flag, request: &Request) -> (i32, Option<Matched>) {
    let mut matched = Matched::default();
    let answer = evaluate(flag, request, &mut matched);
    let outcome = answer.outcome | if answer.partial { PARTIAL } else { 0 };
    (outcome.cast_signed(), answer.partial.then_some(matched))
}

/// The number of matching segments, then their indexes.
fn words(matched: &Matched) -> impl Iterator<Item = u32> + '_ {
    std::iter::once(matched.count()).chain(matched.indexes())
}

/// Evaluates a flag, given by its index, for the request in the arena. Returns the index of the outcome in the flag's
/// description, with `0x4000_0000` added if only some of its segments match. The arena then has their number and indexes.
///
/// The safety contract of the arena's memory is that of `fce_arena_new`.
#[no_mangle]
pub extern "C" fn fce_evaluate(arena: f64, snapshot: f64, flag_index: u32) -> i32 {
    guard(|| {
        let body = |memory: &mut [u8], snapshot: &Snapshot| {
            let flag = snapshot.flag(flag_index).ok_or(Code::NoFlag)?;
            let request = Request::decode(memory, flag.properties.len())?;
            let (outcome, matched) = answer(flag, &request);
            if let Some(matched) = matched {
                let room = memory.len() / WORD;
                if matched.count() as usize >= room {
                    return Err(Code::TooSmall);
                }
                for (bytes, word) in memory.chunks_exact_mut(WORD).zip(words(&matched)) {
                    bytes.copy_from_slice(&word.to_le_bytes());
                }
            }
            Ok(outcome)
        };
        // SAFETY: the contract of `fce_arena_new`; `body` does not call the ABI.
        unsafe { arena::with(arena, snapshot, body) }
    })
}

/// Evaluates the requests in the arena. Each begins with its flag's index and its number of slots. Writes one result per
/// request: what `fce_evaluate` returns, followed by the matching segments if it is partial. Returns the number of words
/// written; writes nothing if they do not all fit.
#[no_mangle]
pub extern "C" fn fce_evaluate_batch(arena: f64, snapshot: f64, count: u32) -> i32 {
    guard(|| {
        let body = |memory: &mut [u8], snapshot: &Snapshot| {
            let answers = answer_all(snapshot, memory, count)?;
            memory.get_mut(..answers.len()).ok_or(Code::TooSmall)?.copy_from_slice(&answers);
            length(answers.len() / WORD)
        };
        // SAFETY: the contract of `fce_arena_new`; `body` does not call the ABI.
        unsafe { arena::with(arena, snapshot, body) }
    })
}

fn answer_all(snapshot: &Snapshot, memory: &[u8], count: u32) -> Result<Vec<u8>, Code> {
    let mut requests = Requests::new(memory);
    let mut answers = Vec::with_capacity(memory.len().min((count as usize).saturating_mul(WORD)));
    let answer_one = |raw: &Raw| match snapshot.flag(raw.flag) {
        None => Ok((Code::NoFlag.into(), None)),
        Some(flag) => raw.decode(flag.properties.len()).map(|request| answer(flag, &request)),
    };
    for _ in 0..count {
        let (outcome, matched) = answer_one(&requests.take()?)?;
        answers.extend(outcome.to_le_bytes());
        for word in matched.iter().flat_map(words) {
            answers.extend(word.to_le_bytes());
        }
    }
    Ok(answers)
}
