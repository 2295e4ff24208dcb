//! What a run means to whoever called us.

use crate::{RunRecord, Verdict};

/// The exit code a run deserves: 0 good, 1 a kernel failed, 3 infrastructure trouble, 130 interrupted.
///
/// 130 wins, because scripts (`git bisect run` too) must stop when the user does; a failure wins over trouble
/// of ours; and a run that is not finished, or in which nothing was tried at all, is not good.
pub fn exit_code(record: &RunRecord) -> u8 {
    let mut verdicts = verdicts(record);
    match &record.end {
        Some(end) if end.interrupted => 130,
        _ if !record.findings.is_empty() || verdicts.clone().any(Verdict::is_failure) => 1,
        None => 3,
        Some(_) if record.kernels.is_empty() || verdicts.any(|verdict| verdict == Verdict::Infra) => 3,
        Some(_) => 0,
    }
}

fn verdicts(record: &RunRecord) -> impl Iterator<Item = Verdict> + Clone {
    let missing: Vec<Verdict> = record.missing().iter().map(|one| one.verdict).collect();
    (record.results.iter().map(|one| one.verdict))
        .chain(record.workloads.iter().map(|one| one.verdict))
        .chain(record.kernels.iter().filter_map(|kernel| Some(kernel.failure.as_ref()?.verdict)))
        .chain(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Finding, RunInfo};

    fn code(events: &[Event]) -> u8 {
        let mut record = RunRecord::new(RunInfo::default());
        events.iter().for_each(|event| record.apply(event));
        exit_code(&record)
    }

    fn planned(cases: &[&str]) -> Event {
        let cases = cases.iter().map(|case| (*case).to_owned()).collect();
        Event::Planned { kernel: "k".into(), cases, times: 1 }
    }

    fn failed(verdict: Verdict) -> Event {
        Event::KernelFailed { kernel: "k".into(), verdict, reason: String::new(), console: String::new() }
    }

    fn end(interrupted: bool) -> Event {
        Event::RunFinished { at: String::new(), interrupted }
    }

    #[test]
    fn good_is_only_what_was_tried_and_finished() {
        assert_eq!(code(&[planned(&[]), end(false)]), 0);
        assert_eq!(code(&[planned(&[])]), 3, "killed");
        assert_eq!(code(&[end(false)]), 3, "nothing tried");
        assert_eq!(code(&[planned(&["s/a"]), end(false)]), 1, "a lost case is an error");
    }

    #[test]
    fn failures_win_over_trouble_and_the_user_over_both() {
        assert_eq!(code(&[planned(&["s/a"]), failed(Verdict::Crash), end(false)]), 1);
        assert_eq!(code(&[planned(&["s/a"]), failed(Verdict::Infra), end(false)]), 3);
        assert_eq!(code(&[planned(&["s/a"]), failed(Verdict::Crash), end(true)]), 130);
        assert_eq!(code(&[planned(&["s/a"]), failed(Verdict::Crash)]), 1);
    }

    #[test]
    fn a_finding_fails_the_kernel() {
        let finding = Finding {
            kernel: "k".into(),
            title: "BUG".into(),
            program: String::new(),
            c_program: String::new(),
            console: String::new(),
            reproduced: 0,
            replays: 0,
        };
        assert_eq!(code(&[Event::Found(finding), end(false)]), 1);
    }
}
