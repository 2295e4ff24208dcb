//! Fuzzing the unmodified kernel: speed with and without the plugin, and what sixty seconds reach.

use crate::sample::{Row, quantile};
use crate::setup::{KERNEL, gauntlet};
use serde_json::Value;

/// Pairs of short campaigns, alternating, so that a busy minute of the host's hits both alike.
const ROUNDS: usize = 3;

pub fn measure() -> Vec<Row> {
    let (mut guided, mut blind) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        guided.push(number(&campaign("20s", &[]), "programs_per_second"));
        blind.push(number(&campaign("20s", &["--no-coverage"]), "programs_per_second"));
    }
    let (guided, blind) = (quantile(&mut guided, 0.5), quantile(&mut blind, 0.5));
    let long = campaign("60s", &[]);
    let row = |what: &str, value: String, aim, reference, n| Row {
        what: what.to_owned(),
        value,
        aim,
        reference,
        n,
    };
    vec![
        row(
            "programs per second, results returned",
            format!("{guided:.0}"),
            "1000",
            format!("{:.2}x of the {blind:.0} without the plugin", guided / blind),
            ROUNDS,
        ),
        row(
            "calls per program",
            format!("{:.1}", number(&long, "calls_per_program")),
            "-",
            format!("{:.0} calls per second", number(&long, "calls_per_program") * guided),
            1,
        ),
        row(
            "kernel blocks after 60 s",
            format!("{:.0}", number(&long, "blocks")),
            "-",
            format!("{:.0} programs in the corpus", number(&long, "corpus")),
            1,
        ),
    ]
}

/// One campaign from an empty corpus.
fn campaign(time: &str, more: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let corpus = folder.path().join("corpus");
    let corpus = corpus.to_string_lossy();
    let mut arguments = vec!["fuzz", "-k", KERNEL, "--time", time, "--corpus", &corpus, "--json"];
    arguments.extend(more);
    let output = gauntlet(folder.path(), &arguments).output().expect("the program starts");
    match serde_json::from_slice::<Vec<Value>>(&output.stdout) {
        Ok(mut outcomes) if outcomes.len() == 1 => outcomes.remove(0),
        _ => panic!("fuzz gave no JSON: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn number(outcome: &Value, name: &str) -> f64 {
    outcome[name].as_f64().unwrap_or_else(|| panic!("no figure {name} in {outcome}"))
}
