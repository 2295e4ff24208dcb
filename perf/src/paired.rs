//! Comparing wall-clock figures: pairs of blocks, looked at whenever one likes.
//!
//! One block runs A and B at the same time on the same machine (a *duet*; Bulej et al., ICPE 2020), so that
//! whatever disturbs the machine disturbs both. Its statistic is `d = ln(B / A)` of the blocks' figures.
//!
//! **Sign e-process.** Under "the median of d is m", each d lies above m with probability 1/2. With k of n
//! above, the mixture over all coins against the fair one is
//! `E = ∫₀¹ 2ⁿ θᵏ (1−θ)ⁿ⁻ᵏ dθ = 2ⁿ · k! (n−k)! / (n+1)!`,
//! a non-negative martingale that starts at 1, so `P(E ever ≥ 1/α) ≤ α` (Ville's inequality): one may look
//! after every block and stop at will. The medians m that are not rejected form a *confidence sequence*, an
//! interval between two order statistics of d. Nothing is assumed about the distribution of d.
//!
//! **Three outcomes.** SAME when the interval lies within the tolerance: whatever difference there is does not
//! matter. DIFFERENT when it excludes 0. UNKNOWN otherwise: more blocks are needed. Even unanimous signs need
//! 11 blocks for α = 0.01.

use serde::{Deserialize, Serialize};

/// What to be sure of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Probability of ever calling two equal kernels different.
    pub alpha: f64,
    /// Relative difference that does not matter, as `|ln(B / A)|`.
    pub tolerance: f64,
}

impl Default for Paired {
    fn default() -> Paired {
        Paired { alpha: 0.01, tolerance: 0.02 }
    }
}

/// What is known after some blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    Same,
    /// B takes less time.
    Faster,
    /// B takes more time.
    Slower,
    /// More blocks are needed.
    Unknown,
}

impl Paired {
    /// Decides from the blocks' `ln(B / A)`.
    pub fn decide(&self, differences: &[f64]) -> Decision {
        let Some((low, high)) = self.interval(differences) else { return Decision::Unknown };
        if -self.tolerance <= low && high <= self.tolerance {
            Decision::Same
        } else if low > 0.0 {
            Decision::Slower
        } else if high < 0.0 {
            Decision::Faster
        } else {
            Decision::Unknown
        }
    }

    /// The confidence sequence for the median of d; infinite ends while there are too few blocks. `None`
    /// without blocks, or when a difference is no number.
    pub fn interval(&self, differences: &[f64]) -> Option<(f64, f64)> {
        let mut sorted = differences.to_vec();
        if sorted.is_empty() || sorted.iter().any(|d| d.is_nan()) {
            return None;
        }
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        // With k differences above m, k too small or too large is rejected, symmetrically.
        let limit = -self.alpha.ln();
        let Some(fewest) = (0..=n / 2).find(|k| log_e_value(n, *k) < limit) else {
            // Not even an even split is consistent: impossible, since its E is at most 1.
            return None;
        };
        let low = fewest.checked_sub(1).map_or(f64::NEG_INFINITY, |index| sorted[index]);
        let high = fewest.checked_sub(1).map_or(f64::INFINITY, |index| sorted[n - 1 - index]);
        Some((low, high))
    }
}

/// `ln(2ⁿ · k! (n−k)! / (n+1)!)`, as `n ln 2 − ln(n+1) − ln C(n, k)`.
fn log_e_value(n: usize, k: usize) -> f64 {
    let binomial: f64 = (1..=k).map(|i| ((n - k + i) as f64 / i as f64).ln()).sum();
    n as f64 * std::f64::consts::LN_2 - ((n + 1) as f64).ln() - binomial
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The defining integral, by Simpson's rule.
    fn integral(n: usize, k: usize) -> f64 {
        const STEPS: usize = 2_000;
        let f = |theta: f64| (2.0 * theta).powi(k as i32) * (2.0 * (1.0 - theta)).powi((n - k) as i32);
        let weight = |i: usize| {
            if i == 0 || i == STEPS {
                1.0
            } else if i % 2 == 1 {
                4.0
            } else {
                2.0
            }
        };
        (0..=STEPS).map(|i| weight(i) * f(i as f64 / STEPS as f64)).sum::<f64>() / (3.0 * STEPS as f64)
    }

    #[test]
    fn the_closed_form_is_the_integral() {
        for n in 0..20 {
            for k in 0..=n {
                let (closed, defined) = (log_e_value(n, k).exp(), integral(n, k));
                assert!((closed / defined - 1.0).abs() < 1e-6, "n {n} k {k}: {closed} {defined}");
            }
        }
    }

    #[test]
    fn unanimous_signs_need_eleven_blocks() {
        let rule = Paired::default();
        assert_eq!(rule.decide(&[0.5; 10]), Decision::Unknown);
        assert_eq!(rule.decide(&[0.5; 11]), Decision::Slower);
        assert_eq!(rule.decide(&[-0.5; 11]), Decision::Faster);
    }

    #[test]
    fn a_difference_within_the_tolerance_is_the_same() {
        assert_eq!(Paired::default().decide(&[0.001; 40]), Decision::Same);
        assert_eq!(Paired::default().decide(&[]), Decision::Unknown);
        assert_eq!(Paired::default().decide(&[f64::NAN; 40]), Decision::Unknown);
    }

    /// Looks after every block of fair coins; the share of sequences ever called different must not exceed α.
    #[test]
    fn looking_at_every_block_raises_no_false_alarms() {
        let rule = Paired { alpha: 0.05, tolerance: 0.0 };
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut coin = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if state >> 40 & 1 == 1 { 1.0 } else { -1.0 }
        };
        let trials = 400;
        let alarms = (0..trials)
            .filter(|_| {
                let blocks: Vec<f64> = (0..60).map(|_| coin()).collect();
                (1..=60).any(|n| matches!(rule.decide(&blocks[..n]), Decision::Faster | Decision::Slower))
            })
            .count();
        assert!(alarms <= trials / 20, "{alarms} of {trials}");
    }

    proptest! {
        #[test]
        fn the_interval_holds_exactly_the_medians_not_rejected(
            mut d in proptest::collection::vec(-1.0f64..1.0, 1..40), at in -1.0f64..1.0
        ) {
            d.sort_by(f64::total_cmp);
            prop_assume!(!d.contains(&at));
            let rule = Paired { alpha: 0.05, tolerance: 0.0 };
            let above = d.iter().filter(|x| **x > at).count();
            let rejected = log_e_value(d.len(), above) >= -rule.alpha.ln();
            let (low, high) = rule.interval(&d).unwrap();
            prop_assert_eq!(rejected, at < low || at > high);
        }
    }
}
