//! Makes arbitrary sequences of calls, on one thread and on threads that end. A model predicts what every call returns.
//! libFuzzer reports panics even if the library catches them.

#![no_main]

use std::sync::Arc;
use std::thread;

use arbitrary::Arbitrary;
use flipt_client_effect::abi::{BlobKind, Code};
use flipt_client_effect::audience::Matched;
use flipt_client_effect::evaluate::evaluate;
use flipt_client_effect::ffi::{
    fce_arena_free, fce_arena_new, fce_blob_free, fce_blob_len, fce_blob_read, fce_evaluate, fce_evaluate_batch,
    fce_job_free, fce_job_message, fce_job_new, fce_job_push, fce_job_run, fce_job_take, fce_snapshot_blob,
    fce_snapshot_close, fce_snapshot_retain, fce_stat, fce_thread_owns,
};
use flipt_client_effect::json::{Kind, Malformed};
use flipt_client_effect::outcomes::{describe, json, list_flags};
use flipt_client_effect::request::{encode, Request, Requests};
use flipt_client_effect::snapshot::Snapshot;
use flipt_client_effect_fuzz::document::{Document, Text};
use flipt_client_effect_fuzz::NAMESPACE;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Clone, Debug)]
enum Pick {
    /// Any handle that the library has returned so far, of any kind, open or closed.
    Known(u8),
    /// The handle that the library returned last.
    Last,
    Invented(f64),
}

#[derive(Arbitrary, Clone, Debug)]
enum Content {
    Document(Document),
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Clone, Debug)]
enum Memory {
    Bytes(Vec<u8>),
    Request(Text, Vec<Text>),
}

#[derive(Arbitrary, Clone, Debug)]
enum Call {
    NewJob {
        kind: u8,
        namespace: Option<Vec<u8>>,
    },
    Push(Pick, Content),
    Run(Pick),
    Message(Pick, u16),
    Take(Pick),
    FreeJob(Pick),
    /// All of the above at once.
    Load(Document),
    Retain(Pick),
    Close(Pick),
    Blob {
        snapshot: Pick,
        kind: u8,
        key: Text,
    },
    ReadBlob {
        blob: Pick,
        offset: u16,
        capacity: u16,
    },
    FreeBlob(Pick),
    NewArena(u8),
    FreeArena(Pick),
    Evaluate {
        arena: Pick,
        snapshot: Pick,
        flag: u8,
        memory: Memory,
    },
    Batch {
        arena: Pick,
        snapshot: Pick,
        count: u8,
        memory: Memory,
    },
}

#[derive(Arbitrary, Debug)]
enum Step {
    Here(Call),
    Thread { owns: bool, calls: Vec<Call> },
}

enum Job {
    Collecting(Vec<u8>),
    Done(Arc<Snapshot>),
    Failed(Code, String),
    Taken,
}

enum Value {
    Job {
        kind: u32,
        namespace: String,
        job: Job,
    },
    Snapshot(Arc<Snapshot>),
    Blob(Vec<u8>),
    /// The memory, and the thread that registered it.
    Arena(Box<[u8]>, u32),
    Gone,
}

struct Entry {
    handle: f64,
    value: Value,
    /// The thread that closes the handle when it ends.
    owner: Option<u32>,
}

#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
    /// Counts the threads; 0 is the first.
    thread: u32,
    owns: bool,
    /// The memory of removed arenas. It is freed last, so that a late write is noticed.
    memory: Vec<Box<[u8]>>,
}

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

fn code(code: Code) -> i32 {
    code.into()
}

/// The expected result of a job.
fn compile(kind: u32, namespace: &str, bytes: &[u8]) -> Result<Snapshot, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed::whole("it is not valid UTF-8".into()))?;
    match kind {
        0 => Snapshot::from_document(namespace, text.strip_prefix('\u{feff}').unwrap_or(text)),
        _ => Snapshot::from_seed(namespace, text),
    }
}

