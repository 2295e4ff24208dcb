//! Every injected fault has its one right verdict.

use crate::support::{fast, fault, judge, policy, ready};
use gauntlet::run::case::{CasePolicy, answer_case, run_case};
use gauntlet::run::judge::judge_case;
use gauntlet::session::{Death, GuestOptions};
use gauntlet_protocol::{CaseRequest, Request};
use gauntlet_results::Verdict;
use std::time::Duration;

/// Fault, verdict, and a part of the reason a person reads.
const EXPECTED: &[(&str, Verdict, &str)] = &[
    ("passes", Verdict::Pass, ""),
    ("fails", Verdict::Fail, "as asked"),
    ("skips", Verdict::Skip, "as asked"),
    ("panics_the_kernel", Verdict::Crash, "sysrq"),
    ("resets_by_triple_fault", Verdict::Crash, "reset without a word"),
    ("powers_off", Verdict::Error, "switched itself off"),
    ("oopses", Verdict::Crash, "NULL pointer"),
    ("warns", Verdict::Crash, "fault_warns"),
    ("provokes_a_panic", Verdict::Pass, ""),
    ("provokes_a_warning", Verdict::Pass, ""),
    ("provokes_another_complaint_than_it_says", Verdict::Crash, "fault_warns"),
    ("provokes_nothing_of_what_it_says", Verdict::Fail, "did not complain"),
    ("taints_silently", Verdict::Crash, "tainted: warning"),
    ("exits_silently", Verdict::Error, "said nothing"),
    ("kills_itself", Verdict::Error, "signal 9"),
    ("kills_the_agent", Verdict::Error, "PID 1"),
    ("daemonises_and_passes", Verdict::Pass, ""),
    ("fills_the_region_with_garbage", Verdict::Error, "garbage"),
    ("finds_its_module_loaded", Verdict::Pass, ""),
    ("loads_its_module_itself", Verdict::Pass, ""),
    ("needs_a_module_that_is_not_there", Verdict::Skip, "has no module `no_such_module`"),
    (
        "oopses_for_real",
        Verdict::Crash,
        "BUG: unable to handle kernel NULL pointer dereference in init_module",
    ),
    ("hits_a_bug", Verdict::Crash, "kernel BUG in init_module"),
    ("warns_once_twice", Verdict::Crash, "WARNING in init_module"),
    ("triple_faults_for_real", Verdict::Crash, "reset without a word"),
    ("claims_a_pass_and_crashes", Verdict::Crash, "sysrq"),
    ("claims_a_pass_and_dies", Verdict::Error, "passed and then ended badly"),
    ("warns_and_skips", Verdict::Crash, "fault_warns"),
    ("kills_its_session", Verdict::Error, "signal 9"),
    ("kills_every_process", Verdict::Pass, ""),
    ("closes_every_descriptor", Verdict::Pass, ""),
    ("fills_the_disk", Verdict::Pass, ""),
    ("fills_every_filesystem", Verdict::Pass, ""),
    ("remounts_everything_read_only", Verdict::Pass, ""),
    ("hides_the_taint", Verdict::Crash, "tainted: warning"),
    ("unloads_modules", Verdict::Pass, ""),
    ("sets_the_clock_to_2050", Verdict::Pass, ""),
    ("eats_all_memory", Verdict::Error, "out of memory"),
    ("starves_the_agent_of_memory", Verdict::Crash, "memory"),
];

/// What ends at the deadline: each waits for it.
const ENDLESS: &[(&str, Verdict, &str)] = &[
    ("hangs", Verdict::Timeout, "did not end within"),
    ("loops_with_interrupts_off", Verdict::Timeout, "went silent"),
    ("lets_the_clock_jump", Verdict::Timeout, "did not end within"),
    ("freezes_its_cgroup", Verdict::Timeout, "did not end within"),
];

/// More of them, with `GAUNTLET_SLOW=1`.
const ENDLESS_SLOW: &[(&str, Verdict, &str)] = &[
    ("halts_with_interrupts_off", Verdict::Timeout, "went silent"),
    ("freezes_the_agent", Verdict::Timeout, "went silent"),
];

/// What the kernel's watchdogs find after some seconds, with `GAUNTLET_SLOW=1`.
const WATCHED_SLOW: &[(&str, Verdict, &str)] = &[
    ("locks_up_softly", Verdict::Crash, "BUG: soft lockup in"),
    ("stalls_rcu", Verdict::Crash, "INFO: rcu detected stall"),
    ("hangs_a_task", Verdict::Crash, "INFO: task hung in"),
];

