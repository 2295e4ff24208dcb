//! Comparing exact figures.
//!
//! A figure in virtual time repeats to the last digit for one (kernel, image, seed). What still moves it is
//! *nuisance*: another seed gives another address layout and other hash collisions. So each kernel is measured
//! with several seeds; the *band* is the relative width over them, `(max − min) / min`, of the wider of both
//! kernels. A change is reported when `|Δ|` exceeds both
//! - `max(0.2 %, 3 · band)` of the smaller figure, and
//! - 4 instructions.
//!
//! The 0.2 % is the threshold of rustc-perf for instruction counts; over three bands, in 32 measured
//! (kernel, seed, layout) combinations, nothing but a real change came. With one seed there is no band: the
//! 0.2 % must then stand for it.

use crate::summary::median;
use serde::{Deserialize, Serialize};

/// When a difference counts as a change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Relative change that never counts, as a fraction.
    pub floor: f64,
    /// Bands that a change must exceed.
    pub bands: f64,
    /// Absolute change that never counts, in instructions: a difference must be at least this.
    pub least: u64,
}

impl Default for Rule {
    fn default() -> Rule {
        Rule { floor: 0.002, bands: 3.0, least: 4 }
    }
}

/// B against A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Same,
    /// B needs fewer instructions.
    Faster,
    /// B needs more instructions: a regression.
    Slower,
}

/// Two kernels' figures for one workload.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Median over the seeds of A's per-operation medians.
    pub a: u64,
    /// The same for B.
    pub b: u64,
    /// `b / a`.
    pub ratio: f64,
    /// Relative width over the seeds, of the wider of both.
    pub band: f64,
    /// Relative change that would have counted.
    pub threshold: f64,
    pub change: Change,
}

impl Rule {
    /// Compares the per-operation medians of two kernels, one per seed. `None` when a side has none.
    pub fn compare(&self, a: &[u64], b: &[u64]) -> Option<Comparison> {
        let band = relative_width(a)?.max(relative_width(b)?);
        let (a, b) = (median(a)?, median(b)?);
        let threshold = self.floor.max(self.bands * band);
        let delta = a.abs_diff(b);
        let base = a.min(b).max(1);
        let counts = delta >= self.least && delta as f64 / base as f64 > threshold;
        let change = match (counts, b > a) {
            (false, _) => Change::Same,
            (true, true) => Change::Slower,
            (true, false) => Change::Faster,
        };
        Some(Comparison { a, b, ratio: b as f64 / a.max(1) as f64, band, threshold, change })
    }
}

/// `(max − min) / min`; `None` without figures.
fn relative_width(figures: &[u64]) -> Option<f64> {
    let (least, most) = (figures.iter().min()?, figures.iter().max()?);
    Some((most - least) as f64 / (*least).max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change(a: &[u64], b: &[u64]) -> Change {
        Rule::default().compare(a, b).unwrap().change
    }

    #[test]
    fn measured_pairs_of_kernels_come_out_right() {
        assert_eq!(change(&[2155, 2155, 2155], &[2081, 2081, 2081]), Change::Faster);
        assert_eq!(change(&[328], &[327]), Change::Same, "one instruction of 328 is 0.3 %, but only one");
        assert_eq!(change(&[4273, 4273], &[5780, 5780]), Change::Slower);
    }

    #[test]
    fn a_wide_band_swallows_a_change() {
        assert_eq!(change(&[10_000], &[10_100]), Change::Slower);
        assert_eq!(change(&[10_000, 9_960, 10_000], &[10_100; 3]), Change::Same);
    }

    #[test]
    fn without_figures_there_is_no_comparison() {
        assert_eq!(Rule::default().compare(&[], &[1]), None);
    }

    proptest! {
        #[test]
        fn a_kernel_never_differs_from_itself(figures in proptest::collection::vec(any::<u64>(), 1..9)) {
            prop_assert_eq!(change(&figures, &figures), Change::Same);
        }

        #[test]
        fn swapping_the_kernels_swaps_the_verdict(
            a in proptest::collection::vec(1u64..1_000_000, 1..6), b in proptest::collection::vec(1u64..1_000_000, 1..6)
        ) {
            let swapped = match change(&b, &a) {
                Change::Same => Change::Same,
                Change::Faster => Change::Slower,
                Change::Slower => Change::Faster,
            };
            prop_assert_eq!(change(&a, &b), swapped);
        }

        #[test]
        fn seeds_of_one_kernel_never_differ_among_themselves(
            figures in proptest::collection::vec(1000u64..2000, 2..9), split in 1usize..8
        ) {
            let split = split.min(figures.len() - 1);
            // Even if all seeds of one "kernel" fell on one side, three bands of the whole are not exceeded
            // unless each half is much narrower than the whole.
            let whole = Rule::default().compare(&figures, &figures).unwrap();
            let halves = Rule::default().compare(&figures[..split], &figures[split..]).unwrap();
            let delta = halves.a.abs_diff(halves.b) as f64 / halves.a.min(halves.b) as f64;
            prop_assert!(delta <= whole.band + 1e-9);
        }
    }
}
