//! A host without room: its trouble is told as what it is, and never held against a kernel.

use crate::support::{KERNEL, cache, fast, ready};
use gauntlet_results::{Store, Verdict};
use std::path::Path;
use std::process::{Command, Output};

/// Address space for gauntlet, and not for the memory of a machine.
const LITTLE_MEMORY: &str = "ulimit -v 500000";

/// Runs a case that passes, by a shell that takes something away first.
fn without(taken: &str, results: &Path, arguments: &str) -> Output {
    let gauntlet = assert_cmd::cargo::cargo_bin("gauntlet");
    let run = format!(
        "{taken} && exec {} test -k {KERNEL} --progress none {arguments} getrandom/unknown_flag_is_refused",
        gauntlet.display(),
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &run]);
    command.env("GAUNTLET_RESULTS", results).env("GAUNTLET_CACHE", cache()).env("NO_COLOR", "1");
    command.output().expect("unshare (util-linux) is there")
}

/// Another word on the command line makes a template of its own, so that the run must boot.
fn must_boot() -> String {
    format!("--append gauntlet.host={}", std::process::id())
}

/// The run ends as our trouble and says which.
fn is_our_trouble(output: &Output, said: &str) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text);
    assert_eq!(output.status.code(), Some(3), "{text}");
    // Lines are broken where a terminal would.
    let words = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(said), "must say: {said}\n{text}");
}

/// No kernel may be blamed: the store has nothing but our trouble.
fn blames_no_kernel(results: &Path) {
    let store = Store::open(results).expect("the results are readable");
    for run in store.runs().expect("the runs are readable") {
        let other = run.verdicts.keys().find(|verdict| **verdict != Verdict::Infra);
        assert!(other.is_none(), "a run without room came to {other:?}");
    }
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: only root can take away the room of a folder");
    }
    root
}

#[tokio::test]
async fn a_full_disk_is_our_trouble_not_the_kernels() {
    let Some(_ready) = ready(fast()).await else { return };
    if !is_root() {
        return;
    }
    let results = tempfile::tempdir().unwrap();
    let templates = cache().join("templates");
    let taken = format!("mount -t tmpfs -o size=16m none {}", templates.display());
    let output = without(&taken, results.path(), &must_boot());
    is_our_trouble(&output, "no room for the machine's memory on the host's disk");
    blames_no_kernel(results.path());
}

#[tokio::test]
async fn a_full_disk_of_results_is_told_and_a_run_is_not_silently_lost() {
    let Some(_ready) = ready(fast()).await else { return };
    if !is_root() {
        return;
    }
    let results = tempfile::tempdir().unwrap();
    for room in ["4k", "100k"] {
        let taken = format!("mount -t tmpfs -o size={room} none {}", results.path().display());
        is_our_trouble(&without(&taken, results.path(), ""), "no space left for");
    }
}

#[tokio::test]
async fn exhausted_memory_is_our_trouble_not_the_kernels() {
    let Some(_ready) = ready(fast()).await else { return };
    if !is_root() {
        return;
    }
    let results = tempfile::tempdir().unwrap();
    for arguments in [must_boot(), String::new()] {
        let output = without(LITTLE_MEMORY, results.path(), &arguments);
        is_our_trouble(&output, "Cannot allocate memory");
    }
    blames_no_kernel(results.path());
}
