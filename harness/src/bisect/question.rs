//! What is asked of each kernel, and what its answer means for the search.

use super::Outcome;
use crate::perf::measure::{MeasurePolicy, measure};
use crate::plan::PlannedCase;
use crate::run::case::{CasePolicy, run_case};
use crate::run::exec::{ExecOutcome, PackedCommand};
use crate::session::Session;
use gauntlet_results::{TestResult, Verdict};
use gauntlet_workloads::Workload;

/// Status of a command that cannot tell; as `git bisect run` has it.
const CANNOT_TELL: i32 = 125;

/// What tells old behaviour from new.
#[derive(Debug)]
pub enum Question {
    /// A case fails.
    Case { planned: PlannedCase, policy: CasePolicy },
    /// A workload's median lies nearer to the bad end's than to the good end's.
    Workload { workload: &'static Workload, policy: MeasurePolicy, border: f64, bad_is_larger: bool },
    /// A command's exit status is not zero.
    Command(Box<PackedCommand>),
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub outcome: Outcome,
    /// For people: the verdict, the figure, the status.
    pub said: String,
    /// Which failure it was; failures of another signature say nothing about the one searched for.
    pub signature: Option<String>,
}

impl Reply {
    fn new(outcome: Outcome, said: impl Into<String>) -> Reply {
        Reply { outcome, said: said.into(), signature: None }
    }

    fn failure(said: impl Into<String>, signature: impl Into<String>) -> Reply {
        Reply { outcome: Outcome::Fail, said: said.into(), signature: Some(signature.into()) }
    }

    /// Our own trouble.
    pub fn infra(why: impl Into<String>) -> Reply {
        Reply::new(Outcome::Infra, why)
    }

    /// There is no kernel to ask.
    pub fn unusable(outcome: Outcome, why: impl Into<String>) -> Reply {
        Reply::new(outcome, why)
    }
}

impl Question {
    /// Asks a fresh clone.
    pub async fn ask(&self, session: &Session) -> Reply {
        match self {
            Question::Case { planned, policy } => {
                of_result(&run_case(session, &session.kernel.name, planned, policy).await)
            }
            Question::Workload { workload, policy, border, bad_is_larger } => {
                match figure(session, workload, policy).await {
                    Ok(figure) => of_figure(figure, *border, *bad_is_larger),
                    Err(reply) => reply,
                }
            }
            Question::Command(command) => of_command(&command.execute(session, |_, _| {}).await.0),
        }
    }
}

fn of_result(result: &TestResult) -> Reply {
    let said = format!("{} {}", result.verdict, result.reason).trim_end().to_owned();
    match result.verdict {
        Verdict::Pass | Verdict::Xfail => Reply::new(Outcome::Pass, said),
        // A case that cannot run there says nothing about whether it would fail.
        Verdict::Skip => Reply::new(Outcome::BootFail, said),
        Verdict::Infra => Reply::infra(said),
        Verdict::Crash => Reply::failure(said, result.splat.clone().unwrap_or_else(|| "CRASH".to_owned())),
        Verdict::Error | Verdict::Fail | Verdict::Timeout => Reply::failure(said, result.verdict.as_str()),
    }
}

/// The median instructions per operation.
///
/// # Errors
/// The reply of a measurement that gave no figure.
pub async fn figure(session: &Session, workload: &Workload, policy: &MeasurePolicy) -> Result<f64, Reply> {
    let measured = measure(session, workload, policy, false).await;
    let said = format!("{} {}", measured.evidence.verdict, measured.evidence.reason);
    match measured.evidence.verdict {
        Verdict::Pass | Verdict::Xfail => median(measured.samples).ok_or_else(|| Reply::infra("no sample")),
        Verdict::Infra => Err(Reply::infra(said)),
        Verdict::Skip => Err(Reply::unusable(Outcome::BootFail, said)),
        Verdict::Error | Verdict::Fail | Verdict::Timeout | Verdict::Crash => {
            Err(Reply::unusable(Outcome::OtherFail, said))
        }
    }
}

fn median(mut samples: Vec<u64>) -> Option<f64> {
    samples.sort_unstable();
    samples.get(samples.len() / 2).map(|middle| *middle as f64)
}

fn of_figure(figure: f64, border: f64, bad_is_larger: bool) -> Reply {
    let said = format!("{figure} instructions per operation");
    match (figure > border) == bad_is_larger {
        true => Reply::failure(said, "figure"),
        false => Reply::new(Outcome::Pass, said),
    }
}

fn of_command(outcome: &ExecOutcome) -> Reply {
    match outcome {
        ExecOutcome::Exited(0) => Reply::new(Outcome::Pass, "status 0"),
        ExecOutcome::Exited(CANNOT_TELL) => Reply::unusable(Outcome::BootFail, "status 125: cannot tell"),
        ExecOutcome::Exited(code) => Reply::failure(format!("status {code}"), "status"),
        ExecOutcome::Signaled(signal) => Reply::failure(format!("killed by signal {signal}"), "status"),
        ExecOutcome::TimedOut => Reply::failure("timed out", "timeout"),
        ExecOutcome::Kernel(evidence) => Reply::failure(evidence.reason.clone(), evidence.reason.clone()),
        ExecOutcome::Infra(why) => Reply::infra(why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_means_what_git_bisect_run_means_by_it() {
        let outcome = |outcome| of_command(&outcome).outcome;
        assert_eq!(outcome(ExecOutcome::Exited(0)), Outcome::Pass);
        assert_eq!(outcome(ExecOutcome::Exited(1)), Outcome::Fail);
        assert_eq!(outcome(ExecOutcome::Exited(125)), Outcome::BootFail);
        assert_eq!(outcome(ExecOutcome::Infra("disk".into())), Outcome::Infra);
    }

    #[test]
    fn a_figure_falls_on_the_side_of_its_end() {
        assert_eq!(of_figure(120.0, 110.0, true).outcome, Outcome::Fail);
        assert_eq!(of_figure(100.0, 110.0, true).outcome, Outcome::Pass);
        assert_eq!(of_figure(100.0, 110.0, false).outcome, Outcome::Fail);
    }
}
