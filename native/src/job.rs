//! A document on its way to a snapshot: its bytes are collected on one thread, it is compiled on any, and what came of
//! it is taken or dropped with the job.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::code::Code;
use crate::json::{Kind, Malformed};
use crate::snapshot::Snapshot;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Document,
    Seed,
}

enum State {
    Collecting(Vec<u8>),
    Running,
    Done(Arc<Snapshot>),
    Failed(Code, String),
    Taken,
}

pub struct Job {
    format: Format,
    namespace: Box<str>,
    state: Mutex<State>,
}

impl Job {
    #[must_use]
    pub fn new(format: Format, namespace: &str) -> Self {
        Self { format, namespace: namespace.into(), state: Mutex::new(State::Collecting(Vec::new())) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a copy of a part of the document.
    ///
    /// # Errors
    /// `Code::Argument` after `run`, `Code::Limit` when memory does not suffice.
    pub fn push(&self, chunk: &[u8]) -> Result<(), Code> {
        match &mut *self.state() {
            State::Collecting(bytes) => {
                bytes.try_reserve(chunk.len()).map_err(|_| Code::Limit)?;
                bytes.extend_from_slice(chunk);
                Ok(())
            }
            _ => Err(Code::Argument),
        }
    }

    /// Compiles what was pushed, and frees it. The job is not locked meanwhile.
    ///
    /// # Errors
    /// What `message` then tells, or `Code::Argument` for a second time.
    pub fn run(&self) -> Result<(), Code> {
        let bytes = {
            let mut state = self.state();
            match &mut *state {
                State::Collecting(bytes) => {
                    let bytes = mem::take(bytes);
                    *state = State::Running;
                    bytes
                }
                _ => return Err(Code::Argument),
            }
        };
        let (state, result) = match self.compile(&bytes) {
            Ok(snapshot) => (State::Done(Arc::new(snapshot)), Ok(())),
            Err(malformed) => {
                let code = match malformed.kind {
                    Kind::Document => Code::Malformed,
                    Kind::Limit => Code::Limit,
                };
                (State::Failed(code, malformed.message()), Err(code))
            }
        };
        *self.state() = state;
        result
    }

    fn compile(&self, bytes: &[u8]) -> Result<Snapshot, Malformed> {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed::whole("it is not valid UTF-8".into()))?;
        match self.format {
            Format::Document => Snapshot::from_document(&self.namespace, text),
            Format::Seed => Snapshot::from_seed(&self.namespace, text),
        }
    }

    /// Why it failed; empty if it did not.
    #[must_use]
    pub fn message(&self) -> String {
        match &*self.state() {
            State::Failed(_, message) => message.clone(),
            _ => String::new(),
        }
    }

    /// The snapshot, once.
    ///
    /// # Errors
    /// The code with which `run` failed; `Code::Argument` when it has not ended, and for a second time.
    pub fn take(&self) -> Result<Arc<Snapshot>, Code> {
        let mut state = self.state();
        match mem::replace(&mut *state, State::Taken) {
            State::Done(snapshot) => Ok(snapshot),
            other => {
                let code = if let State::Failed(code, _) = other { code } else { Code::Argument };
                *state = other;
                Err(code)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &[u8] = br#"{"namespace":{"key":"n"},"flags":[],"digest":"d"}"#;

    #[test]
    fn gives_its_snapshot_once() {
        let job = Job::new(Format::Document, "n");
        assert_eq!(job.take().err(), Some(Code::Argument));
        DOCUMENT.chunks(7).for_each(|chunk| job.push(chunk).unwrap());
        assert_eq!(job.run(), Ok(()));
        assert_eq!(job.run(), Err(Code::Argument));
        assert_eq!(job.push(b" "), Err(Code::Argument));
        assert_eq!(job.take().unwrap().digest(), Some("d"));
        assert_eq!(job.take().err(), Some(Code::Argument));
        assert_eq!(job.message(), "");
    }

    #[test]
    fn tells_why_it_failed() {
        let fail = |format, bytes: &[u8]| {
            let job = Job::new(format, "n");
            job.push(bytes).unwrap();
            let code = job.run().unwrap_err();
            assert_eq!(job.take().err(), Some(code));
            (code, job.message())
        };
        assert_eq!(fail(Format::Document, b"\xff"), (Code::Malformed, "it is not valid UTF-8".into()));
        assert_eq!(fail(Format::Document, b""), (Code::Malformed, "the document is empty".into()));
        let missing = (Code::Malformed, "\"version\" is missing".into());
        assert_eq!(
            fail(
                Format::Seed,
                br#"{"namespace":{"key":"n","flags":{},"eval_rules":{},"eval_rollouts":{},"eval_distributions":{}}}"#
            ),
            missing
        );
        let (code, message) = fail(Format::Document, format!("{{\"x\":{}", "[".repeat(200)).as_bytes());
        assert_eq!(code, Code::Limit);
        assert!(message.ends_with("nested deeper than 128 levels"), "{message}");
    }
}
