//! Trying programs in fresh clones.

use super::minimise::ddmin;
use crate::Program;
use crate::target::{Target, TargetError};

/// Tries of the culprit alone before the programs that ran before it are suspected.
const ALONE: u32 = 2;

/// A target, the title wanted, and a budget of clones.
pub(super) struct Laboratory<'a> {
    target: &'a mut dyn Target,
    title: &'a str,
    left: u32,
    runs: u32,
}

impl<'a> Laboratory<'a> {
    pub(super) fn new(target: &'a mut dyn Target, title: &'a str, budget: u32) -> Laboratory<'a> {
        Laboratory { target, title, left: budget, runs: 0 }
    }

    pub(super) fn runs(&self) -> u32 {
        self.runs
    }

    /// Whether these programs give the title in a fresh clone. Always, outside the budget.
    pub(super) fn verify(&mut self, programs: &[Program]) -> Result<bool, TargetError> {
        self.runs += 1;
        self.target.renew()?;
        let result = self.target.run_batch(programs)?;
        Ok(result.crash.is_some_and(|crash| crash.title == self.title))
    }

    /// The same within the budget: nothing crashes any more once it is spent, so minimisation stops where it is.
    pub(super) fn crashes(&mut self, programs: &[Program]) -> Result<bool, TargetError> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                self.verify(programs)
            }
            None => Ok(false),
        }
    }

    /// The programs needed: the culprit alone if that does it, else it and the fewest of those before it, else the
    /// culprit as it is, unreproduced.
    pub(super) fn needed(
        &mut self,
        culprit: &Program,
        before: &[Program],
    ) -> Result<Vec<Program>, TargetError> {
        let alone = vec![culprit.clone()];
        for _ in 0..ALONE {
            if self.crashes(&alone)? {
                return Ok(alone);
            }
        }
        let with = |some: &[Program]| {
            let mut all = some.to_vec();
            all.push(culprit.clone());
            all
        };
        if before.is_empty() || !self.crashes(&with(before))? {
            return Ok(alone);
        }
        let fewest = ddmin(before, &mut |some| self.crashes(&with(some)))?;
        Ok(with(&fewest))
    }
}
