//! From a program's output and end to verdicts. The exit codes are read here, not by the tree's runner: what a runner
//! makes of them changed over the years. Pure.

use super::{ktap, plain};
use crate::run::exec::ExecOutcome;
use gauntlet_results::{Evidence, Verdict};

/// One verdict of a program: of a test in it, or (without a name) its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Without the program's name; empty for the program itself, which comes last.
    pub test: String,
    pub verdict: Verdict,
    pub reason: String,
}

/// What a program reported: its tests, then itself, worst of its end, its plan and its tests.
pub fn judge(output: &str, outcome: &ExecOutcome) -> Vec<Judged> {
    let report = ktap::parse(output);
    let mut tests: Vec<Judged> = report
        .tests
        .iter()
        .map(|test| Judged { test: test.name.clone(), verdict: test.verdict, reason: reason(test) })
        .collect();
    if tests.is_empty() && report.skipped.is_none() {
        let plain = plain::parse(output).into_iter();
        tests.extend(plain.map(|(test, verdict)| Judged {
            test,
            verdict,
            reason: match verdict {
                Verdict::Skip => "the test says that it is not supported here".to_owned(),
                _ => verdict_in_words(verdict),
            },
        }));
    }
    let mut evidence = vec![ending(outcome, output)];
    evidence.extend(report.bail_out.map(|why| Evidence::new(Verdict::Fail, format!("gave up: {why}"))));
    evidence.extend(report.skipped.map(|why| Evidence::new(Verdict::Skip, cause(&why))));
    evidence.extend(worst_test(&tests));
    // Of equals the last, which says most.
    let own = evidence.into_iter().max_by_key(|one| one.verdict).expect("it has ended");
    tests.push(Judged { test: String::new(), verdict: own.verdict, reason: own.reason });
    tests
}

fn reason(test: &ktap::Test) -> String {
    match test.verdict {
        Verdict::Pass => String::new(),
        Verdict::Skip => cause(&test.reason),
        _ if test.reason.is_empty() => verdict_in_words(test.verdict),
        _ => test.reason.clone(),
    }
}

fn cause(why: &str) -> String {
    if why.is_empty() { "the test says no cause".to_owned() } else { why.to_owned() }
}

fn verdict_in_words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Pass => String::new(),
        Verdict::Skip => cause(""),
        _ => "the test says so; its output tells".to_owned(),
    }
}

/// kselftest.h: 0 pass, 1 fail, 2 expected failure, 3 unexpected pass, 4 skip.
fn ending(outcome: &ExecOutcome, output: &str) -> Evidence {
    match outcome {
        ExecOutcome::Exited(0) => Evidence::new(Verdict::Pass, ""),
        ExecOutcome::Exited(2) => Evidence::new(Verdict::Xfail, "an expected failure"),
        ExecOutcome::Exited(3) => Evidence::new(Verdict::Fail, "passed although it is expected to fail"),
        ExecOutcome::Exited(4) => {
            Evidence::new(Verdict::Skip, "the program skipped itself; its output tells")
        }
        ExecOutcome::Exited(code @ (126 | 127)) => {
            Evidence::new(Verdict::Error, format!("exit status {code}: {}", missing_program(output)))
        }
        ExecOutcome::Exited(code) => Evidence::new(Verdict::Fail, format!("exit status {code}")),
        ExecOutcome::Signaled(signal) => Evidence::new(Verdict::Fail, format!("killed by signal {signal}")),
        ExecOutcome::TimedOut => Evidence::new(Verdict::Timeout, "did not end within its deadline"),
        ExecOutcome::Kernel(evidence) => evidence.clone(),
        ExecOutcome::Infra(why) => Evidence::new(Verdict::Infra, why.clone()),
    }
}

/// `run_fuse_test.sh: 14: fusermount: not found`
fn missing_program(output: &str) -> &str {
    let says = |line: &&str| line.ends_with(": not found") || line.ends_with(": command not found");
    output.lines().rev().find(says).unwrap_or("a program it needs is not there")
}

