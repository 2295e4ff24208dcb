//! Rates, seeds, and what is told of a case that ran several times.

use super::*;
use crate::support;

fn run(number: u32, seed: u64, verdict: Verdict) -> TestResult {
    let reason = format!("number {number}");
    TestResult { seed, exact: true, reason, ..support::result("k", "s/c", verdict) }.repeated(number)
}

fn all(runs: &[(u64, Verdict)]) -> TestResult {
    let each = (1..).zip(runs).map(|(number, (seed, verdict))| run(number, *seed, *verdict));
    each.reduce(|earlier, next| next.after(&earlier)).unwrap()
}

fn sentence(runs: &[(u64, Verdict)]) -> String {
    Rate::of(&all(runs)).unwrap().sentence()
}

use Verdict::{Fail, Infra, Pass, Skip, Timeout};

#[test]
fn the_worst_is_told_and_the_rate_beside_it() {
    let result = all(&[(1, Pass), (1, Fail), (1, Pass), (1, Infra), (1, Timeout), (1, Fail)]);
    assert_eq!((result.verdict, result.reason.as_str()), (Timeout, "number 5"));
    let rate = Rate::of(&result).unwrap();
    assert!(rate.is_flaky());
    assert_eq!((rate.failed, rate.of), (3, 5), "what was lost says nothing");
    assert_eq!(Rate::of(&support::result("k", "s/c", Fail)), None);
}

#[test]
fn a_repetition_counts_once_and_its_last_word_counts() {
    let lost = all(&[(1, Pass), (1, Infra)]);
    let again = run(2, 1, Pass).after(&lost);
    assert_eq!((again.verdict, again.repetitions.len()), (Pass, 2));
    let once_more = run(2, 1, Pass).after(&again);
    assert_eq!(once_more.repetitions, again.repetitions);
}

#[test]
fn a_case_that_is_not_repeated_replaces_what_was_there() {
    let single = support::result("k", "s/c", Pass);
    assert_eq!(single.clone().after(&all(&[(1, Fail)])), single);
}

#[test]
fn seeds_decide_or_do_not_or_were_tried_once() {
    let decided = [(1, Pass), (2, Fail), (3, Pass), (1, Pass), (2, Fail), (3, Pass)];
    assert_eq!(sentence(&decided), "2 of 6 failed; the seed decides: seed 2 always, the other 2 never");
    let undecided = [(1, Pass), (2, Fail), (1, Pass), (2, Pass)];
    assert!(sentence(&undecided).contains("seed 2 failed 1 of 2 times"), "{}", sentence(&undecided));
    assert_eq!(sentence(&[(1, Pass), (2, Fail)]), "1 of 2 failed: seed 2 of 2 seeds, each tried once");
    assert_eq!(sentence(&[(1, Fail), (2, Fail), (1, Fail), (2, Fail)]), "4 of 4 failed, with every seed");
    assert_eq!(
        sentence(&[(1, Pass), (1, Fail)]),
        "1 of 2 failed; the seed does not decide: seed 1 failed 1 of 2 times, though nothing differed"
    );
    assert_eq!(sentence(&[(1, Skip), (1, Skip)]), "0 of 0 failed");
}
