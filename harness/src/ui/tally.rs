//! Where a run stands: what is planned, done and running. Fed by events; knows no clock and no terminal.

use gauntlet_results::{Event, Verdict};
use std::collections::BTreeMap;
use std::time::Duration;

/// A run so far. Times are since its start.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// In the order they were planned.
    pub(super) kernels: Vec<Kernel>,
    /// What runs now, and since when, by kernel and case.
    pub(super) running: BTreeMap<(String, String), Duration>,
    /// When the first case started.
    first_start: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) name: String,
    pub(super) planned: usize,
    /// How often each case runs.
    times: usize,
    pub(super) stage: Stage,
    pub(super) verdicts: BTreeMap<Verdict, usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Planned; fetched or booted next.
    Waiting,
    /// Cases run.
    Ready,
    /// It never came up, so nothing more comes from it.
    Failed(Verdict),
}

impl Tally {
    pub(super) fn apply(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Planned { kernel, cases, times } => {
                let kernel = self.kernel(kernel);
                kernel.times = (*times).max(1) as usize;
                kernel.planned = cases.len() * kernel.times;
            }
            Event::KernelReady(info) => self.kernel(&info.name).stage = Stage::Ready,
            Event::KernelFailed { kernel, verdict, .. } => {
                self.kernel(kernel).stage = Stage::Failed(*verdict)
            }
            Event::CaseStarted { kernel, case } => {
                self.first_start.get_or_insert(now);
                self.running.insert((kernel.clone(), case.clone()), now);
            }
            Event::CaseFinished(result) => {
                // What cannot run here is said once, however often it was to run.
                let once = result.repetitions.is_empty();
                let times = if once { self.kernel(&result.kernel).times } else { 1 };
                self.finished(&result.kernel, &result.case, (result.verdict, times));
            }
            Event::WorkloadFinished(result) => {
                self.finished(&result.kernel, &result.workload, (result.verdict, 1));
            }
            Event::RunStarted(_)
            | Event::Found(_)
            | Event::Note { .. }
            | Event::Progress { .. }
            | Event::RunFinished { .. } => {}
        }
    }

    fn finished(&mut self, kernel: &str, case: &str, (verdict, times): (Verdict, usize)) {
        self.running.remove(&(kernel.to_owned(), case.to_owned()));
        *self.kernel(kernel).verdicts.entry(verdict).or_default() += times;
    }

    fn kernel(&mut self, name: &str) -> &mut Kernel {
        let index = self.kernels.iter().position(|kernel| kernel.name == name).unwrap_or_else(|| {
            self.kernels.push(Kernel {
                name: name.to_owned(),
                planned: 0,
                times: 1,
                stage: Stage::Waiting,
                verdicts: BTreeMap::new(),
            });
            self.kernels.len() - 1
        });
        &mut self.kernels[index]
    }

    pub(super) fn planned(&self) -> usize {
        self.kernels.iter().map(Kernel::expected).sum()
    }

    pub(super) fn done(&self) -> usize {
        self.kernels.iter().map(Kernel::done).sum()
    }

    /// Results that make the run bad.
    pub(super) fn failures(&self) -> usize {
        self.kernels.iter().map(Kernel::failures).sum()
    }

    /// At the pace since the first case started; nothing before there is a pace.
    pub(super) fn time_left(&self, now: Duration) -> Option<Duration> {
        let (done, planned) = (self.done(), self.planned());
        if done < 3 || done >= planned {
            return None;
        }
        let per_case = now.saturating_sub(self.first_start?).div_f64(done as f64);
        Some(per_case.mul_f64((planned - done) as f64))
    }
}

impl Kernel {
    pub(super) fn done(&self) -> usize {
        self.verdicts.values().sum()
    }

    pub(super) fn failures(&self) -> usize {
        self.verdicts.iter().filter(|(verdict, _)| verdict.is_failure()).map(|(_, count)| count).sum()
    }

    pub(super) fn infra(&self) -> usize {
        self.verdicts.get(&Verdict::Infra).copied().unwrap_or_default()
    }

    /// How many results are still to be hoped for, with those that came.
    pub(super) fn expected(&self) -> usize {
        match self.stage {
            Stage::Failed(_) => self.done(),
            Stage::Waiting | Stage::Ready => self.planned.max(self.done()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{finished, planned, started};
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn cases_run_and_end() {
        let mut tally = Tally::default();
        tally.apply(&planned("a", 2), seconds(0));
        tally.apply(&started("a", "s/1"), seconds(1));
        assert_eq!((tally.running.len(), tally.done(), tally.planned()), (1, 0, 2));
        tally.apply(&finished("a", "s/1", Verdict::Fail, ""), seconds(2));
        assert_eq!((tally.running.len(), tally.done(), tally.failures()), (0, 1, 1));
    }

    #[test]
    fn the_time_left_follows_the_pace_of_cases_not_of_boots() {
        let mut tally = Tally::default();
        tally.apply(&planned("a", 6), seconds(0));
        tally.apply(&started("a", "s/0"), seconds(100));
        for case in ["s/0", "s/1", "s/2"] {
            assert_eq!(tally.time_left(seconds(103)), None);
            tally.apply(&finished("a", case, Verdict::Pass, ""), seconds(103));
        }
        assert_eq!(tally.time_left(seconds(103)), Some(seconds(3)));
    }

    #[test]
    fn what_is_skipped_is_done_however_often_it_was_to_run() {
        let mut tally = Tally::default();
        let cases = ["s/1", "s/2"].map(str::to_owned).to_vec();
        tally.apply(&Event::Planned { kernel: "a".to_owned(), cases, times: 3 }, seconds(0));
        tally.apply(&finished("a", "s/1", Verdict::Skip, "no"), seconds(1));
        assert_eq!((tally.done(), tally.planned()), (3, 6));
    }

    #[test]
    fn a_kernel_that_never_came_up_is_not_waited_for() {
        let mut tally = Tally::default();
        tally.apply(&planned("a", 50), seconds(0));
        let failed = Event::KernelFailed {
            kernel: "a".to_owned(),
            verdict: Verdict::Infra,
            reason: "boot hung".to_owned(),
            console: String::new(),
        };
        tally.apply(&failed, seconds(9));
        assert_eq!(tally.planned(), 0);
    }

    #[test]
    fn a_retried_case_counts_once() {
        let mut tally = Tally::default();
        tally.apply(&planned("a", 1), seconds(0));
        tally.apply(&started("a", "s/1"), seconds(1));
        tally.apply(&started("a", "s/1"), seconds(2));
        tally.apply(&finished("a", "s/1", Verdict::Pass, ""), seconds(3));
        assert_eq!((tally.running.len(), tally.done()), (0, 1));
    }
}
