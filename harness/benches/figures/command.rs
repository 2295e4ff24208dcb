//! One named case on a warm kernel, as a person types it: from exec to exit.

use crate::sample::{Row, milliseconds, quantile};
use crate::setup::{KERNEL, gauntlet};
use std::time::Instant;

const N: usize = 200;

pub fn measure() -> Vec<Row> {
    let results = tempfile::tempdir().expect("a temporary folder");
    let one = || {
        let started = Instant::now();
        let status = gauntlet(results.path(), &["test", "-k", KERNEL, "getrandom/unknown_flag_is_refused"])
            .output()
            .expect("the program starts")
            .status;
        assert!(status.success(), "{status}");
        started.elapsed().as_secs_f64() * 1000.0
    };
    one();
    let mut samples: Vec<f64> = (0..N).map(|_| one()).collect();
    let mut bare: Vec<f64> = (0..20).map(|_| version(results.path())).collect();
    vec![Row {
        what: "one named case, typing to verdict, p50".to_owned(),
        value: milliseconds(quantile(&mut samples, 0.5)),
        aim: "200 ms",
        reference: format!(
            "p99 {}; the program alone (--version) {}",
            milliseconds(quantile(&mut samples, 0.99)),
            milliseconds(quantile(&mut bare, 0.5))
        ),
        n: N,
    }]
}

fn version(results: &std::path::Path) -> f64 {
    let started = Instant::now();
    let _ = gauntlet(results, &["completions", "bash"]).output();
    started.elapsed().as_secs_f64() * 1000.0
}
