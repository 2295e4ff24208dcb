//! Pairing cases and naming what became of each.

use super::{CaseChange, Change, Outcome};
use crate::{RunRecord, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Which kernel of the old run is to be held against which of the new one.
pub(super) fn kernel_pairs(old: &RunRecord, new: &RunRecord) -> Vec<(String, String)> {
    if let ([from], [to]) = (old.kernels.as_slice(), new.kernels.as_slice()) {
        return vec![(from.name.clone(), to.name.clone())];
    }
    let names: BTreeSet<&String> =
        old.kernels.iter().chain(&new.kernels).map(|kernel| &kernel.name).collect();
    names.into_iter().map(|name| (name.clone(), name.clone())).collect()
}

/// Everything one kernel of a run came to, missing cases included.
pub(super) fn side(record: &RunRecord, kernel: &str) -> BTreeMap<String, Outcome> {
    let outcome = |verdict, reason: &str, splat: Option<&String>| Outcome {
        verdict,
        reason: reason.to_owned(),
        splat: splat.cloned(),
    };
    let mut side = BTreeMap::new();
    for one in record.missing().iter().filter(|one| one.kernel == kernel) {
        side.insert(one.case.clone(), outcome(one.verdict, &one.reason, None));
    }
    for one in record.workloads.iter().filter(|one| one.kernel == kernel) {
        side.insert(one.workload.clone(), outcome(one.verdict, &one.reason, None));
    }
    for one in record.results.iter().filter(|one| one.kernel == kernel) {
        side.insert(one.case.clone(), outcome(one.verdict, &one.reason, one.splat.as_ref()));
    }
    for one in record.findings.iter().filter(|one| one.kernel == kernel) {
        side.insert(format!("found/{}", one.title), outcome(Verdict::Crash, "found by fuzzing", None));
    }
    if let Some(kernel) = record.kernel(kernel) {
        match (&kernel.failure, &kernel.info) {
            (Some(failure), _) => {
                side.insert("boot".to_owned(), outcome(failure.verdict, &failure.reason, None));
            }
            (None, Some(_)) => {
                side.insert("boot".to_owned(), outcome(Verdict::Pass, "", None));
            }
            (None, None) => {}
        }
    }
    side
}

/// Every case of either side.
pub(super) fn changes(
    old: &BTreeMap<String, Outcome>,
    new: &BTreeMap<String, Outcome>,
    kernel: &str,
) -> Vec<CaseChange> {
    let cases: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |case: &String| CaseChange {
        kernel: kernel.to_owned(),
        case: case.clone(),
        change: classify(old.get(case), new.get(case)),
        old: old.get(case).cloned(),
        new: new.get(case).cloned(),
    };
    cases.into_iter().map(change).collect()
}

fn classify(old: Option<&Outcome>, new: Option<&Outcome>) -> Change {
    use Verdict::{Infra, Pass, Skip, Xfail};
    let (Some(new), old) = (new, old) else { return Change::Missing };
    let Some(old) = old else {
        return match new.verdict {
            Infra => Change::NoAnswer,
            verdict if verdict.is_failure() => Change::NewFailure,
            _ => Change::New,
        };
    };
    match (old.verdict, new.verdict) {
        (Infra, _) | (_, Infra) => Change::NoAnswer,
        (before, after) if before == after && old.splat == new.splat => Change::Same,
        (Pass | Xfail, after) if after.is_failure() => Change::Regressed,
        (Skip, after) if after.is_failure() => Change::NewFailure,
        (before, Pass | Xfail) if before.is_failure() => Change::Fixed,
        _ => Change::Changed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict) -> Outcome {
        Outcome { verdict, reason: String::new(), splat: None }
    }

    /// The whole table, one row per old verdict (the last: absent), one letter per new one (the last: absent).
    #[test]
    fn every_pair_has_its_name() {
        let letter = |change| match change {
            Change::Regressed => 'R',
            Change::NewFailure => 'N',
            Change::Fixed => 'F',
            Change::Changed => 'c',
            Change::Missing => 'm',
            Change::New => 'n',
            Change::NoAnswer => '?',
            Change::Same => '=',
        };
        let sides: Vec<Option<Outcome>> =
            Verdict::ALL.map(|verdict| Some(outcome(verdict))).into_iter().chain([None]).collect();
        let row = |old: &Option<Outcome>| -> String {
            sides.iter().map(|new| letter(classify(old.as_ref(), new.as_ref()))).collect()
        };
        let table: Vec<String> = sides.iter().map(row).collect();
        //   to: PASS XFAIL SKIP INFRA ERROR FAIL TIMEOUT CRASH absent
        let expected = [
            "=cc?RRRRm", // PASS
            "c=c?RRRRm", // XFAIL
            "cc=?NNNNm", // SKIP
            "????????m", // INFRA
            "FFc?=cccm", // ERROR
            "FFc?c=ccm", // FAIL
            "FFc?cc=cm", // TIMEOUT
            "FFc?ccc=m", // CRASH
            "nnn?NNNNm", // absent (never on both sides)
        ];
        assert_eq!(table, expected);
    }

    #[test]
    fn another_splat_is_another_crash() {
        let crash = |title: &str| Outcome { splat: Some(title.to_owned()), ..outcome(Verdict::Crash) };
        assert_eq!(classify(Some(&crash("WARNING in a")), Some(&crash("BUG in b"))), Change::Changed);
        assert_eq!(classify(Some(&crash("WARNING in a")), Some(&crash("WARNING in a"))), Change::Same);
    }
}
