use super::*;
use crate::ui::Style;
use gauntlet_results::{Event, KernelInfo, RunInfo};

fn result(kernel: &str, workload: &str, medians: &[u64], functions: &[(&str, u64)]) -> WorkloadResult {
    WorkloadResult {
        kernel: kernel.to_owned(),
        workload: workload.to_owned(),
        verdict: if medians.is_empty() { Verdict::Skip } else { Verdict::Pass },
        reason: if medians.is_empty() { "missing syscall: frobnicate".to_owned() } else { String::new() },
        exact: true,
        seed: 1,
        unit: "instructions".to_owned(),
        samples: medians.iter().take(1).flat_map(|median| [*median; 10]).collect(),
        medians: medians.to_vec(),
        functions: functions.iter().map(|(name, each)| ((*name).to_owned(), each * 10)).collect(),
        duration_ms: 1,
    }
}

fn record(results: Vec<WorkloadResult>) -> RunRecord {
    let info = RunInfo {
        id: "20261123-124501-3f2a".to_owned(),
        verb: "perf".to_owned(),
        started: "2026-11-23T12:45:01Z".to_owned(),
        command: vec!["gauntlet".to_owned(), "perf".to_owned()],
        gauntlet_version: "0.1.0".to_owned(),
        host: "host".to_owned(),
        config_digest: String::new(),
    };
    let mut record = RunRecord::new(info);
    for name in ["old", "new"] {
        record.apply(&Event::KernelReady(KernelInfo {
            name: name.to_owned(),
            spec: name.to_owned(),
            release: name.to_owned(),
            build: String::new(),
            image_digest: String::new(),
            template: String::new(),
            machine: "tcg exact seed=1".to_owned(),
        }));
    }
    for result in results {
        record.apply(&Event::WorkloadFinished(result));
    }
    record
}

fn sample() -> Report {
    let record = record(vec![
        result("old", "getppid", &[328, 328, 328], &[("do_syscall_64", 100)]),
        result("new", "getppid", &[327, 327, 327], &[("do_syscall_64", 99)]),
        result("old", "memfd_seal", &[7669, 7669, 7669], &[("shmem_get_inode", 1204), ("fput", 60)]),
        result("new", "memfd_seal", &[8253, 8253, 8253], &[("shmem_get_inode", 1694), ("fput", 154)]),
        result("old", "frobnicate", &[], &[]),
        result("new", "frobnicate", &[10_000, 10_000, 10_000], &[]),
    ]);
    Report::of(&record, &["getppid", "memfd_seal", "frobnicate", "never"], &Rule::default())
}

#[test]
fn the_text_names_figures_changes_and_functions() {
    insta::assert_snapshot!(sample().text(Style::plain()), @r"
    Instructions per operation (median)

    workload               old             new    ratio  change
    getppid                328             327   0.9970  same
    memfd_seal           7,669           8,253   1.0762  slower
              +490    (84 %)  shmem_get_inode: 1,204 → 1,694
               +94    (16 %)  fput: 60 → 154
    frobnicate         SKIP             10,000
        old: missing syscall: frobnicate
    never                    –               –

    1 slower, 0 faster, 1 the same, against old
    Not in these figures: cache and TLB misses, lock contention between CPUs, device time.
    A repeated string instruction (memset_erms and its like) counts once per element.
    ");
}

#[test]
fn a_slower_kernel_is_a_regression_and_a_missing_figure_is_not_silent() {
    let report = sample();
    assert!(report.has_regression());
    assert!(!report.has_failure(), "a skip is no failure");
    assert!(report.is_incomplete(), "one workload gave no result");
}

#[test]
fn a_run_of_equal_kernels_is_good() {
    let record = record(vec![
        result("old", "getppid", &[328], &[("a", 1)]),
        result("new", "getppid", &[328], &[("a", 1)]),
    ]);
    let report = Report::of(&record, &["getppid"], &Rule::default());
    assert!(!report.has_regression() && !report.has_failure() && !report.is_incomplete());
    assert!(report.rows[0].cells[1].functions.is_empty());
}

#[test]
fn a_kernel_that_did_not_boot_is_named_with_its_reason() {
    let mut record = record(vec![result("new", "getppid", &[328], &[])]);
    record.apply(&Event::KernelFailed {
        kernel: "old".to_owned(),
        verdict: Verdict::Crash,
        reason: "boot: Kernel panic".to_owned(),
        console: String::new(),
    });
    let report = Report::of(&record, &["getppid"], &Rule::default());
    assert!(report.has_failure());
    assert!(report.text(Style::plain()).contains("CRASH   old: boot: Kernel panic"));
}
