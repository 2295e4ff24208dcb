//! Events for tests.

use gauntlet_results::{Event, TestResult, Verdict};

pub(super) fn planned(kernel: &str, cases: usize) -> Event {
    let cases = (0..cases).map(|case| format!("s/{case}")).collect();
    Event::Planned { kernel: kernel.to_owned(), cases, times: 1 }
}

pub(super) fn started(kernel: &str, case: &str) -> Event {
    Event::CaseStarted { kernel: kernel.to_owned(), case: case.to_owned() }
}

pub(super) fn finished(kernel: &str, case: &str, verdict: Verdict, reason: &str) -> Event {
    Event::CaseFinished(TestResult {
        kernel: kernel.to_owned(),
        case: case.to_owned(),
        verdict,
        reason: reason.to_owned(),
        duration_ms: 123,
        guest_ns: None,
        output: String::new(),
        console: String::new(),
        splat: None,
        flight: None,
        attempts: 1,
        fingerprint: String::new(),
        exact: false,
        seed: 1,
        repetitions: Vec::new(),
    })
}
