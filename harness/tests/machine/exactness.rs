//! Exact mode: the same inputs give the same bits.

use crate::support::{exact, judge, ready};
use gauntlet::plan;
use gauntlet_results::Verdict;
use std::time::Duration;

#[tokio::test]
async fn eight_clones_beside_each_other_are_identical_to_the_bit() {
    let Some(ready) = ready(exact(1)).await else { return };
    let planned = plan::select(&[], &[plan::pattern("getrandom/unknown_flag*")]).unwrap();
    let case = planned.first().expect("that case exists");
    let one = || judge(&ready.session, case, Duration::from_secs(60));
    let results = tokio::join!(one(), one(), one(), one(), one(), one(), one(), one());
    let first = &results.0;
    assert_eq!(first.verdict, Verdict::Pass, "{}", first.reason);
    for other in [&results.1, &results.2, &results.3, &results.4, &results.5, &results.6, &results.7] {
        assert_eq!(other.guest_ns, first.guest_ns);
        assert_eq!(other.fingerprint, first.fingerprint);
    }
}

#[tokio::test]
async fn another_boot_with_the_same_seed_gives_the_same_template_and_another_seed_does_not() {
    let Some(before) = ready(exact(2)).await else { return };
    let planned = plan::select(&[], &[plan::pattern("getrandom/unknown_flag*")]).unwrap();
    let first = judge(&before.session, &planned[0], Duration::from_secs(60)).await;
    before.host.templates().remove(before.session.template_digest());
    drop(before);
    let Some(after) = ready(exact(2)).await else { return };
    let second = judge(&after.session, &planned[0], Duration::from_secs(60)).await;
    assert_eq!((first.verdict, second.verdict), (Verdict::Pass, Verdict::Pass), "{first:?}\n{second:?}");
    assert_eq!(first.fingerprint, second.fingerprint, "{first:?}\n{second:?}");
    let Some(other) = ready(exact(3)).await else { return };
    let third = judge(&other.session, &planned[0], Duration::from_secs(60)).await;
    assert_ne!(first.fingerprint, third.fingerprint, "another seed must be another machine");
}
