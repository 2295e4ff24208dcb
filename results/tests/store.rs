//! The store against the fold of events, and against hard times.

mod support;

use gauntlet_results::{Event, RunRecord, Store, StoreError, Verdict};
use proptest::prelude::*;
use std::collections::BTreeSet;
use support::{any, finished, result, run_info};

const RUN: &str = "20261123-124501-aaaaaa";

fn start(store: &Store, run: &str) {
    store.record(run, &Event::RunStarted(run_info(run))).unwrap();
}

fn record_result(store: &Store, run: &str, kernel: &str, case: &str, verdict: Verdict) {
    store.record(run, &Event::CaseFinished(result(kernel, case, verdict))).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// What comes back is what the events came to, also after closing, and also when a run repeats itself.
    #[test]
    fn the_store_agrees_with_the_fold(events in any::events(), again in any::events()) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let mut model = RunRecord::new(run_info(RUN));
        for event in std::iter::once(Event::RunStarted(run_info(RUN))).chain(events) {
            store.record(RUN, &event).unwrap();
            model.apply(&event);
        }
        prop_assert_eq!(&store.load(RUN).unwrap(), &model);
        drop(store);
        let store = Store::open(directory.path()).unwrap();
        for event in std::iter::once(Event::RunStarted(run_info(RUN))).chain(again) {
            store.record(RUN, &event).unwrap();
            model.apply(&event);
        }
        prop_assert_eq!(store.load(RUN).unwrap(), model);
    }

    /// Files of any content are refused or opened, never a panic, and a refused one stays as it was.
    #[test]
    fn any_file_is_opened_or_refused(prefix in 0usize..120, noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let directory = tempfile::tempdir().unwrap();
        drop(Store::open(directory.path()).unwrap());
        let file = directory.path().join("gauntlet.db");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes.truncate(prefix);
        bytes.extend(noise);
        std::fs::write(&file, &bytes).unwrap();
        if Store::open(directory.path()).is_err() {
            prop_assert_eq!(std::fs::read(&file).unwrap(), bytes);
        }
    }
}

#[test]
fn a_text_file_and_a_foreign_database_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gauntlet.db");
    std::fs::write(&file, "this is not a database, but it is longer than a header ".repeat(4)).unwrap();
    assert!(matches!(Store::open(directory.path()), Err(StoreError::Corrupt { .. })));
    std::fs::remove_file(&file).unwrap();
    let foreign = rusqlite::Connection::open(&file).unwrap();
    foreign.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    drop(foreign);
    assert!(matches!(Store::open(directory.path()), Err(StoreError::Foreign { .. })));
}

#[test]
fn a_damaged_page_is_called_damage() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    start(&store, RUN);
    (0..50).for_each(|n| record_result(&store, RUN, "k", &format!("s/{n}"), Verdict::Pass));
    drop(store);
    let file = directory.path().join("gauntlet.db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    let outcome = Store::open(directory.path()).and_then(|store| store.load(RUN));
    assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
}

#[test]
fn a_killed_run_is_found_again_and_goes_on_where_it_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.unfinished_run(&run_info("x")).unwrap(), None);
    start(&store, RUN);
    record_result(&store, RUN, "k", "s/a", Verdict::Pass);
    record_result(&store, RUN, "k", "s/b", Verdict::Infra);
    let other = Store::open(directory.path()).unwrap();
    assert_eq!(other.unfinished_run(&run_info("x")).unwrap(), None, "it is being written");
    drop(store);
    let mut different = run_info("x");
    different.command.push("--exact".to_owned());
    assert_eq!(other.unfinished_run(&different).unwrap(), None);
    assert_eq!(other.unfinished_run(&run_info("x")).unwrap().as_deref(), Some(RUN));
    let done = BTreeSet::from([("k".to_owned(), "s/a".to_owned(), 0)]);
    assert_eq!(other.finished_cases(RUN).unwrap(), done, "INFRA is tried again");
    other.record(RUN, &finished(true)).unwrap();
    assert_eq!(
        other.unfinished_run(&run_info("x")).unwrap().as_deref(),
        Some(RUN),
        "interrupted goes on too"
    );
    start(&other, RUN);
    other.record(RUN, &finished(false)).unwrap();
    assert_eq!(other.unfinished_run(&run_info("x")).unwrap(), None);
}

