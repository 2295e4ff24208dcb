use proptest::prelude::*;

use super::*;
use crate::target::{BatchResult, Crash};

proptest! {
    /// Against brute force: for a monotone predicate (a set of needed items) the answer is that very set.
    #[test]
    fn ddmin_keeps_exactly_what_is_needed(length in 0usize..24, needed in proptest::collection::btree_set(0usize..24, 0..6)) {
        let items: Vec<usize> = (0..length).collect();
        let needed: Vec<usize> = needed.into_iter().filter(|item| *item < length).collect();
        let fails = |some: &[usize]| needed.iter().all(|item| some.contains(item));
        let kept = ddmin::<_, ()>(&items, &mut |some| Ok(fails(some))).unwrap();
        prop_assert_eq!(kept, needed);
    }

    /// For any predicate that holds for the whole, the answer still fails and no single item can go.
    #[test]
    fn ddmin_is_one_minimal(length in 1usize..10, table in proptest::collection::vec(any::<bool>(), 1024)) {
        let items: Vec<usize> = (0..length).collect();
        let mask = |some: &[usize]| some.iter().fold(0usize, |mask, item| mask | 1 << item);
        let whole = mask(&items);
        let fails = |some: &[usize]| mask(some) == whole || table[mask(some)];
        let kept = ddmin::<_, ()>(&items, &mut |some| Ok(fails(some))).unwrap();
        prop_assert!(fails(&kept));
        for gone in 0..kept.len() {
            let mut fewer = kept.clone();
            fewer.remove(gone);
            prop_assert!(!fails(&fewer));
        }
    }
}

/// Crashes when a program with `dup` runs after one with `eventfd2` on the same machine.
#[derive(Debug, Default)]
struct Stateful {
    armed: bool,
    renewed: u32,
}

impl Target for Stateful {
    fn run_batch(&mut self, programs: &[Program]) -> Result<BatchResult, TargetError> {
        for program in programs {
            let has = |name: &str| program.calls.iter().any(|call| call.description.name == name);
            if self.armed && has("dup") {
                let crash = Crash {
                    title: "WARNING in dup".into(),
                    program: None,
                    call: None,
                    report: String::new(),
                };
                return Ok(BatchResult { crash: Some(crash), ..BatchResult::default() });
            }
            self.armed |= has("eventfd2");
        }
        Ok(BatchResult::default())
    }

    fn renew(&mut self) -> Result<(), TargetError> {
        self.armed = false;
        self.renewed += 1;
        Ok(())
    }
}

fn found(program: &str, before: &[&str]) -> Found {
    Found {
        crash: Crash { title: "WARNING in dup".into(), program: None, call: None, report: "WARNING".into() },
        program: program.parse().unwrap(),
        before: before.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

const NOISE: &str = "sched_yield()";

#[test]
fn a_crash_that_needs_an_earlier_program_keeps_only_that() {
    let found = found(
        "close(0xffffffffffffffff)\ndup(0xffffffffffffffff)",
        &[NOISE, NOISE, "eventfd2(0x0, 0x800)", NOISE, NOISE],
    );
    let report = triage(&mut Stateful::default(), &found, 100).unwrap();
    let texts: Vec<String> = report.programs.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["r0 = eventfd2(0x0, 0x800)\n", "r0 = dup(0xffffffffffffffff)\n"]);
    assert_eq!((report.reproduced, report.attempts), (3, 3));
}

#[test]
fn a_crash_that_does_not_come_again_says_so_and_keeps_the_program() {
    let text = "close(0xffffffffffffffff)\ndup(0xffffffffffffffff)";
    let report = triage(&mut Stateful::default(), &found(text, &[NOISE]), 100).unwrap();
    assert_eq!(report.programs, vec![text.parse().unwrap()]);
    assert_eq!(report.reproduced, 0);
}

#[test]
fn the_budget_bounds_the_clones() {
    let before: Vec<&str> = std::iter::repeat_n(NOISE, 60).chain(["eventfd2(0x0, 0x800)"]).collect();
    let mut target = Stateful::default();
    let report = triage(&mut target, &found("dup(0xffffffffffffffff)", &before), 5).unwrap();
    assert_eq!(report.runs, 5 + report.attempts);
    assert_eq!(report.reproduced, 3, "what the budget left over must still crash");
}
