//! The compilation of a document into a snapshot: the bytes are collected on one thread and compiled on any. The result is
//! taken, or dropped with the compilation. The ABI calls it a job.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::abi::{Code, JobKind};
use crate::json::{Kind, Malformed};
use crate::snapshot::Snapshot;

enum State {
    Collecting(Vec<u8>),
    Running,
    Done(Arc<Snapshot>),
    Failed(Code, String),
    Taken,
}

pub struct Compilation {
    kind: JobKind,
    namespace: Box<str>,
    state: Mutex<State>,
}

impl Compilation {
    #[must_use]
    pub fn new(kind: JobKind, namespace: &str) -> Self {
        Self { kind, namespace: namespace.into(), state: Mutex::new(State::Collecting(Vec::new())) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a copy of a chunk of the document.
    ///
    /// # Errors
    /// `Code::Argument` after `run`, `Code::Limit` if there is not enough memory.
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

    /// Compiles the pushed bytes and frees them. The compilation is not locked while it runs.
    ///
    /// # Errors
    /// The code of the error that `message` describes, or `Code::Argument` on a second call.
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
        match self.kind {
            // the official client skips a byte order mark too
            JobKind::Document => {
                Snapshot::from_document(&self.namespace, text.strip_prefix('\u{feff}').unwrap_or(text))
            }
            JobKind::Seed => Snapshot::from_seed(&self.namespace, text),
        }
    }

    /// The error message; empty if there is none.
    #[must_use]
    pub fn message(&self) -> String {
        match &*self.state() {
            State::Failed(_, message) => message.clone(),
            _ => String::new(),
        }
    }

    /// Returns the snapshot on the first call.
    ///
    /// # Errors
    /// The code with which `run` failed; `Code::Argument` if `run` has not completed, and on a second call.
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
        let compilation = Compilation::new(JobKind::Document, "n");
        assert_eq!(compilation.take().err(), Some(Code::Argument));
        DOCUMENT.chunks(7).for_each(|chunk| compilation.push(chunk).unwrap());
        assert_eq!(compilation.run(), Ok(()));
        assert_eq!(compilation.run(), Err(Code::Argument));
        assert_eq!(compilation.push(b" "), Err(Code::Argument));
        assert_eq!(compilation.take().unwrap().digest(), Some("d"));
        assert_eq!(compilation.take().err(), Some(Code::Argument));
        assert_eq!(compilation.message(), "");
    }

    #[test]
    fn skips_one_byte_order_mark() {
        let run = |marks: usize| {
            let compilation = Compilation::new(JobKind::Document, "n");
            compilation.push("\u{feff}".repeat(marks).as_bytes()).unwrap();
            compilation.push(DOCUMENT).unwrap();
            compilation.run()
        };
        assert_eq!([0, 1, 2].map(run), [Ok(()), Ok(()), Err(Code::Malformed)]);
    }

    #[test]
    fn tells_why_it_failed() {
        let fail = |kind, bytes: &[u8]| {
            let compilation = Compilation::new(kind, "n");
            compilation.push(bytes).unwrap();
            let code = compilation.run().unwrap_err();
            assert_eq!(compilation.take().err(), Some(code));
            (code, compilation.message())
        };
        assert_eq!(fail(JobKind::Document, b"\xff"), (Code::Malformed, "it is not valid UTF-8".into()));
        assert_eq!(fail(JobKind::Document, b""), (Code::Malformed, "the document is empty".into()));
        let missing = (Code::Malformed, "\"version\" is missing".into());
        assert_eq!(
            fail(
                JobKind::Seed,
                br#"{"namespace":{"key":"n","flags":{},"eval_rules":{},"eval_rollouts":{},"eval_distributions":{}}}"#
            ),
            missing
        );
        let (code, message) = fail(JobKind::Document, format!("{{\"x\":{}", "[".repeat(200)).as_bytes());
        assert_eq!(code, Code::Limit);
        assert!(message.ends_with("nested deeper than 128 levels"), "{message}");
    }
}