/// Runs each and says which were judged otherwise. A host too busy to tell says so, and is asked again.
async fn judge_all(faults: &[(&str, Verdict, &str)], deadline: Duration) {
    let Some(ready) = ready(fast()).await else { return };
    let patient = CasePolicy { retries: 4, ..policy(deadline) };
    let mut wrong = Vec::new();
    for (name, verdict, reason) in faults {
        let result = run_case(&ready.session, "kernel", &fault(name), &patient).await;
        println!("{name}: {} {:?} in {} ms", result.verdict, result.reason, result.duration_ms);
        if result.verdict != *verdict || !result.reason.contains(reason) {
            wrong.push(format!(
                "{name}: {} {:?}, expected {verdict} …{reason}…",
                result.verdict, result.reason
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_fault_of_a_guest_has_its_one_right_verdict() {
    judge_all(EXPECTED, Duration::from_secs(20)).await;
}

#[tokio::test]
async fn what_does_not_end_is_a_timeout() {
    judge_all(ENDLESS, Duration::from_secs(1)).await;
}

#[tokio::test]
async fn what_only_watchdogs_or_patience_tell_is_judged_rightly() {
    if std::env::var_os("GAUNTLET_SLOW").is_none() {
        eprintln!("SKIPPED: takes a minute; set GAUNTLET_SLOW=1");
        return;
    }
    judge_all(ENDLESS_SLOW, Duration::from_secs(1)).await;
    judge_all(WATCHED_SLOW, Duration::from_secs(4)).await;
}

#[tokio::test]
async fn every_fault_of_the_table_is_expected_here() {
    // The coin is flaky.rs's.
    let elsewhere = ["floods_the_console", "flips_a_coin", "crashes_when_it_has_ended"];
    for case in gauntlet_guest::faults::SUITE.cases {
        let here = [EXPECTED, ENDLESS, ENDLESS_SLOW, WATCHED_SLOW]
            .concat()
            .iter()
            .any(|(name, ..)| *name == case.name)
            || elsewhere.contains(&case.name);
        assert!(here, "fault {} has no expected verdict", case.name);
    }
}

/// The kernel says such a warning once: in every clone anew, and in one clone once.
#[tokio::test]
async fn a_warning_that_is_said_once_is_said_in_every_clone() {
    let Some(ready) = ready(fast()).await else { return };
    for _ in 0..2 {
        let result = judge(&ready.session, &fault("warns_once_twice"), Duration::from_secs(20)).await;
        assert_eq!(result.verdict, Verdict::Crash, "{}", result.reason);
        assert_eq!(gauntlet::crash::scan(result.console.as_bytes()).len(), 1, "{}", result.console);
    }
}

/// It comes a second after the answer: only a machine that lingers can tell.
#[tokio::test]
async fn a_crash_after_the_end_is_seen_by_who_lingers() {
    let Some(ready) = ready(fast()).await else { return };
    let late = fault("crashes_when_it_has_ended");
    let lingering = CasePolicy { linger: Duration::from_secs(60), ..policy(Duration::from_secs(20)) };
    let answered = answer_case(&ready.session, "kernel", &late, &lingering).await;
    assert!(answered.lingers());
    let result = answered.result().await;
    assert_eq!(result.verdict, Verdict::Crash, "{result:?}");
    assert!(result.reason.contains("too late"), "{}", result.reason);
    let sound = CasePolicy { linger: Duration::from_millis(100), ..lingering };
    let result = run_case(&ready.session, "kernel", &fault("passes"), &sound).await;
    assert_eq!(result.verdict, Verdict::Pass, "{result:?}");
}

#[tokio::test]
async fn a_flooded_console_is_cut_short() {
    let Some(ready) = ready(fast()).await else { return };
    let result = judge(&ready.session, &fault("floods_the_console"), Duration::from_secs(100)).await;
    assert_eq!(result.verdict, Verdict::Fail, "{result:?}");
    assert!(result.console.len() < 2 << 20, "{} bytes of console kept", result.console.len());
}

fn request(name: &str) -> Request {
    Request::Case(CaseRequest {
        name: format!("fault/{name}"),
        deadline_ms: 60_000,
        seed: 1,
        exact: false,
        files: vec![],
        modules: vec![],
    })
}

#[tokio::test]
async fn a_killed_qemu_is_our_trouble_not_the_kernels() {
    let Some(ready) = ready(fast()).await else { return };
    let mut guest = ready.session.guest(GuestOptions::default()).await.unwrap();
    signal_later(guest.process_id(), libc::SIGKILL);
    let answer = guest.request(&request("hangs"), Duration::from_secs(30)).await;
    assert_eq!(judge_case(&answer).evidence.verdict, Verdict::Infra, "{:?}", answer.response);
}

#[tokio::test]
async fn a_stopped_qemu_is_our_trouble_not_the_kernels() {
    let Some(ready) = ready(fast()).await else { return };
    let mut guest = ready.session.guest(GuestOptions::default()).await.unwrap();
    signal_later(guest.process_id(), libc::SIGSTOP);
    let answer = guest.request(&request("hangs"), Duration::from_secs(3)).await;
    assert!(matches!(answer.response, Err(Death::QemuStuck { .. })), "{:?}", answer.response);
    assert_eq!(judge_case(&answer).evidence.verdict, Verdict::Infra);
}

/// A guest that executes nothing looks, from outside, like one that loops with interrupts off.
#[tokio::test]
async fn a_silent_guest_in_a_healthy_qemu_is_a_timeout() {
    let Some(ready) = ready(fast()).await else { return };
    let mut guest = ready.session.guest(GuestOptions::default()).await.unwrap();
    guest.vm().resume().await.unwrap();
    guest.vm().pause().await.unwrap();
    let answer = guest.request_stopped(&request("hangs"), Duration::from_secs(2)).await;
    assert_eq!(judge_case(&answer).evidence.verdict, Verdict::Timeout, "{:?}", answer.response);
}

#[tokio::test]
async fn our_trouble_is_tried_again_and_said() {
    let Some(ready) = ready(fast()).await else { return };
    let retrying = CasePolicy { retries: 2, ..policy(Duration::from_secs(5)) };
    // An agent refuses a case it does not know: our mistake, whatever it is.
    let unknown = gauntlet::plan::PlannedCase { suite: &gauntlet_guest::faults::SUITE, case: &UNKNOWN };
    let result = run_case(&ready.session, "kernel", &unknown, &retrying).await;
    assert_eq!((result.verdict, result.attempts), (Verdict::Infra, 3), "{}", result.reason);
}

static UNKNOWN: gauntlet_guest::Case = gauntlet_guest::Case {
    name: "unknown_to_the_agent",
    cites: "-",
    needs: &[],
    files: &[],
    splats: &[],
    run: |_| Ok(()),
};

fn signal_later(process: u32, signal: i32) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        // SAFETY: a QEMU of ours; its guest runs for a minute yet.
        unsafe { libc::kill(process as i32, signal) };
    });
}