#[test]
fn a_resumed_run_repeats_only_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    start(&store, RUN);
    for (number, verdict) in [(1, Verdict::Pass), (2, Verdict::Infra), (4, Verdict::Fail), (5, Verdict::Pass)]
    {
        store.record(RUN, &Event::CaseFinished(result("k", "s/a", verdict).repeated(number))).unwrap();
    }
    let finished = store.finished_cases(RUN).unwrap();
    let numbers: Vec<u32> = finished.iter().map(|(_, _, number)| *number).collect();
    assert_eq!(numbers, [1, 4, 5]);
    let record = store.load(RUN).unwrap();
    assert_eq!((record.results.len(), record.results[0].verdict), (1, Verdict::Fail));
    assert_eq!(gauntlet_results::Rate::of(&record.results[0]).unwrap().sentence(), "1 of 3 failed");
}

#[test]
fn two_processes_never_write_the_same_run() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two] = [(); 2].map(|()| Store::open(directory.path()).unwrap());
    start(&one, RUN);
    let refused = two.record(RUN, &Event::RunStarted(run_info(RUN)));
    assert!(matches!(refused, Err(StoreError::Running { .. })));
    one.record(RUN, &finished(false)).unwrap();
    start(&two, RUN);
}

#[test]
fn two_writers_of_their_own_runs_do_not_disturb_each_other() {
    let directory = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for run in ["one", "two"] {
            let directory = directory.path();
            // Opening races too: both find no file.
            scope.spawn(move || {
                let store = Store::open(directory).unwrap();
                start(&store, run);
                (0..100).for_each(|n| record_result(&store, run, "k", &format!("s/{n}"), Verdict::Pass));
                store.record(run, &finished(false)).unwrap();
            });
        }
    });
    let runs = Store::open(directory.path()).unwrap().runs().unwrap();
    let mut counts: Vec<_> =
        runs.iter().map(|run| (run.info.id.as_str(), run.verdicts[&Verdict::Pass])).collect();
    counts.sort_unstable();
    assert_eq!(counts, [("one", 100), ("two", 100)]);
}

#[test]
fn runs_and_results_are_found_by_what_people_type() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for run in ["20261122-000000-aaaaaa", "20261123-111111-bbbbbb", "20261123-222222-cccccc"] {
        start(&store, run);
        for (kernel, case) in [("6.1", "memfd/seal"), ("6.1", "memfd/seal-write"), ("6.12", "memfd/seal")] {
            record_result(&store, run, kernel, case, Verdict::Pass);
        }
        record_result(&store, run, "6.12", "bpf/map", Verdict::Fail);
    }
    let run = |typed: &str| store.find_run(typed).map_err(|error| error.to_string());
    assert_eq!(run("last").unwrap(), "20261123-222222-cccccc");
    assert_eq!(run("last~2").unwrap(), "20261122-000000-aaaaaa");
    assert_eq!(run("20261122").unwrap(), "20261122-000000-aaaaaa");
    assert_eq!(run("20261123").unwrap_err(), "'20261123' fits several");
    assert_eq!(run("last~3").unwrap_err(), "no run 'last~3'");
    let result = |typed: &str| {
        store
            .find_result(typed)
            .map(|id| format!("{} {}", id.kernel, id.case))
            .map_err(|error| error.to_string())
    };
    assert_eq!(result("last:6.1:memfd/seal").unwrap(), "6.1 memfd/seal", "exact before longer");
    assert_eq!(result("last:6.12:memfd").unwrap(), "6.12 memfd/seal");
    assert_eq!(result("last::bpf/m").unwrap(), "6.12 bpf/map");
    assert_eq!(result("last:bpf/m").unwrap(), "6.12 bpf/map");
    assert_eq!(result("last::memfd/seal").unwrap_err(), "'last::memfd/seal' fits several");
    assert_eq!(result("last:6.1:bpf").unwrap_err(), "no result 'last:6.1:bpf'");
    assert_eq!(result("memfd/seal").unwrap_err(), "no result 'memfd/seal'");
    let hint = store.find_run("nope").unwrap_err().hint().unwrap();
    assert!(hint.contains("20261122-000000-aaaaaa"), "{hint}");
}

#[test]
fn a_run_id_cannot_leave_the_results_directory() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for id in ["../../etc", "", ".", "a/b", "a:b"] {
        let outcome = store.record(id, &Event::RunStarted(run_info(id)));
        assert!(matches!(outcome, Err(StoreError::BadRunId { .. })), "{id}");
    }
    assert!(matches!(store.record("never-started", &finished(false)), Err(StoreError::NotStarted { .. })));
}
