//! A job frees its bytes when it has run. There is only one test, because it counts bytes of the whole process.

mod support {
    pub mod abi;
}

use flipt_client_effect::ffi::{fce_job_free, fce_job_run, fce_job_take, fce_snapshot_close, fce_stat};
use support::abi::{blob, compile, message, new_job, push, Arena};

const SIZE: usize = 8 * 1024 * 1024;

#[test]
fn a_finished_job_holds_no_bytes() {
    // used by the other tests only
    let _ = (blob, compile, message, Arena::new, Arena::evaluate);
    let ignored = "x".repeat(SIZE);
    for flags in ["[]", "1"] {
        let document = format!(r#"{{"namespace":{{"key":"n"}},"ignored":"{ignored}","flags":{flags}}}"#);
        let before = fce_stat(4);
        let job = new_job(0, "n");
        for chunk in document.as_bytes().chunks(1024 * 1024) {
            assert_eq!(push(job, chunk), 0);
        }
        assert!(fce_stat(4) - before >= f64::from(8 * 1024 * 1024));
        let code = fce_job_run(job);
        let left = fce_stat(4) - before;
        assert!(left < 64.0 * 1024.0, "{left} bytes are left with result {code}");
        if code == 0 {
            assert_eq!(fce_snapshot_close(fce_job_take(job)), 0);
        }
        assert_eq!(fce_job_free(job), 0);
    }
}
