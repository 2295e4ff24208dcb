//! What every report for people says: failures first, the matrix, causes of skips, totals. Pure; the formats
//! only lay it out.

mod failure;
mod matrix;
mod skip;

pub(super) use failure::{Failure, failures};
pub(super) use matrix::{CaseRow, Counts, Matrix, case_rows};
pub(super) use skip::{SkipGroup, skip_groups};

use crate::{KernelRecord, Rate, RunRecord, TestResult, Verdict, suite_of};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// One thing that came, or should have come, to a verdict.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub kernel: &'a str,
    pub suite: &'a str,
    pub case: &'a str,
    pub verdict: Verdict,
    pub reason: &'a str,
    /// None for workloads and for what is missing.
    pub result: Option<&'a TestResult>,
    pub missing: bool,
}

/// The column under which the matrix counts all workloads.
pub(super) const WORKLOADS: &str = "workloads";

/// Whether kernels × suites say more than the table of figures does.
pub(super) fn matrix_matters(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| entry.suite != WORKLOADS || entry.verdict != Verdict::Pass)
}

/// Every result, workload and missing case of a run.
pub(super) fn entries<'a>(record: &'a RunRecord, missing: &'a [crate::Missing]) -> Vec<Entry<'a>> {
    let results = record.results.iter().map(|one| Entry {
        kernel: &one.kernel,
        suite: suite_of(&one.case),
        case: &one.case,
        verdict: one.verdict,
        reason: &one.reason,
        result: Some(one),
        missing: false,
    });
    let workloads = record.workloads.iter().map(|one| Entry {
        kernel: &one.kernel,
        suite: WORKLOADS,
        case: &one.workload,
        verdict: one.verdict,
        reason: &one.reason,
        result: None,
        missing: false,
    });
    let known = |name: &str| record.workloads.iter().any(|one| one.workload == name);
    let missing = missing.iter().map(|one| Entry {
        kernel: &one.kernel,
        suite: if known(&one.case) { WORKLOADS } else { suite_of(&one.case) },
        case: &one.case,
        verdict: one.verdict,
        reason: &one.reason,
        result: None,
        missing: true,
    });
    results.chain(workloads).chain(missing).collect()
}

/// One kernel's entries by suite.
pub(super) struct KernelGroup<'a> {
    pub kernel: &'a KernelRecord,
    pub suites: BTreeMap<&'a str, Vec<Entry<'a>>>,
}

/// In the order of the run's kernels; cases by name.
pub(super) fn by_kernel<'a>(record: &'a RunRecord, entries: &[Entry<'a>]) -> Vec<KernelGroup<'a>> {
    let mut suites: HashMap<&str, BTreeMap<&str, Vec<Entry>>> = HashMap::new();
    for entry in entries {
        suites.entry(entry.kernel).or_default().entry(entry.suite).or_default().push(*entry);
    }
    suites
        .values_mut()
        .flat_map(BTreeMap::values_mut)
        .for_each(|entries| entries.sort_by_key(|entry| entry.case));
    let group = |kernel: &'a KernelRecord| KernelGroup {
        kernel,
        suites: suites.remove(kernel.name.as_str()).unwrap_or_default(),
    };
    record.kernels.iter().map(group).collect()
}

/// From the start of the run to its end; None when it has no end or the stamps cannot be read.
pub(super) fn elapsed(record: &RunRecord) -> Option<Duration> {
    let stamp = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let took = stamp(&record.end.as_ref()?.at)?.duration_since(stamp(&record.info.started)?);
    Duration::try_from(took).ok()
}

/// `120 cases on 3 kernels: 107 passed, 2 failed, 11 skipped`, most grave last but passes first.
pub(super) fn totals_line(record: &RunRecord, entries: &[Entry]) -> String {
    use super::text::count;
    let counts = Counts::of(entries.iter().map(|entry| entry.verdict));
    let parts: Vec<String> =
        counts.each().map(|(verdict, number)| format!("{number} {}", past(verdict))).collect();
    let kernels = count(record.kernels.len(), "kernel");
    let mut line = match entries.len() {
        0 if record.findings.is_empty() => format!("{kernels}, nothing found"),
        0 => kernels,
        results => format!("{} on {kernels}", count(results, "result")),
    };
    let most = entries.iter().filter_map(|entry| Some(entry.result?.repetitions.len())).max();
    if let Some(times) = most.filter(|times| *times > 1) {
        line += &format!(", repeated up to {times} times");
    }
    if !parts.is_empty() {
        line += &format!(": {}", parts.join(", "));
    }
    let rate = |entry: &Entry| Rate::of(entry.result?);
    let flaky = entries.iter().filter_map(rate).filter(Rate::is_flaky).count();
    if flaky > 0 {
        line += &format!("; {flaky} flaky");
    }
    let missing = entries.iter().filter(|entry| entry.missing).count();
    if missing > 0 {
        line += &format!(" ({} of them missing)", super::text::thousands(missing as u64));
    }
    let down = record.kernels.iter().filter(|kernel| kernel.failure.is_some()).count();
    if down > 0 {
        line += &format!("; {} did not come up", count(down, "kernel"));
    }
    if !record.findings.is_empty() {
        line += &format!("; {} found", count(record.findings.len(), "crash").replace("crashs", "crashes"));
    }
    line
}

/// The word for a count of verdicts.
pub(super) fn past(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "passed",
        Verdict::Xfail => "failed as expected",
        Verdict::Skip => "skipped",
        Verdict::Infra => "lost to infrastructure",
        Verdict::Error => "in error",
        Verdict::Fail => "failed",
        Verdict::Timeout => "timed out",
        Verdict::Crash => "crashed",
    }
}

/// What the run came to: the verdict to colour it by, and a word for it.
pub(super) fn outcome(record: &RunRecord) -> (Verdict, &'static str) {
    match (super::exit_code(record), &record.end) {
        (0, _) => (Verdict::Pass, "good"),
        (1, _) => (Verdict::Fail, "failed"),
        (130, _) => (Verdict::Infra, "interrupted"),
        (_, None) => (Verdict::Infra, "unfinished"),
        (_, Some(_)) => (Verdict::Infra, "trouble"),
    }
}

/// The same in a sentence, given how many different failures there are to tell about.
pub(super) fn sentence(record: &RunRecord, failures: usize) -> String {
    let failed = format!("Failed: {} to look at", super::text::count(failures, "thing"));
    match (super::exit_code(record), &record.end) {
        (0, _) => "Good: everything that ran is as it should be.".to_owned(),
        (1, None) => format!("{failed}, and unfinished: gauntlet was killed, or is still running."),
        (1, _) => format!("{failed}."),
        (130, _) => "Interrupted: complete up to the moment you stopped it.".to_owned(),
        (_, None) => "Unfinished: gauntlet was killed, or is still running.".to_owned(),
        (_, Some(_)) => "Infrastructure trouble: no kernel is to blame, and none is cleared.".to_owned(),
    }
}

/// `2026-11-23 12:45 UTC`; a stamp that cannot be read is shown as it is.
pub(super) fn started(record: &RunRecord) -> String {
    let stamp = record.info.started.parse::<jiff::Timestamp>();
    stamp.map_or_else(
        |_| super::text::line(&record.info.started),
        |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}
