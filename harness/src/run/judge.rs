//! What an answer means: evidence in, one verdict out. Pure.

use crate::crash::{self, Kind, Scan, Scanner, Splat};
use crate::session::{Answer, Death};
use gauntlet_guest::Complaint;
use gauntlet_protocol::{CaseReport, ChildExit, Outcome, Response};
use gauntlet_qemu::Ended;
use gauntlet_results::verdict::judge;
use gauntlet_results::{Evidence, Verdict};

/// Taint bits that mean the kernel complained (Documentation/admin-guide/tainted-kernels.rst). The others tell
/// which modules were loaded or what the user overrode.
const COMPLAINTS: &[(u64, &str)] = &[
    (1 << 4, "machine check"),
    (1 << 5, "bad page"),
    (1 << 7, "oops"),
    (1 << 9, "warning"),
    (1 << 14, "soft lockup"),
];

/// The taint bit of a soft lockup (Documentation/admin-guide/tainted-kernels.rst).
const SOFT_LOCKUP: u64 = 1 << 14;
/// Taint bits that a complaint which was provoked on purpose leaves: oops and warning.
const PROVOKED: u64 = 1 << 7 | 1 << 9;
/// The one that KASAN leaves: a bad page (mm/kasan/report.c, end_report).
const PROVOKED_KASAN: u64 = 1 << 5;

/// A judged case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub evidence: Evidence,
    pub splat: Option<String>,
}

/// The worst of: what the case said, how its process ended, a missing answer, splats, a change of taint.
pub fn judge_case(answer: &Answer) -> Judged {
    judge_provoking(answer, &[])
}

/// The same for a case that provokes complaints on purpose ([`gauntlet_guest::Case::splats`]): one of them must come,
/// and taints the kernel rightly. A case that provokes none is judged by everything.
pub fn judge_provoking(answer: &Answer, expected: &[Complaint]) -> Judged {
    let Scan { splats, oom_killed, .. } = scan(answer);
    let (provoked, splats): (Vec<Splat>, Vec<Splat>) =
        splats.into_iter().partition(|splat| is_expected(splat, expected));
    let mut evidence: Vec<Evidence> = splats.iter().map(|splat| splat_evidence(splat, answer)).collect();
    match &answer.response {
        Ok(Response::Case(report)) => {
            let stalled = splats.iter().any(|splat| splat.kind.is_stall()) && was_starved(answer);
            let forgiven = left_by(&provoked) | if stalled { SOFT_LOCKUP } else { 0 };
            evidence.extend(memory_evidence(report, &oom_killed));
            evidence.extend(report_evidence(report, answer, forgiven));
            if report.outcome == Outcome::Pass && provoked.is_empty() && !expected.is_empty() {
                let titles: Vec<&str> = expected.iter().map(|complaint| complaint.title).collect();
                let reason = format!("the kernel did not complain, as it must: {}", titles.join(" or "));
                evidence.push(Evidence::new(Verdict::Fail, reason));
            }
        }
        Err(Death::Ended(Ended::Reset)) if provoked.iter().any(|splat| ends_well(splat, expected)) => {
            evidence.push(Evidence::new(Verdict::Pass, ""));
        }
        Ok(Response::Refused { reason }) => {
            evidence.push(Evidence::new(Verdict::Infra, format!("the agent could not do it: {reason}")));
        }
        Ok(other) => {
            evidence
                .push(Evidence::new(Verdict::Infra, format!("the agent answered something else: {other:?}")));
        }
        Err(death) => evidence.push(death_evidence(death, answer, &splats)),
    }
    evidence.extend(answer.afterwards.iter().map(|death| afterwards_evidence(death, answer, &splats)));
    let splat = splats.first().map(|splat| splat.title.clone());
    // A splat explains a crash better than the reset that followed it: the first of equals counts.
    let worst = judge(&evidence).verdict;
    let evidence = evidence.into_iter().find(|one| one.verdict == worst).unwrap_or_else(|| judge(&[]));
    Judged { evidence, splat }
}

