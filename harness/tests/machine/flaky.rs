//! Cases that fail now and then: how often is told, and in exact mode whether the seed decides.

use crate::support::{Ready, exact, fast, fault, policy, ready};
use gauntlet::interrupt::Interrupt;
use gauntlet::run::repeat::Repeat;
use gauntlet::run::sink::run_info;
use gauntlet::run::test::TestRun;
use gauntlet::run::{NamedKernel, Sink};
use gauntlet::session::SessionOptions;
use gauntlet::ui::Progress;
use gauntlet_results::{Rate, RunRecord, Seeds};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

async fn run(ready: Ready, options: SessionOptions, repeat: Repeat, cases: &[&str]) -> RunRecord {
    let scratch = tempfile::tempdir().unwrap();
    let info = run_info("test", &["flaky".to_owned()], String::new());
    let sink = Arc::new(Sink::start(scratch.path(), info, Progress::Silent).unwrap());
    let test = TestRun {
        kernels: vec![NamedKernel { name: "kernel".to_owned(), build: ready.session.kernel.clone() }],
        host: ready.host,
        unbuilt: Vec::new(),
        programs: Vec::new(),
        broken: Vec::new(),
        cases: cases.iter().map(|name| fault(name)).collect(),
        options,
        policy: policy(Duration::from_secs(30)),
        repeat,
        expectations: Vec::new(),
        jobs: 2,
        interrupt: Interrupt::never(),
        failed: AtomicBool::new(false),
    };
    test.run(Arc::clone(&sink)).await;
    Arc::into_inner(sink).unwrap().finish(false).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn in_exact_mode_the_seed_decides() {
    let Some(ready) = ready(exact(1)).await else { return };
    let repeat = Repeat { times: Some(2), seeds: vec![1, 2, 3, 4], ..Repeat::once(1) };
    let record = run(ready, exact(1), repeat, &["flips_a_coin"]).await;
    let result = &record.results[0];
    assert_eq!(result.repetitions.len(), 8, "{record:?}");
    for seed in 1..=4 {
        let of_seed = result.repetitions.iter().filter(|one| one.seed == seed);
        let ends: BTreeSet<_> = of_seed.map(|one| (one.verdict, one.fingerprint.as_str())).collect();
        assert_eq!(ends.len(), 1, "seed {seed} came to different ends: {ends:?}");
    }
    let rate = Rate::of(result).unwrap();
    assert!(matches!(rate.seeds, Seeds::Decide { seeds: 4, .. }), "{}", rate.sentence());
}

#[tokio::test(flavor = "multi_thread")]
async fn until_fail_ends_with_the_round_in_which_something_failed() {
    let Some(ready) = ready(fast()).await else { return };
    let repeat = Repeat { times: Some(50), until_fail: true, shuffle: Some(7), ..Repeat::once(1) };
    let record = run(ready, fast(), repeat, &["passes", "fails", "skips"]).await;
    let counts: Vec<usize> = record.results.iter().map(|result| result.repetitions.len()).collect();
    assert_eq!(counts, [1, 1, 1], "the first round is whole, and there is no second");
    assert!(record.notes.iter().any(|note| note.contains("--shuffle=7")), "{:?}", record.notes);
    assert!(record.missing().is_empty());
}
