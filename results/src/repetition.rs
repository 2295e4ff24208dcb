//! A case that ran several times: how often it failed, and whether the seed decides. A flake is found, not hidden:
//! the result is the worst of its repetitions, and says how many there were.

use crate::{TestResult, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One of the times a case ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repetition {
    /// Counted from 1.
    pub number: u32,
    pub seed: u64,
    pub verdict: Verdict,
    /// As [`TestResult::fingerprint`].
    pub fingerprint: String,
}

impl TestResult {
    /// This result as one of several of its case.
    #[must_use]
    pub fn repeated(mut self, number: u32) -> TestResult {
        let (seed, verdict, fingerprint) = (self.seed, self.verdict, self.fingerprint.clone());
        self.repetitions = vec![Repetition { number, seed, verdict, fingerprint }];
        self
    }

    /// This result, of which `earlier` is what is known so far: the worst of all repetitions is told, with all of
    /// them listed. The last word on a repetition counts, so a resumed run may repeat itself. A case that is not
    /// repeated replaces what was there.
    pub(crate) fn after(self, earlier: &TestResult) -> TestResult {
        if self.repetitions.is_empty() || earlier.repetitions.is_empty() {
            return self;
        }
        let replaced = |one: &&Repetition| !self.repetitions.iter().any(|new| new.number == one.number);
        let mut all: Vec<Repetition> = earlier.repetitions.iter().filter(replaced).cloned().collect();
        all.extend(self.repetitions.iter().cloned());
        all.sort_by_key(|one| one.number);
        let worst = all.iter().map(|one| one.verdict).max().unwrap_or(self.verdict);
        let mut told = match (self.verdict == worst, earlier.verdict == worst) {
            (true, false) => self,
            (_, true) => earlier.clone(),
            (false, false) => {
                TestResult { verdict: worst, reason: "told by no repetition that is kept".to_owned(), ..self }
            }
        };
        told.repetitions = all;
        told
    }
}

/// How often a case failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    pub failed: u32,
    /// How many repetitions say something about the kernel: neither skipped nor lost to infrastructure.
    pub of: u32,
    pub seeds: Seeds,
}

/// What the seed has to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seeds {
    /// One seed, or seeds that decide nothing because time is not virtual.
    Same,
    /// Every seed always came to the same: these fail, the others never do.
    Decide { failing: Vec<u64>, seeds: usize },
    /// This one came to different ends, though all was the same.
    Disagree { seed: u64, failed: u32, of: u32 },
    /// Each ran only once.
    Once { failing: Vec<u64>, seeds: usize },
}

/// How many seeds are named before the rest is counted.
const NAMED: usize = 8;

impl Rate {
    /// None for a case that was not repeated.
    pub fn of(result: &TestResult) -> Option<Rate> {
        let telling = |one: &&Repetition| !matches!(one.verdict, Verdict::Infra | Verdict::Skip);
        let told: Vec<&Repetition> = result.repetitions.iter().filter(telling).collect();
        if result.repetitions.is_empty() {
            return None;
        }
        let failed = told.iter().filter(|one| one.verdict.is_failure()).count() as u32;
        let seeds = if result.exact { seeds(&told) } else { Seeds::Same };
        Some(Rate { failed, of: told.len() as u32, seeds })
    }

    /// Failed sometimes.
    pub fn is_flaky(&self) -> bool {
        self.failed > 0 && self.failed < self.of
    }

    /// For people: `3 of 20 failed; the seed decides: 3, 7 and 12 fail, 17 others never do`.
    pub fn sentence(&self) -> String {
        let rate = format!("{} of {} failed", self.failed, self.of);
        match &self.seeds {
            Seeds::Same => rate,
            _ if self.failed == 0
                || self.failed == self.of && !matches!(self.seeds, Seeds::Disagree { .. }) =>
            {
                format!("{rate}, with every seed")
            }
            Seeds::Decide { failing, seeds } => format!(
                "{rate}; the seed decides: {} always, the other {} never",
                listed(failing),
                seeds - failing.len()
            ),
            Seeds::Disagree { seed, failed, of } => format!(
                "{rate}; the seed does not decide: seed {seed} failed {failed} of {of} times, though nothing differed"
            ),
            Seeds::Once { failing, seeds } => {
                format!("{rate}: {} of {seeds} seeds, each tried once", listed(failing))
            }
        }
    }
}

fn seeds(told: &[&Repetition]) -> Seeds {
    let mut by_seed: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
    for one in told {
        let (failed, of) = by_seed.entry(one.seed).or_default();
        *failed += u32::from(one.verdict.is_failure());
        *of += 1;
    }
    if let Some((seed, (failed, of))) = by_seed.iter().find(|(_, (failed, of))| *failed > 0 && failed < of) {
        return Seeds::Disagree { seed: *seed, failed: *failed, of: *of };
    }
    let failing = by_seed.iter().filter(|(_, (failed, _))| *failed > 0).map(|(seed, _)| *seed).collect();
    let seeds = by_seed.len();
    match by_seed.values().all(|(_, of)| *of == 1) {
        _ if seeds < 2 => Seeds::Same,
        true => Seeds::Once { failing, seeds },
        false => Seeds::Decide { failing, seeds },
    }
}

/// `seed 3`, `seeds 3, 7 and 12`, `12 seeds`.
fn listed(seeds: &[u64]) -> String {
    let names: Vec<String> = seeds.iter().map(u64::to_string).collect();
    match names.as_slice() {
        [one] => format!("seed {one}"),
        [most @ .., last] if names.len() <= NAMED => format!("seeds {} and {last}", most.join(", ")),
        _ => format!("{} seeds (first {})", names.len(), names.first().map_or("", String::as_str)),
    }
}

#[cfg(test)]
mod tests;