/// Failures among the tests make the program fail; tests that were all skipped make it skipped.
fn worst_test(tests: &[Judged]) -> Option<Evidence> {
    let failed: Vec<&str> =
        tests.iter().filter(|test| test.verdict.is_failure()).map(|test| test.test.as_str()).collect();
    let worst = tests.iter().map(|test| test.verdict).max()?;
    if !failed.is_empty() {
        let named = failed.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let more = if failed.len() > 3 { ", …" } else { "" };
        return Some(Evidence::new(
            worst,
            format!("{} of {} tests: {named}{more}", failed.len(), tests.len()),
        ));
    }
    let all = tests.iter().all(|test| test.verdict == Verdict::Skip);
    all.then(|| Evidence::new(Verdict::Skip, format!("all of its {} tests were skipped", tests.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(output: &str, outcome: &ExecOutcome) -> (Verdict, String) {
        let last = judge(output, outcome).pop().unwrap();
        assert!(last.test.is_empty());
        (last.verdict, last.reason)
    }

    #[test]
    fn exit_codes_mean_what_kselftest_says() {
        let verdict = |code| own("", &ExecOutcome::Exited(code)).0;
        assert_eq!(
            [0, 1, 2, 3, 4].map(verdict),
            [Verdict::Pass, Verdict::Fail, Verdict::Xfail, Verdict::Fail, Verdict::Skip]
        );
        assert_eq!(own("", &ExecOutcome::TimedOut).0, Verdict::Timeout);
        assert_eq!(own("", &ExecOutcome::Exited(127)).0, Verdict::Error);
        let (_, reason) = own("x\nrun.sh: 14: fusermount: not found\n", &ExecOutcome::Exited(127));
        assert_eq!(reason, "exit status 127: run.sh: 14: fusermount: not found");
    }

    #[test]
    fn a_good_exit_does_not_hide_a_bad_test_nor_a_missing_one() {
        let (verdict, reason) = own("1..2\nok 1 a\nnot ok 2 b\n", &ExecOutcome::Exited(0));
        assert_eq!((verdict, reason.as_str()), (Verdict::Fail, "1 of 2 tests: b"));
        assert_eq!(own("1..2\nok 1 a\n", &ExecOutcome::Exited(0)).0, Verdict::Error);
        assert_eq!(own("1..1\nok 1 a\n", &ExecOutcome::Exited(1)), (Verdict::Fail, "exit status 1".into()));
    }

    #[test]
    fn a_crash_outweighs_what_was_said() {
        let crash = ExecOutcome::Kernel(Evidence::new(Verdict::Crash, "BUG"));
        assert_eq!(own("1..1\nok 1 a\n", &crash), (Verdict::Crash, "BUG".into()));
    }

    #[test]
    fn infrastructure_is_infrastructure() {
        assert_eq!(own("", &ExecOutcome::Infra("no disk".into())).0, Verdict::Infra);
    }

    #[test]
    fn skips_carry_their_cause() {
        let all = judge("TAP version 13\n1..0 # SKIP not root\n", &ExecOutcome::Exited(4));
        assert_eq!((all[0].verdict, all[0].reason.as_str()), (Verdict::Skip, "not root"));
        let (verdict, reason) = own("ok 1 # SKIP a\nok 2 b # SKIP\n", &ExecOutcome::Exited(0));
        assert_eq!((verdict, reason.as_str()), (Verdict::Skip, "all of its 2 tests were skipped"));
    }

    #[test]
    fn programs_without_ktap_are_read_too() {
        let all = judge("TEST: a ... ok\nTEST: b ... not ok\n", &ExecOutcome::Exited(1));
        assert_eq!(all.len(), 3);
        assert_eq!((all[1].test.as_str(), all[1].verdict), ("b", Verdict::Fail));
    }
}
