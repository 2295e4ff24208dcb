//! SIGKILL at any moment: the store opens, and what was acknowledged is there. Processes, not threads.

mod support;

use gauntlet_results::{Event, Store, Verdict};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{finished, result, run_info};

const DIRECTORY: &str = "GAUNTLET_TEST_KILL_DIRECTORY";
const RUN: &str = "GAUNTLET_TEST_KILL_RUN";
const CASES: usize = 400;

/// Writes a run as `gauntlet` does, going on where it was killed, and says `N` when case N is committed.
fn write_run(directory: &Path, run: &str) {
    let store = Store::open(directory).unwrap();
    let mut info = run_info(run);
    info.command.push(run.to_owned());
    let id = store.unfinished_run(&info).unwrap().unwrap_or_else(|| run.to_owned());
    store.record(&id, &Event::RunStarted(info)).unwrap();
    let done = store.finished_cases(&id).unwrap();
    for number in 0..CASES {
        let case = format!("suite/{number}");
        if !done.contains(&("k".to_owned(), case.clone(), 0)) {
            store.record(&id, &Event::CaseFinished(result("k", &case, Verdict::Pass))).unwrap();
            println!("committed {number}");
            std::io::stdout().flush().unwrap();
        }
    }
    store.record(&id, &finished(false)).unwrap();
}

/// The other side of [`spawn`]; by itself, a run without any killing.
#[test]
fn writer() {
    match std::env::var_os(DIRECTORY) {
        Some(directory) => write_run(directory.as_ref(), &std::env::var(RUN).unwrap()),
        None => {
            let directory = tempfile::tempdir().unwrap();
            write_run(directory.path(), "run");
            assert_eq!(Store::open(directory.path()).unwrap().load("run").unwrap().results.len(), CASES);
        }
    }
}

fn spawn(directory: &Path, run: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(RUN, run)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Cases that the child says are committed.
fn committed(lines: impl Iterator<Item = String>) -> Vec<String> {
    lines.filter_map(|line| Some(format!("suite/{}", line.split_once("committed ")?.1))).collect()
}

#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..24u64 {
        let mut child = spawn(directory.path(), "run");
        // From "still opening" to "well into it", at odd microseconds.
        std::thread::sleep(Duration::from_micros(round * 1_937));
        child.kill().unwrap();
        child.wait().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        acknowledged.extend(committed(output.lines().map(Result::unwrap)));
        let store = Store::open(directory.path()).unwrap();
        if acknowledged.is_empty() {
            continue;
        }
        let record = store.load("run").unwrap();
        for case in &acknowledged {
            assert!(record.result("k", case).is_some(), "round {round}: {case} was lost");
        }
        assert!(
            record.results.len() <= acknowledged.len() + round as usize + 1,
            "one unacknowledged per kill"
        );
    }
    assert!(spawn(directory.path(), "run").wait_with_output().unwrap().status.success());
    let record = Store::open(directory.path()).unwrap().load("run").unwrap();
    assert_eq!(record.results.len(), CASES);
    assert!(record.end.is_some(), "the last one finished the run of the first");
    assert!(!acknowledged.is_empty(), "no child came to write anything before it was killed");
}

#[test]
fn two_processes_write_at_the_same_time() {
    let directory = tempfile::tempdir().unwrap();
    let children = ["one", "two"].map(|run| spawn(directory.path(), run));
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(committed(output.stdout.lines().map(Result::unwrap)).len(), CASES);
    }
    let store = Store::open(directory.path()).unwrap();
    assert!(["one", "two"].iter().all(|run| store.load(run).unwrap().results.len() == CASES));
}
