//! Runs that fit together, and runs that do not.

use super::*;
use crate::support;
use crate::{KernelInfo, Rate, RunInfo, Verdict};

fn record(id: &str, events: &[Event]) -> RunRecord {
    let mut record = RunRecord::new(RunInfo { verb: id.to_owned(), ..support::run_info(id) });
    events.iter().for_each(|event| record.apply(event));
    record
}

fn finished(case: &str, verdict: Verdict) -> Event {
    let reason = format!("{verdict} it is");
    Event::CaseFinished(TestResult { reason, ..support::result("k", case, verdict) })
}

#[test]
fn runs_join_into_one_and_results_keep_their_own_names() {
    let one = record("one", &[finished("s/a", Verdict::Pass), support::finished(false)]);
    let two = record("two", &[finished("s/b", Verdict::Fail), support::finished(true)]);
    let whole = RunRecord::merged(vec![one, two]).unwrap().unwrap();
    assert_eq!((whole.info.id.as_str(), whole.info.verb.as_str()), ("one, two", "one, two"));
    assert_eq!(whole.result_id("k", "s/a"), "one:k:s/a");
    assert_eq!(whole.result_id("k", "s/b"), "two:k:s/b");
    assert_eq!((whole.results.len(), whole.kernels.len()), (2, 1));
    assert!(whole.end.unwrap().interrupted);
}

#[test]
fn a_case_in_both_was_repeated_and_the_worst_is_told() {
    let [pass, fail] = [Verdict::Pass, Verdict::Fail].map(|verdict| {
        let id = verdict.as_str().to_lowercase();
        record(&id, &[finished("s/a", verdict)])
    });
    for records in [vec![pass.clone(), fail.clone()], vec![fail, pass]] {
        let whole = RunRecord::merged(records).unwrap().unwrap();
        assert_eq!(whole.results[0].verdict, Verdict::Fail);
        assert_eq!(Rate::of(&whole.results[0]).unwrap().sentence(), "1 of 2 failed");
        assert_eq!(whole.result_id("k", "s/a"), "fail:k:s/a");
        assert_eq!(whole.end, None, "neither has ended");
    }
}

#[test]
fn one_name_for_two_kernels_is_refused() {
    let ready = |id: &str| {
        let info = KernelInfo { name: "k".into(), image_digest: id.into(), ..KernelInfo::default() };
        record(id, &[Event::KernelReady(info)])
    };
    let refused = RunRecord::merged(vec![ready("one"), ready("other")]).unwrap_err();
    assert_eq!(refused.to_string(), "k is not the same kernel in run one and in run other");
    assert!(RunRecord::merged(vec![ready("one"), ready("one")]).is_ok());
    assert_eq!(RunRecord::merged(Vec::new()), Ok(None));
}
