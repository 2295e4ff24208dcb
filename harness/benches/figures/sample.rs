//! Samples to figures.

use std::fmt;

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    pub what: String,
    pub value: String,
    /// The promise, for comparison.
    pub aim: &'static str,
    /// Against what, measured in the same run.
    pub reference: String,
    pub n: usize,
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { what, value, aim, reference, n } = self;
        write!(formatter, "{what:<44} {value:>12}  aim {aim:<12} n={n:<5} {reference}")
    }
}

/// The value below which `share` of the samples lie (nearest rank).
pub fn quantile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let rank = (share * samples.len() as f64).ceil() as usize;
    samples.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

pub fn milliseconds(value: f64) -> String {
    format!("{value:.1} ms")
}
