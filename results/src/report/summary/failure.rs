//! Failures: the same failure of the same case on several kernels is told once.

use super::super::text::line;
use super::Entry;
use crate::{Rate, RunRecord, TestResult, Verdict};

/// One failure, wherever it happened.
#[derive(Debug)]
pub(in crate::report) struct Failure<'a> {
    pub verdict: Verdict,
    /// A case, or several missing ones.
    pub cases: Vec<&'a str>,
    pub reason: &'a str,
    pub splat: Option<&'a str>,
    /// Where it happened, in the order of the run's kernels; at least one.
    pub places: Vec<Place<'a>>,
    /// What the same case came to on the other kernels, where it ran.
    pub elsewhere: Vec<Status<'a>>,
    pub missing: bool,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::report) struct Place<'a> {
    pub kernel: &'a str,
    pub result: Option<&'a TestResult>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) struct Status<'a> {
    pub kernel: &'a str,
    pub verdict: Verdict,
}

impl<'a> Failure<'a> {
    fn of(entry: &Entry<'a>) -> Failure<'a> {
        Failure {
            verdict: entry.verdict,
            cases: vec![entry.case],
            reason: entry.reason,
            splat: splat(entry),
            places: vec![Place { kernel: entry.kernel, result: entry.result }],
            elsewhere: Vec::new(),
            missing: entry.missing,
        }
    }

    /// A missing case tells nothing of its own: all that are missing for one reason on one kernel are one failure.
    fn covers(&self, entry: &Entry) -> bool {
        let same = self.verdict == entry.verdict
            && alike(self.reason, entry.reason)
            && self.missing == entry.missing;
        let subject = match self.missing {
            true => self.places[0].kernel == entry.kernel,
            false => self.cases[0] == entry.case && self.splat == splat(entry),
        };
        same && subject
    }

    /// How often it happened, where the case was repeated; said once when it is the same everywhere.
    pub fn rates(&self) -> Vec<String> {
        let rate = |place: &Place| Some((line(place.kernel), Rate::of(place.result?)?.sentence()));
        let rates: Vec<(String, String)> = self.places.iter().filter_map(rate).collect();
        match rates.as_slice() {
            [(_, first), others @ ..] if others.iter().all(|(_, other)| other == first) => {
                vec![first.clone()]
            }
            _ => rates.into_iter().map(|(kernel, rate)| format!("{kernel}: {rate}")).collect(),
        }
    }

    fn add(&mut self, entry: &Entry<'a>) {
        if self.missing {
            self.cases.push(entry.case);
        } else {
            self.places.push(Place { kernel: entry.kernel, result: entry.result });
        }
    }
}

/// What is held against a kernel or the run, gravest first; and INFRA, which is not.
pub(in crate::report) fn failures<'a>(
    record: &RunRecord,
    entries: &[Entry<'a>],
    wanted: impl Fn(Verdict) -> bool,
) -> Vec<Failure<'a>> {
    let mut failures: Vec<Failure<'a>> = Vec::new();
    let mut by_case = std::collections::HashMap::<&str, Vec<usize>>::new();
    for entry in entries.iter().filter(|entry| wanted(entry.verdict)) {
        // Missing ones share a bucket: they are grouped across cases.
        let bucket = by_case.entry(if entry.missing { "" } else { entry.case }).or_default();
        match bucket.iter().find(|index| failures[**index].covers(entry)) {
            Some(index) => failures[*index].add(entry),
            None => {
                bucket.push(failures.len());
                failures.push(Failure::of(entry));
            }
        }
    }
    if record.kernels.len() > 1 {
        let mut cases = std::collections::HashMap::<&str, Vec<Status<'a>>>::new();
        for entry in entries.iter().filter(|entry| !entry.missing) {
            cases
                .entry(entry.case)
                .or_default()
                .push(Status { kernel: entry.kernel, verdict: entry.verdict });
        }
        for failure in failures.iter_mut().filter(|failure| !failure.missing) {
            let here = |status: &&Status| failure.places.iter().any(|place| place.kernel == status.kernel);
            failure.elsewhere = cases[failure.cases[0]].iter().filter(|one| !here(one)).copied().collect();
        }
    }
    failures.sort_by(|a, b| b.verdict.cmp(&a.verdict).then(a.cases[0].cmp(b.cases[0])));
    failures
}

/// Equal but for hexadecimal numbers: addresses differ from kernel to kernel, and from boot to boot.
fn alike(a: &str, b: &str) -> bool {
    a == b || without_addresses(a) == without_addresses(b)
}

fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str("0x");
        kept.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    kept
}

fn splat<'a>(entry: &Entry<'a>) -> Option<&'a str> {
    entry.result?.splat.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_do_not_tell_failures_apart() {
        assert!(alike("r7 = 0xffff89e502b47910 ; bad", "r7 = 0xffff8ad482c0cb50 ; bad"));
        assert!(!alike("r7 = 0xffff89e502b47910 ; bad", "r6 = 0xffff89e502b47910 ; bad"));
        assert!(!alike("got 11", "got 12"));
    }
}