/// What speaks against the kernel or the host in an answer that is not a case's: splats and deaths.
pub fn judge_death(answer: &Answer) -> Option<Evidence> {
    let splats = crash::scan(&answer.console.bytes());
    let mut evidence: Vec<Evidence> = splats.iter().map(|splat| splat_evidence(splat, answer)).collect();
    if let Err(death) = &answer.response {
        evidence.push(death_evidence(death, answer, &splats));
    }
    let worst = evidence.iter().map(|one| one.verdict).max()?;
    evidence.into_iter().find(|one| one.verdict == worst)
}

fn scan(answer: &Answer) -> Scan {
    let mut scanner = Scanner::default();
    scanner.push(&answer.console.bytes());
    scanner.finish()
}

fn is_expected(splat: &Splat, expected: &[Complaint]) -> bool {
    let passes = |function: &str| splat.stack.iter().any(|frame| frame.function == function);
    expected
        .iter()
        .any(|complaint| splat.title.starts_with(complaint.title) && complaint.through.is_none_or(passes))
}

/// Taint bits that these complaints leave rightly.
fn left_by(provoked: &[Splat]) -> u64 {
    let kasan = provoked.iter().any(|splat| splat.title.starts_with("KASAN:"));
    let any = if provoked.is_empty() { 0 } else { PROVOKED };
    any | if kasan { PROVOKED_KASAN } else { 0 }
}

/// Whether a machine that this complaint ended did what the case promised.
fn ends_well(splat: &Splat, expected: &[Complaint]) -> bool {
    let may_end = |complaint: &Complaint| complaint.may_end && splat.title.starts_with(complaint.title);
    splat.kind == Kind::Panic && expected.iter().any(may_end)
}

/// PID 1 dying makes the kernel panic, but it is the agent that died, not the kernel.
const AGENT_DIED: &str = "Attempted to kill init";

fn splat_evidence(splat: &Splat, answer: &Answer) -> Evidence {
    if splat.title.contains(AGENT_DIED) {
        return Evidence::new(Verdict::Error, "the agent (PID 1) died");
    }
    // A watchdog of the guest's cannot tell a CPU that hangs from one that the host did not run.
    if splat.kind.is_stall() && was_starved(answer) {
        return Evidence::new(
            Verdict::Infra,
            format!("{}, while the host was too busy to run it", splat.title),
        );
    }
    Evidence::new(Verdict::Crash, splat.title.clone())
}

fn report_evidence(report: &CaseReport, answer: &Answer, forgiven: u64) -> Vec<Evidence> {
    let mut evidence = vec![outcome_evidence(report, answer)];
    let new_taint = report.taint_after & !report.taint_before & !forgiven;
    for (bit, name) in COMPLAINTS {
        if new_taint & bit != 0 {
            evidence.push(Evidence::new(Verdict::Crash, format!("the kernel became tainted: {name}")));
        }
    }
    evidence
}

/// What killed a case that said nothing, when the kernel tells.
fn memory_evidence(report: &CaseReport, oom_killed: &[String]) -> Option<Evidence> {
    let killed = matches!(report.outcome, Outcome::Broken { .. })
        && report.exit == ChildExit::Signaled(libc::SIGKILL)
        && !oom_killed.is_empty();
    let reason = "the kernel killed the case because the machine ran out of memory";
    killed.then(|| Evidence::new(Verdict::Error, reason))
}

fn outcome_evidence(report: &CaseReport, answer: &Answer) -> Evidence {
    match (&report.outcome, report.exit) {
        (Outcome::Pass, ChildExit::Exited(0)) => Evidence::new(Verdict::Pass, ""),
        (Outcome::Pass, exit) => {
            Evidence::new(Verdict::Error, format!("the case said it passed and then ended badly: {exit:?}"))
        }
        (Outcome::Fail { message }, _) => Evidence::new(Verdict::Fail, message.clone()),
        (Outcome::Skip { cause }, _) => Evidence::new(Verdict::Skip, cause.clone()),
        (Outcome::Broken { .. }, ChildExit::Deadline) if was_starved(answer) => {
            Evidence::new(Verdict::Infra, "the host was too busy to run the machine")
        }
        (Outcome::Broken { .. }, ChildExit::Deadline) => {
            let seconds = report.duration_ns / 1_000_000_000;
            Evidence::new(Verdict::Timeout, format!("the case did not end within {seconds} s"))
        }
        (Outcome::Broken { reason }, _) => Evidence::new(Verdict::Error, reason.clone()),
    }
}

