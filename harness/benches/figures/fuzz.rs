//! Fuzzing the unmodified kernel: what comes out of sixty seconds.

use crate::sample::Row;
use crate::setup::{KERNEL, gauntlet};

pub fn measure() -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let corpus = folder.path().join("corpus");
    let corpus = corpus.to_string_lossy();
    let arguments = ["fuzz", "-k", KERNEL, "--time", "60s", "--corpus", &corpus, "--json"];
    let output = gauntlet(folder.path(), &arguments).output().expect("the program starts");
    let report: serde_json::Value = match serde_json::from_slice(&output.stdout) {
        Ok(report) => report,
        Err(_) => panic!("fuzz gave no JSON: {}", String::from_utf8_lossy(&output.stderr)),
    };
    let field = |name: &str| report.get(name).map(ToString::to_string).unwrap_or_else(|| "-".to_owned());
    let row = |what: &str, name: &str, aim| Row {
        what: what.to_owned(),
        value: field(name),
        aim,
        reference: String::new(),
        n: 1,
    };
    vec![
        row("programs per second, results returned", "programs_per_second", "1000"),
        row("calls per program", "calls_per_program", "-"),
        row("edges after 60 s", "edges", "-"),
    ]
}
