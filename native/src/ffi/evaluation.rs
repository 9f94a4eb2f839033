//! Evaluating, over an arena: the requests lie in it from its start, and the answers are written there.

use super::{arena, guard, length};
use crate::audience::Matched;
use crate::code::Code;
use crate::compile::Flag;
use crate::evaluate::evaluate;
use crate::request::{Raw, Request, Requests};
use crate::snapshot::Snapshot;

/// Says of an outcome's index that the answer is partial.
const PARTIAL: u32 = 0x4000_0000;

const WORD: usize = 4;

/// The index of the outcome, and which segments match if only some do.
fn answer(flag: &Flag, request: &Request) -> (i32, Option<Matched>) {
    let mut matched = Matched::default();
    let answer = evaluate(flag, request, &mut matched);
    let outcome = answer.outcome | if answer.partial { PARTIAL } else { 0 };
    (outcome.cast_signed(), answer.partial.then_some(matched))
}

/// The words that tell which segments match.
fn words(matched: &Matched) -> impl Iterator<Item = u32> + '_ {
    std::iter::once(matched.count()).chain(matched.indexes())
}

/// Evaluates the flag with an index for the request in the arena. Gives the index of the outcome in the flag's
/// description, with `0x4000_0000` when only some of its segments match: then the arena has their number, and the
/// index of each.
///
/// An arena is memory of the caller, for which `fce_arena_new` asked for a promise.
#[no_mangle]
pub extern "C" fn fce_evaluate(arena: f64, snapshot: f64, flag_index: u32) -> i32 {
    guard(|| {
        let body = |memory: &mut [u8], snapshot: &Snapshot| {
            let flag = snapshot.flag(flag_index).ok_or(Code::Flag)?;
            let request = Request::decode(memory, flag.properties.len())?;
            let (outcome, matched) = answer(flag, &request);
            if let Some(matched) = matched {
                let room = memory.len() / WORD;
                if matched.count() as usize >= room {
                    return Err(Code::Space);
                }
                for (place, word) in memory.chunks_exact_mut(WORD).zip(words(&matched)) {
                    place.copy_from_slice(&word.to_le_bytes());
                }
            }
            Ok(outcome)
        };
        // SAFETY: the promise was given with the arena; `body` calls nothing of this ABI.
        unsafe { arena::with(arena, snapshot, body) }
    })
}

/// Evaluates the requests in the arena, each of which begins with its flag's index and its number of slots. Then the
/// arena has an answer to each: what `fce_evaluate` would give, and after a partial one which segments match. Gives the
/// number of words written; nothing is written if not all of them fit.
#[no_mangle]
pub extern "C" fn fce_evaluate_batch(arena: f64, snapshot: f64, count: u32) -> i32 {
    guard(|| {
        let body = |memory: &mut [u8], snapshot: &Snapshot| {
            let answers = answer_all(snapshot, memory, count)?;
            memory.get_mut(..answers.len()).ok_or(Code::Space)?.copy_from_slice(&answers);
            length(answers.len() / WORD)
        };
        // SAFETY: the promise was given with the arena; `body` calls nothing of this ABI.
        unsafe { arena::with(arena, snapshot, body) }
    })
}

fn answer_all(snapshot: &Snapshot, memory: &[u8], count: u32) -> Result<Vec<u8>, Code> {
    let mut requests = Requests::new(memory);
    let mut answers = Vec::with_capacity(memory.len().min((count as usize).saturating_mul(WORD)));
    let answer_one = |raw: &Raw| match snapshot.flag(raw.flag) {
        None => Ok((Code::Flag.into(), None)),
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
