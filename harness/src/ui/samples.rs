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
        reason: reason.to_owned(),
        duration_ms: 123,
        attempts: 1,
        seed: 1,
        ..TestResult::bare(kernel, case, verdict)
    })
}