/// The words of a result.
fn answer(snapshot: &Snapshot, flag: u32, request: &Request) -> Vec<u32> {
    let mut matched = Matched::default();
    let answer = evaluate(snapshot.flag(flag).unwrap(), request, &mut matched);
    if answer.partial {
        let listed = std::iter::once(matched.count()).chain(matched.indexes());
        std::iter::once(answer.outcome | 0x4000_0000).chain(listed).collect()
    } else {
        vec![answer.outcome]
    }
}

fn answer_batch(snapshot: &Snapshot, memory: &[u8], count: u32) -> Result<Vec<u32>, Code> {
    let mut requests = Requests::new(memory);
    let mut words = Vec::new();
    for _ in 0..count {
        let raw = requests.take()?;
        match snapshot.flag(raw.flag) {
            None => words.push((Code::NoFlag as i32).cast_unsigned()),
            Some(flag) => words.extend(answer(snapshot, raw.flag, &raw.decode(flag.properties.len())?)),
        }
    }
    if words.len() * 4 > memory.len() {
        return Err(Code::TooSmall);
    }
    Ok(words)
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

impl Model {
    fn handle(&self, pick: &Pick) -> f64 {
        match (pick, self.entries.len()) {
            (Pick::Invented(handle), _) => *handle,
            (_, 0) => 1.0,
            (Pick::Known(index), count) => self.entries[usize::from(*index) % count].handle,
            (Pick::Last, count) => self.entries[count - 1].handle,
        }
    }

    fn find(&mut self, handle: f64) -> Option<&mut Value> {
        let found = self.entries.iter_mut().find(|entry| entry.handle.to_bits() == handle.to_bits());
        found.map(|entry| &mut entry.value)
    }

    fn add(&mut self, handle: f64, value: Value) {
        assert!(handle > 0.0 && handle < 9_007_199_254_740_992.0, "{handle}");
        assert!(self.find(handle).is_none(), "{handle} was returned twice");
        let owner = (self.owns && !matches!(value, Value::Arena(..))).then_some(self.thread);
        self.entries.push(Entry { handle, value, owner });
    }

    /// Forgets a value if it is of the expected kind, and returns the code of the call that closes it.
    fn close(&mut self, handle: f64, is_kind: impl FnOnce(&Value) -> bool) -> i32 {
        match self.find(handle) {
            Some(value) if is_kind(value) => {
                if let Value::Arena(memory, _) = std::mem::replace(value, Value::Gone) {
                    self.memory.push(memory);
                }
                0
            }
            _ => code(Code::Closed),
        }
    }

    fn snapshot(&mut self, handle: f64) -> Option<Arc<Snapshot>> {
        match self.find(handle) {
            Some(Value::Snapshot(snapshot)) => Some(Arc::clone(snapshot)),
            _ => None,
        }
    }

    fn new_job(&mut self, kind: u32, namespace: &[u8]) {
        // SAFETY: the slice is readable.
        let handle = unsafe { fce_job_new(kind, namespace.as_ptr(), size(namespace)) };
        match std::str::from_utf8(namespace) {
            Ok(namespace) if kind < 2 => {
                let job = Job::Collecting(Vec::new());
                self.add(handle, Value::Job { kind, namespace: namespace.to_owned(), job });
            }
            _ => assert_eq!(handle, f64::from(Code::Argument)),
        }
    }

    fn push(&mut self, handle: f64, chunk: &[u8]) {
        let expected = match self.find(handle) {
            Some(Value::Job { job: Job::Collecting(bytes), .. }) => {
                bytes.extend_from_slice(chunk);
                0
            }
            Some(Value::Job { .. }) => code(Code::Argument),
            _ => code(Code::Closed),
        };
        // SAFETY: the slice is readable.
        assert_eq!(unsafe { fce_job_push(handle, chunk.as_ptr(), size(chunk)) }, expected);
    }

    fn run(&mut self, handle: f64) {
        let expected = match self.find(handle) {
            Some(Value::Job { kind, namespace, job }) => {
                if let Job::Collecting(bytes) = job {
                    let (next, expected) = match compile(*kind, namespace, bytes) {
                        Ok(snapshot) => (Job::Done(Arc::new(snapshot)), 0),
                        Err(error) => {
                            let reason = if error.kind == Kind::Limit { Code::Limit } else { Code::Malformed };
                            (Job::Failed(reason, error.message()), code(reason))
                        }
                    };
                    *job = next;
                    expected
                } else {
                    code(Code::Argument)
                }
            }
            _ => code(Code::Closed),
        };
        assert_eq!(fce_job_run(handle), expected);
    }

    fn message(&mut self, handle: f64, capacity: u16) {
        let mut out = vec![0; usize::from(capacity)];
        // SAFETY: the slice is writable.
        let found = unsafe { fce_job_message(handle, out.as_mut_ptr(), u32::from(capacity)) };
        match self.find(handle) {
            Some(Value::Job { job, .. }) => {
                let message = if let Job::Failed(_, message) = job { message.as_str() } else { "" };
                if capacity != 0 && message.len() > out.len() {
                    assert_eq!(found, code(Code::TooSmall));
                } else {
                    assert_eq!(usize::try_from(found), Ok(message.len()));
                    assert!(capacity == 0 || out.starts_with(message.as_bytes()));
                }
            }
            _ => assert_eq!(found, code(Code::Closed)),
        }
    }

    fn take(&mut self, handle: f64) {
        let taken = fce_job_take(handle);
        match self.find(handle) {
            Some(Value::Job { job, .. }) => match job {
                Job::Done(snapshot) => {
                    let snapshot = Arc::clone(snapshot);
                    *job = Job::Taken;
                    self.add(taken, Value::Snapshot(snapshot));
                }
                Job::Failed(reason, _) => assert_eq!(taken, f64::from(*reason)),
                Job::Collecting(_) | Job::Taken => assert_eq!(taken, f64::from(Code::Argument)),
            },
            _ => assert_eq!(taken, f64::from(Code::Closed)),
        }
    }

    fn blob(&mut self, snapshot: f64, kind: u32, key: &str) {
        // SAFETY: the slice is readable.
        let blob = unsafe { fce_snapshot_blob(snapshot, kind, key.as_ptr(), size(key.as_bytes())) };
        let Some(snapshot) = self.snapshot(snapshot) else { return assert_eq!(blob, f64::from(Code::Closed)) };
        let flag = snapshot.index(key).map(|index| (index, snapshot.flag(index).unwrap()));
        let bytes = match BlobKind::try_from(kind) {
            Err(code) => Err(code),
            Ok(BlobKind::Seed) => Ok(snapshot.seed()),
            Ok(BlobKind::Flags) => Ok(list_flags(snapshot.flags())),
            Ok(BlobKind::Digest) => Ok(json(&snapshot.digest())),
            Ok(BlobKind::EscapedLists) => Ok(json(&snapshot.escaped_lists())),
            Ok(BlobKind::Flag) => flag.map(|(index, flag)| describe(flag, index)).ok_or(Code::NoFlag),
            Ok(BlobKind::Fingerprint) => flag.map(|_| self.read_whole(blob)).ok_or(Code::NoFlag),
        };
        match bytes {
            Ok(bytes) => self.add(blob, Value::Blob(bytes)),
            Err(code) => assert_eq!(blob, f64::from(code)),
        }
    }

    /// The model cannot compute a fingerprint, only its length.
    fn read_whole(&self, blob: f64) -> Vec<u8> {
        let mut bytes = vec![0; 17];
        // SAFETY: the slice is writable.
        assert_eq!(unsafe { fce_blob_read(blob, 0, bytes.as_mut_ptr(), 17) }, 16);
        bytes.truncate(16);
        bytes
    }

    fn read_blob(&mut self, handle: f64, offset: u16, capacity: u16) {
        let mut out = vec![0; usize::from(capacity)];
        // SAFETY: the slice is writable.
        let read = unsafe { fce_blob_read(handle, offset.into(), out.as_mut_ptr(), capacity.into()) };
        let Some(Value::Blob(bytes)) = self.find(handle) else {
            assert_eq!(fce_blob_len(handle), code(Code::Closed));
            return assert_eq!(read, code(Code::Closed));
        };
        assert_eq!(usize::try_from(fce_blob_len(handle)), Ok(bytes.len()));
        match bytes.get(usize::from(offset)..) {
            None => assert_eq!(read, code(Code::Argument)),
            Some(rest) => {
                let part = &rest[..rest.len().min(out.len())];
                assert_eq!(usize::try_from(read), Ok(part.len()));
                assert_eq!(&out[..part.len()], part);
            }
        }
    }

    fn new_arena(&mut self, length: u8) {
        let mut memory = vec![0; usize::from(length) * 16].into_boxed_slice();
        // SAFETY: the model keeps the memory until the end.
        let handle = unsafe { fce_arena_new(memory.as_mut_ptr(), size(&memory)) };
        if length == 0 {
            return assert_eq!(handle, f64::from(Code::Argument));
        }
        self.add(handle, Value::Arena(memory, self.thread));
    }

    /// Fills the arena, evaluates, and compares the code and the arena's memory with what `expect` says: the words to
    /// find at the arena's start, and the code.
    fn evaluate(
        &mut self,
        (arena, snapshot): (f64, f64),
        content: &Memory,
        evaluate: impl FnOnce() -> i32,
        expect: impl FnOnce(&Snapshot, &[u8]) -> Result<(Vec<u32>, i32), Code>,
    ) {
        let thread = self.thread;
        let snapshot = self.snapshot(snapshot);
        let Some(Value::Arena(memory, owner)) = self.find(arena) else {
            return assert_eq!(evaluate(), code(Code::Closed));
        };
        if *owner != thread {
            return assert_eq!(evaluate(), code(Code::Closed));
        }
        let content = match content {
            Memory::Bytes(bytes) => bytes.clone(),
            Memory::Request(entity, values) => encode(&entity.0, values.iter().map(|text| text.0.as_str())),
        };
        let length = content.len().min(memory.len());
        memory[..length].copy_from_slice(&content[..length]);
        let mut wanted = memory.clone();
        let expected = match snapshot.ok_or(Code::Closed).and_then(|snapshot| expect(&snapshot, &wanted)) {
            Ok((words, result)) => {
                wanted[..words.len() * 4].copy_from_slice(&bytes(&words));
                result
            }
            Err(reason) => code(reason),
        };
        assert_eq!(evaluate(), expected);
        assert_eq!(*memory, wanted);
    }

    fn call(&mut self, call: &Call) {
        match call {
            Call::NewJob { kind, namespace } => {
                self.new_job(u32::from(*kind) % 3, namespace.as_deref().unwrap_or(NAMESPACE.as_bytes()));
            }
            Call::Push(job, Content::Document(document)) => self.push(self.handle(job), document.text().as_bytes()),
            Call::Push(job, Content::Bytes(bytes)) => self.push(self.handle(job), bytes),
            Call::Run(job) => self.run(self.handle(job)),
            Call::Message(job, capacity) => self.message(self.handle(job), *capacity),
            Call::Take(job) => self.take(self.handle(job)),
            Call::FreeJob(job) => {
                let job = self.handle(job);
                assert_eq!(fce_job_free(job), self.close(job, |value| matches!(value, Value::Job { .. })));
            }
            Call::Load(document) => {
                self.new_job(0, NAMESPACE.as_bytes());
                let job = self.handle(&Pick::Last);
                self.push(job, document.text().as_bytes());
                self.run(job);
                self.take(job);
            }
            Call::Retain(snapshot) => {
                let snapshot = self.handle(snapshot);
                let retained = fce_snapshot_retain(snapshot);
                match self.snapshot(snapshot) {
                    Some(snapshot) => self.add(retained, Value::Snapshot(snapshot)),
                    None => assert_eq!(retained, f64::from(Code::Closed)),
                }
            }
            Call::Close(snapshot) => {
                let snapshot = self.handle(snapshot);
                let expected = self.close(snapshot, |value| matches!(value, Value::Snapshot(_)));
                assert_eq!(fce_snapshot_close(snapshot), expected);
            }
            Call::Blob { snapshot, kind, key } => self.blob(self.handle(snapshot), u32::from(*kind) % 7, &key.0),
            Call::ReadBlob { blob, offset, capacity } => self.read_blob(self.handle(blob), *offset, *capacity),
            Call::FreeBlob(blob) => {
                let blob = self.handle(blob);
                assert_eq!(fce_blob_free(blob), self.close(blob, |value| matches!(value, Value::Blob(_))));
            }
            Call::NewArena(length) => self.new_arena(*length),
            Call::FreeArena(arena) => {
                let (arena, thread) = (self.handle(arena), self.thread);
                let freed = fce_arena_free(arena);
                let is_ours = |value: &Value| matches!(value, Value::Arena(_, owner) if *owner == thread);
                assert_eq!(freed, self.close(arena, is_ours));
            }
            Call::Evaluate { arena, snapshot, flag, memory } => {
                let (handles, flag) = ((self.handle(arena), self.handle(snapshot)), u32::from(*flag));
                let expect = |snapshot: &Snapshot, memory: &[u8]| {
                    let properties = snapshot.flag(flag).ok_or(Code::NoFlag)?.properties.len();
                    let words = answer(snapshot, flag, &Request::decode(memory, properties)?);
                    let (outcome, listed) = words.split_first().unwrap();
                    if listed.len() * 4 > memory.len() {
                        return Err(Code::TooSmall);
                    }
                    Ok((listed.to_vec(), outcome.cast_signed()))
                };
                self.evaluate(handles, memory, || fce_evaluate(handles.0, handles.1, flag), expect);
            }
            Call::Batch { arena, snapshot, count, memory } => {
                let (handles, count) = ((self.handle(arena), self.handle(snapshot)), u32::from(*count));
                let expect = |snapshot: &Snapshot, memory: &[u8]| {
                    let words = answer_batch(snapshot, memory, count)?;
                    let written = i32::try_from(words.len()).unwrap();
                    Ok((words, written))
                };
                self.evaluate(handles, memory, || fce_evaluate_batch(handles.0, handles.1, count), expect);
            }
        }
    }

    /// Makes the calls on a new thread. Its arenas end with it, and so do its handles if it owns them.
    fn on_thread(&mut self, id: u32, owns: bool, calls: &[Call]) {
        (self.thread, self.owns) = (id, owns);
        thread::scope(|scope| {
            let work = || {
                if owns {
                    assert_eq!(fce_thread_owns(), 0);
                }
                calls.iter().for_each(|call| self.call(call));
            };
            // joined, because a scope does not wait for a thread's destructors
            scope.spawn(work).join().unwrap();
        });
        (self.thread, self.owns) = (0, false);
        for entry in &mut self.entries {
            let ended = matches!(entry.value, Value::Arena(_, owner) if owner == id) || entry.owner == Some(id);
            if ended {
                if let Value::Arena(memory, _) = std::mem::replace(&mut entry.value, Value::Gone) {
                    self.memory.push(memory);
                }
            }
        }
    }

    fn check_counters(&self) {
        let count = |is_kind: fn(&Value) -> bool| self.entries.iter().filter(|entry| is_kind(&entry.value)).count();
        let counts = [
            count(|value| matches!(value, Value::Snapshot(_))),
            count(|value| matches!(value, Value::Job { .. })),
            count(|value| matches!(value, Value::Arena(..))),
            count(|value| matches!(value, Value::Blob(_))),
        ];
        for (which, count) in (0..).zip(counts) {
            assert_eq!(fce_stat(which), f64::from(u32::try_from(count).unwrap()), "counter {which}");
        }
    }

    fn close_all(&mut self) {
        for entry in &self.entries {
            let code = match entry.value {
                Value::Job { .. } => fce_job_free(entry.handle),
                Value::Snapshot(_) => fce_snapshot_close(entry.handle),
                Value::Blob(_) => fce_blob_free(entry.handle),
                Value::Arena(..) => fce_arena_free(entry.handle),
                Value::Gone => continue,
            };
            assert_eq!(code, 0);
        }
        self.entries.clear();
        self.check_counters();
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let mut model = Model::default();
    for (id, step) in (1..).zip(&steps) {
        match step {
            Step::Here(call) => model.call(call),
            Step::Thread { owns, calls } => model.on_thread(id, *owns, calls),
        }
    }
    model.check_counters();
    model.close_all();
});
