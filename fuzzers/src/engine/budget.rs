//! What a program costs, and what follows for how often it is used.

use std::time::Duration;

use libafl::Error;
use libafl::corpus::Testcase;
use libafl::schedulers::TestcasePenalty;

use crate::Program;

/// Children of a parent of mean cost before the next one is chosen.
const CHILDREN: u32 = 16;
/// At most so many times more, however quick it is.
const MOST: u32 = 2 * CHILDREN;

/// Of two programs that run the same block, the one with the lower price is favored.
#[derive(Debug, Clone)]
pub(super) struct Price;

impl<S> TestcasePenalty<Program, S> for Price {
    /// Time by calls. LibAFL's own counts whole milliseconds, and most programs take none.
    fn compute(_: &S, entry: &mut Testcase<Program>) -> Result<f64, Error> {
        let time = entry.exec_time().unwrap_or_default().as_micros().max(1) as f64;
        let calls = entry.input().as_ref().map_or(1, |program| program.calls.len());
        Ok(time * calls as f64)
    }
}

/// The mean time of a program, and from it the children a parent may have: each parent gets about the same time, so
/// that the few that run into the deadline do not take half of the campaign (AFL: performance score).
#[derive(Debug, Default)]
pub(super) struct Budget {
    total: Duration,
    programs: u32,
}

impl Budget {
    pub(super) fn learn(&mut self, time: Duration) {
        self.total += time;
        self.programs = self.programs.saturating_add(1);
    }

    /// At least one.
    pub(super) fn children(&self, time: Duration) -> u32 {
        let mean = self.total / self.programs.max(1);
        if mean.is_zero() || time.is_zero() {
            return CHILDREN;
        }
        let children = f64::from(CHILDREN) * mean.as_secs_f64() / time.as_secs_f64();
        (children.round() as u32).clamp(1, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parent_gets_about_the_same_time() {
        let mut budget = Budget::default();
        assert_eq!(budget.children(Duration::from_micros(9)), CHILDREN);
        for _ in 0..100 {
            budget.learn(Duration::from_micros(1000));
        }
        assert_eq!(budget.children(Duration::from_micros(1000)), CHILDREN);
        assert_eq!(budget.children(Duration::from_micros(4000)), CHILDREN / 4);
        assert_eq!(budget.children(Duration::from_millis(200)), 1);
        assert_eq!(budget.children(Duration::from_micros(10)), MOST);
    }

    #[test]
    fn of_two_programs_the_quick_and_short_one_is_cheaper() {
        let price = |text: &str, micros| {
            let mut entry = Testcase::new(text.parse::<Program>().unwrap());
            entry.set_exec_time(Duration::from_micros(micros));
            Price::compute(&(), &mut entry).unwrap()
        };
        assert!(price("sched_yield()", 300) < price("sched_yield()", 400));
        assert!(price("sched_yield()", 300) < price("sched_yield()\nsched_yield()", 300));
    }
}