/// Whether the machine waited for a CPU of the host for a quarter of the time or more, and so could not run for
/// as long as it should have.
fn was_starved(answer: &Answer) -> bool {
    let served = answer.elapsed.saturating_sub(answer.starved);
    answer.starved * 4 >= answer.elapsed && served < answer.required
}

/// The same of a machine that had answered; only what cannot be said of both is another.
fn afterwards_evidence(death: &Death, answer: &Answer, splats: &[Splat]) -> Evidence {
    match death {
        Death::Ended(Ended::PoweredOff) => {
            Evidence::new(Verdict::Error, "the guest switched itself off after the case had passed")
        }
        _ => death_evidence(death, answer, splats),
    }
}

fn death_evidence(death: &Death, answer: &Answer, splats: &[Splat]) -> Evidence {
    let doing = answer.flight.as_ref().and_then(|flight| flight.phase).map_or("", |phase| phase.as_str());
    match death {
        Death::Ended(Ended::PoweredOff) => {
            Evidence::new(Verdict::Error, "the guest switched itself off before it answered")
        }
        Death::Ended(Ended::Reset) if splats.iter().any(|splat| splat.title.contains(AGENT_DIED)) => {
            Evidence::new(Verdict::Error, "the agent (PID 1) died")
        }
        Death::Ended(Ended::Reset) if splats.is_empty() => {
            Evidence::new(Verdict::Crash, "the machine reset without a word (a triple fault or a reboot)")
        }
        Death::Ended(Ended::Reset) => Evidence::new(Verdict::Crash, "the machine reset"),
        Death::Ended(Ended::Qemu { exit, stderr }) => {
            let why = stderr.clone().unwrap_or_else(|| exit.to_string());
            Evidence::new(Verdict::Infra, format!("QEMU ended by itself: {why}"))
        }
        Death::Silent { .. } if was_starved(answer) => {
            Evidence::new(Verdict::Infra, "the host was too busy to run the machine")
        }
        Death::Silent { waited } => {
            let seconds = waited.as_secs();
            Evidence::new(
                Verdict::Timeout,
                format!("the guest went silent while {doing}; waited {seconds} s"),
            )
        }
        Death::QemuStuck { waited } => {
            Evidence::new(Verdict::Infra, format!("QEMU stopped answering; waited {} s", waited.as_secs()))
        }
        Death::Flooded { bytes } => {
            Evidence::new(Verdict::Fail, format!("flooded the console with more than {} MB", bytes >> 20))
        }
        Death::Garbage(what) => Evidence::new(Verdict::Error, format!("the guest wrote garbage: {what}")),
        Death::Host(what) => Evidence::new(Verdict::Infra, what.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::ConsoleLog;
    use gauntlet_qemu::process::Exit;
    use std::time::Duration;

    fn answer(response: Result<Response, Death>, console: &str) -> Answer {
        let mut log = ConsoleLog::default();
        log.push(console.as_bytes());
        Answer {
            response,
            console: log,
            flight: None,
            elapsed: Duration::from_secs(1),
            starved: Duration::ZERO,
            required: Duration::from_secs(1),
            afterwards: None,
        }
    }

    fn report(outcome: Outcome, exit: ChildExit) -> CaseReport {
        CaseReport {
            outcome,
            exit,
            taint_before: 0,
            taint_after: 0,
            duration_ns: 30_000_000_000,
            output: String::new(),
        }
    }

    fn verdict_of(response: Result<Response, Death>, console: &str) -> Verdict {
        judge_case(&answer(response, console)).evidence.verdict
    }

    #[test]
    fn a_plain_pass_is_a_pass_and_nothing_less_is() {
        let passed = || Response::Case(report(Outcome::Pass, ChildExit::Exited(0)));
        assert_eq!(verdict_of(Ok(passed()), ""), Verdict::Pass);
        let killed = Response::Case(report(Outcome::Pass, ChildExit::Signaled(11)));
        assert_eq!(verdict_of(Ok(killed), ""), Verdict::Error);
        let splat = "[    1.000000] WARNING: CPU: 0 PID: 1 at mm/memfd.c:10 foo+0x1/0x2\n";
        assert_eq!(verdict_of(Ok(passed()), splat), Verdict::Crash);
    }

    /// Of a case and of a command, which `judge_death` is for.
    #[test]
    fn a_complaint_is_the_same_crash_whoever_met_it() {
        for (console, title) in [
            (
                include_str!("../../tests/data/consoles/kasan-6.x-slab-use-after-free.txt"),
                "KASAN: slab-use-after-free Read in sock_queue_drop",
            ),
            (
                include_str!("../../tests/data/consoles/lockdep-circular.txt"),
                "possible deadlock in bar_freeze",
            ),
        ] {
            let passed = Response::Case(report(Outcome::Pass, ChildExit::Exited(0)));
            let answer = answer(Ok(passed), console);
            let crash = Evidence::new(Verdict::Crash, title);
            assert_eq!(judge_case(&answer).evidence, crash);
            assert_eq!(judge_death(&answer), Some(crash));
        }
    }

    #[test]
    fn a_pass_does_not_outlast_its_machine() {
        let passed = || Response::Case(report(Outcome::Pass, ChildExit::Exited(0)));
        let after = |ended| Answer { afterwards: Some(Death::Ended(ended)), ..answer(Ok(passed()), "") };
        let verdict = |ended| judge_case(&after(ended)).evidence.verdict;
        assert_eq!(verdict(Ended::Reset), Verdict::Crash);
        assert_eq!(verdict(Ended::PoweredOff), Verdict::Error);
        let exit = Exit { code: None, signal: Some(9) };
        assert_eq!(verdict(Ended::Qemu { exit, stderr: None }), Verdict::Infra);
    }

    #[test]
    fn a_new_complaint_in_the_taint_outweighs_a_pass_but_a_loaded_module_does_not() {
        let tainted = |after| {
            Response::Case(CaseReport { taint_after: after, ..report(Outcome::Pass, ChildExit::Exited(0)) })
        };
        assert_eq!(verdict_of(Ok(tainted(1 << 9)), ""), Verdict::Crash);
        assert_eq!(verdict_of(Ok(tainted(1 << 13)), ""), Verdict::Pass);
    }

    #[test]
    fn a_case_that_ran_out_of_memory_is_told_so() {
        let killed = Outcome::Broken { reason: "the case was killed by signal 9".into() };
        let answered = || Ok(Response::Case(report(killed.clone(), ChildExit::Signaled(9))));
        let console = "[    5.000000] Out of memory: Killed process 77 (init) total-vm:9kB, anon-rss:1kB\n";
        let told = judge_case(&answer(answered(), console)).evidence;
        assert_eq!(told.verdict, Verdict::Error);
        assert!(told.reason.contains("out of memory"), "{told:?}");
        assert!(judge_case(&answer(answered(), "")).evidence.reason.contains("signal 9"));
        let passed = Response::Case(report(Outcome::Pass, ChildExit::Exited(0)));
        assert_eq!(verdict_of(Ok(passed), console), Verdict::Pass, "a child of the case may be killed so");
    }

    #[test]
    fn infrastructure_is_never_held_against_the_kernel() {
        let exit = Exit { code: None, signal: Some(9) };
        assert_eq!(verdict_of(Err(Death::Ended(Ended::Qemu { exit, stderr: None })), ""), Verdict::Infra);
        assert_eq!(verdict_of(Err(Death::QemuStuck { waited: Duration::from_secs(9) }), ""), Verdict::Infra);
        let mut starved = answer(Err(Death::Silent { waited: Duration::from_secs(1) }), "");
        assert_eq!(judge_case(&starved).evidence.verdict, Verdict::Timeout);
        starved.starved = Duration::from_millis(400);
        assert_eq!(judge_case(&starved).evidence.verdict, Verdict::Infra);
    }

    #[test]
    fn a_deadline_is_a_timeout_and_an_unsaid_end_an_error() {
        let broken = |exit| Response::Case(report(Outcome::Broken { reason: "nothing said".into() }, exit));
        assert_eq!(verdict_of(Ok(broken(ChildExit::Deadline)), ""), Verdict::Timeout);
        assert_eq!(verdict_of(Ok(broken(ChildExit::Exited(0))), ""), Verdict::Error);
    }

    #[test]
    fn a_stall_on_a_starved_host_is_no_kernels_fault() {
        let stall = "[   30.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [case:77]\n";
        let tainted = CaseReport { taint_after: SOFT_LOCKUP, ..report(Outcome::Pass, ChildExit::Exited(0)) };
        let mut stalled = answer(Ok(Response::Case(tainted)), stall);
        assert_eq!(judge_case(&stalled).evidence.verdict, Verdict::Crash);
        stalled.starved = stalled.elapsed;
        let judged = judge_case(&stalled);
        assert_eq!(judged.evidence.verdict, Verdict::Infra, "{}", judged.evidence.reason);
    }

    #[test]
    fn a_reset_without_a_word_is_a_crash_and_a_power_off_is_the_cases_fault() {
        assert_eq!(verdict_of(Err(Death::Ended(Ended::Reset)), ""), Verdict::Crash);
        assert_eq!(verdict_of(Err(Death::Ended(Ended::PoweredOff)), ""), Verdict::Error);
    }

    #[test]
    fn the_splat_names_the_crash_not_the_reset_that_followed() {
        let judged = judge_case(&answer(
            Err(Death::Ended(Ended::Reset)),
            "[    1.000000] Kernel panic - not syncing: sysrq\n",
        ));
        assert!(judged.evidence.reason.contains("panic"), "{judged:?}");
        assert!(judged.splat.is_some());
    }

    /// What lkdtm's EXEC_DATA looks like on a sound 6.1 kernel, cut to what is read of it.
    const PROVOKED_OOPS: &str = "\
[    4.100000] lkdtm: Performing direct entry EXEC_DATA
[    4.100100] kernel tried to execute NX-protected page - exploit attempt? (uid: 0)
[    4.100200] BUG: unable to handle page fault for address: ffffffffc0a05000
[    4.100300] #PF: supervisor instruction fetch in kernel mode
[    4.100400] #PF: error_code(0x0011) - permissions violation
[    4.100500] Oops: 0011 [#1] PREEMPT SMP NOPTI
[    4.100600] CPU: 0 PID: 81 Comm: init Not tainted 6.1.0 #1
[    4.100700] RIP: 0010:data_area+0x0/0x40 [lkdtm]
[    4.100800] Call Trace:
[    4.100900]  <TASK>
[    4.101000]  execute_location+0x5c/0x6a [lkdtm]
[    4.101100]  lkdtm_do_action+0x1b/0x30 [lkdtm]
[    4.101200]  direct_entry+0xc8/0x140 [lkdtm]
[    4.101300]  full_proxy_write+0x5a/0x90
[    4.101400]  vfs_write+0xb8/0x3e0
[    4.101500]  </TASK>
[    4.101600] ---[ end trace 0000000000000000 ]---
";
    const BAD_ACCESS: &[Complaint] =
        &[Complaint { title: "BUG: unable to", through: Some("direct_entry"), may_end: true }];

    fn provoking(outcome: Outcome, console: &str, expected: &[Complaint]) -> Evidence {
        let tainted = CaseReport { taint_after: 1 << 7, ..report(outcome, ChildExit::Exited(0)) };
        judge_provoking(&answer(Ok(Response::Case(tainted)), console), expected).evidence
    }

    #[test]
    fn a_provoked_complaint_is_what_the_case_wants_and_nothing_else_is() {
        assert_eq!(provoking(Outcome::Pass, PROVOKED_OOPS, BAD_ACCESS).verdict, Verdict::Pass);
        assert_eq!(provoking(Outcome::Pass, PROVOKED_OOPS, &[]).verdict, Verdict::Crash);
        let elsewhere = PROVOKED_OOPS.replace("direct_entry", "other_entry");
        assert_eq!(provoking(Outcome::Pass, &elsewhere, BAD_ACCESS).verdict, Verdict::Crash);
        let more =
            format!("{PROVOKED_OOPS}[    5.000000] WARNING: CPU: 0 PID: 1 at mm/memfd.c:10 foo+0x1/0x2\n");
        assert_eq!(provoking(Outcome::Pass, &more, BAD_ACCESS).verdict, Verdict::Crash);
        let failed = Outcome::Fail { message: "nothing stopped it".into() };
        assert_eq!(provoking(failed, PROVOKED_OOPS, BAD_ACCESS).verdict, Verdict::Fail);
    }

    #[test]
    fn a_bad_page_is_kasans_to_leave_and_nobody_elses() {
        let kasan = "[    4.100000] BUG: KASAN: stack-out-of-bounds in lkdtm_CORRUPT_STACK+0x2e/0x30\n\
                     [    4.100100] Write of size 8 at addr ffffc9000021fc30 by task case/81\n";
        let expected = [Complaint { title: "KASAN: stack-out-of-bounds", through: None, may_end: true }];
        let judged = |console: &str, expected: &[Complaint]| {
            let passed = report(Outcome::Pass, ChildExit::Exited(0));
            let tainted = Response::Case(CaseReport { taint_after: 1 << 5, ..passed });
            judge_provoking(&answer(Ok(tainted), console), expected).evidence.verdict
        };
        assert_eq!(judged(kasan, &expected), Verdict::Pass);
        let tainted = CaseReport { taint_after: 1 << 5, ..report(Outcome::Pass, ChildExit::Exited(0)) };
        let oops = judge_provoking(&answer(Ok(Response::Case(tainted)), PROVOKED_OOPS), BAD_ACCESS);
        assert_eq!(oops.evidence.verdict, Verdict::Crash);
    }

    #[test]
    fn a_complaint_that_does_not_come_fails_a_case_that_passed_and_skips_stay_skips() {
        let silent = |outcome| {
            let report = Response::Case(report(outcome, ChildExit::Exited(0)));
            judge_provoking(&answer(Ok(report), ""), BAD_ACCESS).evidence
        };
        let missing = silent(Outcome::Pass);
        assert_eq!(missing.verdict, Verdict::Fail);
        assert!(missing.reason.contains("BUG: unable to"), "{}", missing.reason);
        assert_eq!(silent(Outcome::Skip { cause: "no such point".into() }).verdict, Verdict::Skip);
        let taint = CaseReport { taint_after: 1 << 9, ..report(Outcome::Pass, ChildExit::Exited(0)) };
        let taint = judge_provoking(&answer(Ok(Response::Case(taint)), ""), BAD_ACCESS).evidence;
        assert_eq!(taint.verdict, Verdict::Crash, "a taint without the complaint is none that was provoked");
    }

    #[test]
    fn a_panic_that_somebody_must_answer_after_ends_nothing_well() {
        let console = "[    1.000000] Kernel panic - not syncing: sysrq triggered crash\n";
        let title = "kernel panic: sysrq triggered crash";
        let expected = [Complaint { title, through: None, may_end: false }];
        let judged = |response| judge_provoking(&answer(response, console), &expected).evidence.verdict;
        assert_eq!(judged(Err(Death::Ended(Ended::Reset))), Verdict::Crash);
        let passed = report(Outcome::Pass, ChildExit::Exited(0));
        assert_eq!(judged(Ok(Response::Case(passed))), Verdict::Pass);
    }

    #[test]
    fn a_provoked_panic_may_end_the_machine_and_another_may_not() {
        let panic = |what: &str| format!("[    1.000000] Kernel panic - not syncing: {what}\n");
        let reset = |console: &str| {
            let expected =
                [Complaint { title: "kernel panic: stack is corrupted in", through: None, may_end: true }];
            judge_provoking(&answer(Err(Death::Ended(Ended::Reset)), console), &expected).evidence.verdict
        };
        let stack = "stack-protector: Kernel stack is corrupted in: lkdtm_CORRUPT_STACK+0x2e/0x30 [lkdtm]";
        assert_eq!(reset(&panic(stack)), Verdict::Pass);
        assert_eq!(reset(&panic("Fatal exception")), Verdict::Crash);
        assert_eq!(reset(""), Verdict::Crash);
    }
}
