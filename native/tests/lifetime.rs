//! Closed values leave nothing behind, even if other threads used them meanwhile. There is only one test, because it
//! counts values of the whole process.

mod support {
    pub mod abi;
    mod documents;
    pub use documents::document;
}

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use flipt_client_effect::ffi::{
    fce_arena_new, fce_evaluate, fce_job_free, fce_job_run, fce_snapshot_close, fce_snapshot_retain, fce_stat,
    fce_thread_owns,
};
use flipt_client_effect::request::encode;
use support::abi::{blob, compile, new_job, push, Arena};
use support::document;

const HANDLE: i32 = -1;

fn counts() -> [f64; 4] {
    [0, 1, 2, 3].map(|which| fce_stat(which))
}

/// Replaces the current snapshot again and again, while four threads evaluate it.
fn evaluate_while_others_close(document: &str) {
    let first = compile(0, "default", document.as_bytes()).unwrap();
    let current = AtomicU64::new(first.to_bits());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let evaluate = || {
            let mut arena = Arena::new(256);
            let request = encode("user-1", []);
            let expected = arena.evaluate(first, 0, &request).max(0);
            let mut answered = 0_u32;
            while !over.load(Ordering::Relaxed) || answered == 0 {
                match arena.evaluate(f64::from_bits(current.load(Ordering::Relaxed)), 0, &request) {
                    HANDLE => thread::yield_now(),
                    outcome => {
                        assert!(outcome == expected || outcome == 1 - expected);
                        answered += 1;
                    }
                }
            }
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(evaluate)).collect();
        for _ in 0..300 {
            let next = compile(0, "default", document.as_bytes()).unwrap();
            let last = f64::from_bits(current.swap(next.to_bits(), Ordering::Relaxed));
            assert_eq!(fce_snapshot_close(last), 0);
            assert_eq!(fce_snapshot_close(last), HANDLE);
        }
        over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert_eq!(fce_snapshot_close(f64::from_bits(current.load(Ordering::Relaxed))), 0);
}

/// Jobs that are freed before, while and after they run, and are never taken.
fn interrupt_jobs(document: &str) {
    for _ in 0..50 {
        let [early, running, late] = [0; 3].map(|kind| new_job(kind, "default"));
        for job in [early, running, late] {
            assert_eq!(push(job, document.as_bytes()), 0);
        }
        assert_eq!(fce_job_free(early), 0);
        assert_eq!(fce_job_run(early), HANDLE);
        let thread = thread::spawn(move || fce_job_run(running));
        assert_eq!(fce_job_free(running), 0);
        assert!([0, HANDLE].contains(&thread.join().unwrap()));
        assert_eq!(fce_job_run(late), 0);
        assert_eq!(fce_job_free(late), 0);
    }
}

fn work(document: &str) {
    evaluate_while_others_close(document);
    interrupt_jobs(document);
    let snapshot = compile(0, "default", document.as_bytes()).unwrap();
    for kind in 0..6 {
        blob(snapshot, kind, "split").unwrap();
    }
    assert_eq!(fce_snapshot_close(snapshot), 0);
    assert!(compile(0, "default", b"{").is_err());
    // an arena that its thread does not free
    thread::spawn(|| {
        let mut memory = [0_u8; 64];
        // SAFETY: the memory lives until the thread's end.
        let arena = unsafe { fce_arena_new(memory.as_mut_ptr(), 64) };
        assert_eq!(fce_evaluate(arena, 0.0, 0), HANDLE);
    })
    .join()
    .unwrap();
    // handles that a thread leaves open are closed with it, if it owns what it opens
    let text = document.to_owned();
    let shared = compile(0, "default", document.as_bytes()).unwrap();
    thread::spawn(move || {
        assert_eq!(fce_thread_owns(), 0);
        assert!(fce_snapshot_retain(shared) > 0.0);
        let closed = compile(0, "default", text.as_bytes()).unwrap();
        assert_eq!(fce_snapshot_close(closed), 0);
        compile(0, "default", text.as_bytes()).unwrap();
        new_job(0, "default");
    })
    .join()
    .unwrap();
    // it only closes its own handle of a snapshot
    assert_eq!(fce_stat(0).to_bits(), 1.0_f64.to_bits());
    assert_eq!(fce_snapshot_close(shared), 0);
}

#[test]
fn closed_values_leave_nothing_behind() {
    let document = document().to_string();
    work(&document);
    assert_eq!(counts().map(f64::to_bits), [0.0; 4].map(f64::to_bits));
    // the registries have reached their final size
    let before = fce_stat(4);
    assert!(before > 0.0);
    work(&document);
    assert_eq!(counts().map(f64::to_bits), [0.0; 4].map(f64::to_bits));
    let grown = fce_stat(4) - before;
    assert!(grown < 4096.0, "{grown} bytes are left");
    let snapshot = compile(0, "default", document.as_bytes()).unwrap();
    assert!(fce_stat(4) - before > 1000.0);
    assert_eq!(fce_stat(0).to_bits(), 1.0_f64.to_bits());
    fce_snapshot_close(snapshot);
}
