//! What was planned and gave no result. Nothing missing ever becomes a pass, or nothing.

use super::{KernelRecord, RunRecord};
use crate::Verdict;
use serde::Serialize;
use std::collections::HashSet;

/// A planned or begun case (or workload) without a result, and what that is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    pub kernel: String,
    pub case: String,
    /// ERROR or INFRA.
    pub verdict: Verdict,
    pub reason: String,
}

impl RunRecord {
    /// Everything planned or begun that gave no result, by kernel, then by name.
    pub fn missing(&self) -> Vec<Missing> {
        let answered: HashSet<(&str, &str)> = (self.results.iter())
            .map(|one| (one.kernel.as_str(), one.case.as_str()))
            .chain(self.workloads.iter().map(|one| (one.kernel.as_str(), one.workload.as_str())))
            .collect();
        let mut missing = Vec::new();
        for kernel in &self.kernels {
            let mut names: Vec<&String> = kernel.planned.iter().chain(&kernel.begun).collect();
            names.sort();
            names.dedup();
            names.retain(|name| !answered.contains(&(kernel.name.as_str(), name.as_str())));
            missing.extend(names.into_iter().map(|name| self.judge_missing(kernel, name)));
        }
        missing
    }

    fn judge_missing(&self, kernel: &KernelRecord, case: &str) -> Missing {
        let begun = kernel.begun.iter().any(|one| one == case);
        let stopped = match &self.end {
            None => Some("gauntlet ended without finishing the run"),
            Some(end) if end.interrupted => Some("the run was interrupted"),
            Some(_) => None,
        };
        let (verdict, reason) = match (&kernel.failure, stopped) {
            (Some(failure), _) if failure.verdict == Verdict::Infra => {
                (Verdict::Infra, format!("not run: {}", failure.reason))
            }
            (Some(failure), _) => (Verdict::Error, format!("not run: the kernel failed: {}", failure.reason)),
            (None, Some(why)) if begun => (Verdict::Infra, format!("begun, no answer: {why}")),
            (None, Some(why)) => (Verdict::Infra, format!("not run: {why}")),
            (None, None) if begun => (Verdict::Error, "begun, but no answer was recorded".to_owned()),
            (None, None) => (Verdict::Error, "planned, but no answer was recorded".to_owned()),
        };
        Missing { kernel: kernel.name.clone(), case: case.to_owned(), verdict, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    fn record(events: &[Event]) -> RunRecord {
        let mut record = RunRecord::new(crate::RunInfo::default());
        let planned =
            Event::Planned { kernel: "k".into(), cases: vec!["s/b".into(), "s/a".into()], times: 1 };
        record.apply(&planned);
        events.iter().for_each(|event| record.apply(event));
        record
    }

    fn judged(events: &[Event]) -> Vec<(String, Verdict)> {
        record(events).missing().into_iter().map(|one| (one.case, one.verdict)).collect()
    }

    fn finished(interrupted: bool) -> Event {
        Event::RunFinished { at: String::new(), interrupted }
    }

    fn failed(verdict: Verdict) -> Event {
        Event::KernelFailed { kernel: "k".into(), verdict, reason: "panic".into(), console: String::new() }
    }

    fn both(verdict: Verdict) -> Vec<(String, Verdict)> {
        vec![("s/a".into(), verdict), ("s/b".into(), verdict)]
    }

    #[test]
    fn a_finished_run_that_lost_cases_is_our_error() {
        assert_eq!(judged(&[finished(false)]), both(Verdict::Error));
    }

    #[test]
    fn what_a_killed_or_interrupted_run_did_not_reach_is_infrastructure() {
        assert_eq!(judged(&[]), both(Verdict::Infra));
        assert_eq!(judged(&[finished(true)]), both(Verdict::Infra));
    }

    #[test]
    fn a_kernel_that_failed_answers_for_its_cases() {
        assert_eq!(judged(&[failed(Verdict::Crash), finished(false)]), both(Verdict::Error));
        assert_eq!(judged(&[failed(Verdict::Infra), finished(false)]), both(Verdict::Infra));
    }

    #[test]
    fn begun_cases_count_even_when_no_plan_named_them() {
        let begun = Event::CaseStarted { kernel: "k".into(), case: "s/unplanned".into() };
        let missing = record(&[begun, finished(true)]).missing();
        assert_eq!(missing.len(), 3);
        assert_eq!(missing[2].reason, "begun, no answer: the run was interrupted");
    }
}
