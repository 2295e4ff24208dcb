//! Comparison against brute force.

mod support;

use gauntlet_results::compare::{Change, Comparison, Trend};
use gauntlet_results::report::Options;
use gauntlet_results::{RunRecord, Verdict};
use proptest::prelude::*;
use support::{any, run_info, sample};

fn any_record() -> impl Strategy<Value = RunRecord> {
    any::events().prop_map(|events| {
        let mut record = RunRecord::new(run_info("r"));
        events.iter().for_each(|event| record.apply(event));
        record
    })
}

/// What a record says about a case, found the slow way.
fn verdict(record: &RunRecord, kernel: &str, case: &str) -> Option<Verdict> {
    let result =
        record.results.iter().find(|one| one.kernel == kernel && one.case == case).map(|one| one.verdict);
    let workload = record.workloads.iter().find(|one| one.kernel == kernel && one.workload == case);
    let missing = record.missing().into_iter().find(|one| one.kernel == kernel && one.case == case);
    result.or(workload.map(|one| one.verdict)).or(missing.map(|one| one.verdict))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_case_of_either_side_appears_once_and_rightly(old in any_record(), new in any_record()) {
        let comparison = Comparison::of_runs(&old, &new);
        let single = old.kernels.len() == 1 && new.kernels.len() == 1;
        prop_assume!(!single || old.kernels[0].name == new.kernels[0].name);
        let mut seen = std::collections::HashSet::new();
        for one in &comparison.cases {
            prop_assert!(seen.insert((&one.kernel, &one.case)), "twice: {one:?}");
            if one.case == "boot" || one.case.starts_with("found/") {
                continue;
            }
            let (before, after) = (verdict(&old, &one.kernel, &one.case), verdict(&new, &one.kernel, &one.case));
            let good = |verdict: Option<Verdict>| matches!(verdict, Some(Verdict::Pass | Verdict::Xfail));
            let bad = |verdict: Option<Verdict>| verdict.is_some_and(Verdict::is_failure);
            let lost = before == Some(Verdict::Infra) || after == Some(Verdict::Infra);
            prop_assert_eq!(one.change == Change::Regressed, good(before) && bad(after));
            prop_assert_eq!(one.change == Change::Fixed, bad(before) && good(after));
            prop_assert_eq!(one.change == Change::Missing, after.is_none());
            prop_assert_eq!(one.change == Change::NewFailure, bad(after) && !good(before) && !bad(before) && !lost);
            prop_assert_eq!(one.change == Change::NoAnswer, lost && after.is_some());
            prop_assert_eq!(one.change == Change::New, before.is_none() && after.is_some() && !bad(after) && !lost);
            prop_assert!(one.change != Change::Same || before == after);
        }
        for record in [&old, &new] {
            let results = record.results.iter().map(|one| (&one.kernel, &one.case));
            for key in results.chain(record.workloads.iter().map(|one| (&one.kernel, &one.workload))) {
                prop_assert!(seen.contains(&key), "{key:?} was dropped");
            }
        }
        let text = comparison.terminal(&Options::default());
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&comparison.json()).is_ok());
    }

    #[test]
    fn a_run_is_the_same_as_itself(record in any_record()) {
        let comparison = Comparison::of_runs(&record, &record);
        let unclear = |change| matches!(change, Change::Same | Change::NoAnswer);
        prop_assert!(comparison.cases.iter().all(|one| unclear(one.change)));
        prop_assert!(comparison.workloads.iter().all(|one| matches!(one.trend, Trend::Same | Trend::Incomparable)));
    }
}

#[test]
fn two_kernels_of_the_sample() {
    let comparison = Comparison::of_kernels(&sample::record(), sample::CLOUD, sample::NEWER);
    assert_eq!(comparison.exit_code(), 1);
    insta::assert_snapshot!(comparison.terminal(&Options::default()));
}

#[test]
fn runs_of_one_kernel_each_are_compared_whatever_they_are_called() {
    let one = |kernel: &str, verdict| {
        let mut record = RunRecord::new(run_info(kernel));
        record.apply(&gauntlet_results::Event::CaseFinished(support::result(kernel, "memfd/seal", verdict)));
        record
    };
    let comparison = Comparison::of_runs(&one("6.1", Verdict::Pass), &one("6.12", Verdict::Fail));
    assert_eq!(comparison.cases.len(), 1);
    assert_eq!(
        (comparison.cases[0].kernel.as_str(), comparison.cases[0].change),
        ("6.1 → 6.12", Change::Regressed)
    );
    insta::assert_snapshot!("json", comparison.json());
}
