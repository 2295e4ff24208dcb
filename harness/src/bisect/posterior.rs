//! What the log says about every candidate.
//!
//! Candidate c is the culprit: then whoever contains c is faulty and all others are sound. With unknown rates
//! the likelihood of the runs is a product of two Beta integrals, one for each side (a Beta-binomial model);
//! it depends on c only through how many runs and failures fall on the faulty side.

use super::candidates::Candidates;
use super::log::{Outcome, Point, Record};
use super::numerics::ln_beta;
use super::policy::{Policy, Rates, Seek};
use std::collections::BTreeMap;

/// How sure an exact answer is: room for one cosmic ray, so that a contradiction is improbable, not impossible.
const EXACT_DOUBT: f64 = 1e-9;

/// Runs that gave an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub failed: u32,
    pub passed: u32,
}

impl Count {
    pub(super) fn runs(self) -> u32 {
        self.failed + self.passed
    }

    fn minus(self, other: Count) -> Count {
        Count { failed: self.failed - other.failed, passed: self.passed - other.passed }
    }

    fn add(&mut self, other: Count) {
        self.failed += other.failed;
        self.passed += other.passed;
    }
}

/// The answers of the log, "failed" meaning the state that the newer side has.
pub(super) fn answers(log: &[Record], seek: Seek) -> BTreeMap<Point, Count> {
    let mut counts: BTreeMap<Point, Count> = BTreeMap::new();
    for record in log {
        let failed = match record.outcome {
            Outcome::Fail => true,
            Outcome::Pass => false,
            Outcome::OtherFail | Outcome::BuildFail | Outcome::BootFail | Outcome::Infra => continue,
        };
        let one = if failed == (seek == Seek::FirstBad) {
            Count { failed: 1, passed: 0 }
        } else {
            Count { failed: 0, passed: 1 }
        };
        counts.entry(record.point).or_default().add(one);
    }
    counts
}

/// Probabilities: one for each candidate, and one for "nothing in this range".
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    pub culprit: Vec<f64>,
    pub no_change: f64,
    /// How often a run fails where the fault is, and where it is not: means over everything still possible.
    pub faulty_rate: f64,
    pub sound_rate: f64,
}

impl Posterior {
    /// `prior` is a weight for each candidate, of any scale.
    pub fn new(candidates: &Candidates, prior: &[f64], policy: &Policy, log: &[Record]) -> Posterior {
        let answers = answers(log, policy.seek);
        let model = Model::of(policy);
        let total = answers.values().fold(Count::default(), |mut sum, count| {
            sum.add(*count);
            sum
        });
        let faulty = faulty_sides(candidates, &answers);
        // Candidates on the same side of every run share one likelihood.
        let mut likelihoods: BTreeMap<(u32, u32), f64> = BTreeMap::new();
        let mut scores: Vec<f64> = Vec::with_capacity(prior.len() + 1);
        let scale = (1.0 - policy.no_change) / prior.iter().sum::<f64>();
        for (side, weight) in faulty.iter().zip(prior) {
            let likelihood = *likelihoods
                .entry((side.failed, side.passed))
                .or_insert_with(|| model.faulty(*side) + model.sound(total.minus(*side)));
            scores.push((weight * scale).ln() + likelihood);
        }
        // All kernels are alike: all faulty (the good end was lucky) or all sound (the bad end was unlucky).
        let alike = ln_add(model.faulty(total), model.sound(total)) - std::f64::consts::LN_2;
        scores.push(policy.no_change.ln() + alike);
        let probabilities = normalised(&scores);
        let (no_change, culprit) = probabilities.split_last().expect("one score for no change");
        let mean = |rate: &dyn Fn(Count) -> f64| -> f64 {
            let weight: f64 = culprit.iter().sum();
            let sum: f64 = culprit.iter().zip(&faulty).map(|(p, side)| p * rate(*side)).sum();
            if weight > 0.0 { sum / weight } else { rate(total) }
        };
        Posterior {
            faulty_rate: mean(&|side| model.faulty_rate(side)),
            sound_rate: mean(&|side| model.sound_rate(total.minus(side))),
            culprit: culprit.to_vec(),
            no_change: *no_change,
        }
    }

    /// How likely it is that this candidate is on the faulty side.
    pub fn is_bad(&self, candidates: &Candidates, index: usize) -> f64 {
        candidates.history(index).map(|change| self.culprit[change]).sum()
    }

    /// The likeliest candidate.
    pub fn best(&self) -> (usize, f64) {
        let pairs = self.culprit.iter().copied().enumerate();
        pairs.fold((0, 0.0), |best, one| if one.1 > best.1 { one } else { best })
    }
}

/// For each candidate: the answers of whoever contains it.
fn faulty_sides(candidates: &Candidates, answers: &BTreeMap<Point, Count>) -> Vec<Count> {
    let mut sides = vec![Count::default(); candidates.len()];
    for (point, count) in answers {
        if let Point::Candidate(index) = point {
            candidates.history(*index).for_each(|change| sides[change].add(*count));
        }
    }
    sides
}

/// The rates, or what is believed about them: Beta(a, b) over the probability to fail.
struct Model {
    faulty: (f64, f64),
    sound: (f64, f64),
    exact: bool,
}

impl Model {
    fn of(policy: &Policy) -> Model {
        let (faulty, sound, exact) = match policy.rates {
            Rates::Exact => ((0.0, 0.0), (0.0, 0.0), true),
            Rates::Unknown { faulty, sound } => (faulty, sound, false),
        };
        let swap = |(a, b): (f64, f64)| (b, a);
        match policy.seek {
            Seek::FirstBad => Model { faulty, sound, exact },
            // The newer side is the sound one, and "failed" means that it passed.
            Seek::FirstGood => Model { faulty: swap(sound), sound: swap(faulty), exact },
        }
    }

    fn faulty(&self, count: Count) -> f64 {
        if self.exact { exact(count.failed, count.passed) } else { beta_binomial(self.faulty, count) }
    }

    fn sound(&self, count: Count) -> f64 {
        if self.exact { exact(count.passed, count.failed) } else { beta_binomial(self.sound, count) }
    }

    fn faulty_rate(&self, count: Count) -> f64 {
        if self.exact { 1.0 - EXACT_DOUBT } else { mean_rate(self.faulty, count) }
    }

    fn sound_rate(&self, count: Count) -> f64 {
        if self.exact { EXACT_DOUBT } else { mean_rate(self.sound, count) }
    }
}

fn exact(expected: u32, odd: u32) -> f64 {
    f64::from(expected) * (1.0 - EXACT_DOUBT).ln() + f64::from(odd) * EXACT_DOUBT.ln()
}

fn beta_binomial((a, b): (f64, f64), count: Count) -> f64 {
    ln_beta(a + f64::from(count.failed), b + f64::from(count.passed)) - ln_beta(a, b)
}

fn mean_rate((a, b): (f64, f64), count: Count) -> f64 {
    (a + f64::from(count.failed)) / (a + b + f64::from(count.runs()))
}

/// ln(exp a + exp b).
fn ln_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    high + (low - high).exp().ln_1p()
}

fn normalised(scores: &[f64]) -> Vec<f64> {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}
