//! Exact mode beside four CPU hogs: how many digits differ between twenty runs of all workloads.

use crate::sample::Row;
use crate::setup::{KERNEL, gauntlet};
use std::process::{Child, Command, Stdio};

const RUNS: usize = 20;

pub fn measure() -> Vec<Row> {
    let results = tempfile::tempdir().expect("a temporary folder");
    let hogs: Vec<Hog> = (0..4).map(|_| Hog::start()).collect();
    let runs: Vec<Vec<u8>> = (0..RUNS).map(|_| figures(results.path())).collect();
    drop(hogs);
    let first = &runs[0];
    let workloads = first.iter().filter(|byte| **byte == b'\n').count();
    let differing = runs.iter().filter(|run| *run != first).count();
    vec![Row {
        what: format!("exact runs of {workloads} workloads that differ"),
        value: differing.to_string(),
        aim: "0",
        reference: "beside four CPU hogs".to_owned(),
        n: RUNS,
    }]
}

/// Every sample of every workload, one line each.
fn figures(results: &std::path::Path) -> Vec<u8> {
    let run = |arguments: &[&str]| {
        let output = gauntlet(results, arguments).output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    run(&["perf", "-k", KERNEL]);
    let output = run(&["report", "last", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut text = String::new();
    collect(&report, &mut text);
    assert!(!text.is_empty(), "a run without a workload says nothing");
    text.into_bytes()
}

/// The lines `workload samples`, wherever the report keeps them.
fn collect(value: &serde_json::Value, text: &mut String) {
    match value {
        serde_json::Value::Object(fields) => {
            if let (Some(name), Some(samples)) = (fields.get("workload"), fields.get("samples")) {
                text.push_str(&format!("{name} {samples}\n"));
            }
            fields.values().for_each(|field| collect(field, text));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, text)),
        _ => {}
    }
}

/// A busy loop in a session of its own: autogroup scheduling gives it a full share.
struct Hog(Child);

impl Hog {
    fn start() -> Hog {
        let child = Command::new("setsid")
            .args(["sh", "-c", "while :; do :; done"])
            .stdin(Stdio::null())
            .spawn()
            .expect("setsid is part of util-linux");
        Hog(child)
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        // setsid executes the shell in place, as it is no group leader here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
