//! The HTML page of a big run: 20 kernels, 400 cases, every tenth result a crash with a console.

use crate::sample::{Row, milliseconds, quantile};
use gauntlet_results::RunRecord;
use gauntlet_results::report::{Format, Options};
use std::time::Instant;

#[path = "../../../results/tests/support/mod.rs"]
mod support;

const ROUNDS: usize = 20;

pub fn measure() -> Vec<Row> {
    let record = support::sample::big(20, 400);
    let (html, size) = render(&record, Format::Html);
    let (json, json_size) = render(&record, Format::Json);
    let what = "page of 20 kernels x 400 cases";
    vec![
        Row {
            what: format!("{what}: time"),
            value: milliseconds(html),
            aim: "1 s",
            reference: format!("the same as JSON: {}", milliseconds(json)),
            n: ROUNDS,
        },
        Row {
            what: format!("{what}: size"),
            value: megabytes(size),
            aim: "2 MB",
            reference: format!("the same as JSON: {}", megabytes(json_size)),
            n: 1,
        },
    ]
}

/// Median time, and size.
fn render(record: &RunRecord, format: Format) -> (f64, usize) {
    let mut size = 0;
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            size = std::hint::black_box(format.render(record, &Options::default())).len();
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    (quantile(&mut times, 0.5), size)
}

fn megabytes(bytes: usize) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}
