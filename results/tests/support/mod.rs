//! Events for tests: short hand, and any at all.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod any;
pub mod sample;

use gauntlet_results::{Event, RunInfo, TestResult, Verdict};

pub fn run_info(id: &str) -> RunInfo {
    RunInfo {
        id: id.to_owned(),
        verb: "test".to_owned(),
        started: "2026-11-23T12:45:01Z".to_owned(),
        command: vec!["gauntlet".to_owned(), "test".to_owned()],
        gauntlet_version: "0.1.0".to_owned(),
        host: "builder".to_owned(),
        config_digest: "c0ffee".to_owned(),
    }
}

pub fn result(kernel: &str, case: &str, verdict: Verdict) -> TestResult {
    TestResult {
        duration_ms: 71,
        guest_ns: Some(1_204_331),
        attempts: 1,
        fingerprint: "f1f2".to_owned(),
        seed: 1,
        ..TestResult::bare(kernel, case, verdict)
    }
}

pub fn finished(interrupted: bool) -> Event {
    Event::RunFinished { at: "2026-11-23T12:46:00Z".to_owned(), interrupted }
}
