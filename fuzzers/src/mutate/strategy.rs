//! The strategies.

use gauntlet_protocol::program::MAX_CALLS;

use super::tweak;
use crate::Program;
use crate::description::Type;
use crate::generate::{Choices, Generator};

type Change = fn(&mut Choices<'_>, &Generator, &mut Program, &Program);

/// One way to change a program.
#[derive(Debug)]
pub struct Strategy {
    pub name: &'static str,
    /// How often it is taken, relative to the others.
    pub weight: u32,
    change: Change,
}

impl Strategy {
    /// Applies this strategy to a program of at least one call.
    pub(super) fn apply(
        &self,
        choices: &mut Choices<'_>,
        generator: &Generator,
        program: &mut Program,
        donor: &Program,
    ) {
        (self.change)(choices, generator, program, donor);
    }
}

/// Weights after syzkaller's (splice 200, insert 100, argument 100, remove 10), with arguments above the rest: our
/// programs are shorter.
pub const STRATEGIES: &[Strategy] = &[
    Strategy { name: "insert", weight: 100, change: insert },
    Strategy { name: "splice", weight: 60, change: splice },
    Strategy { name: "reroll", weight: 80, change: reroll },
    Strategy { name: "tweak", weight: 160, change: tweak_one },
    Strategy { name: "rebind", weight: 30, change: rebind },
    Strategy { name: "duplicate", weight: 20, change: duplicate },
    Strategy { name: "remove", weight: 20, change: remove },
];

/// Takes one strategy by weight and applies it.
pub(super) fn apply(
    choices: &mut Choices<'_>,
    generator: &Generator,
    program: &mut Program,
    donor: &Program,
) {
    if program.calls.is_empty() {
        return insert(choices, generator, program, donor);
    }
    let total: u32 = STRATEGIES.iter().map(|strategy| strategy.weight).sum();
    let mut at = choices.below(total as usize) as u32;
    for strategy in STRATEGIES {
        match at.checked_sub(strategy.weight) {
            Some(rest) => at = rest,
            None => return strategy.apply(choices, generator, program, donor),
        }
    }
}

/// A new call somewhere, after the calls it needs. What stood behind it stays behind it.
fn insert(choices: &mut Choices<'_>, generator: &Generator, program: &mut Program, _: &Program) {
    // Late places are likelier: the state built so far is what makes a new call interesting.
    let length = program.calls.len();
    let place = choices.below(length + 1).max(choices.below(length + 1));
    let mut head = program.clone();
    head.truncate(place);
    generator.extend(choices, &mut head);
    for index in place..head.calls.len() {
        program.insert(index, head.calls[index].clone());
    }
}

/// The calls of another program behind ours, or in the middle of it.
fn splice(choices: &mut Choices<'_>, _: &Generator, program: &mut Program, donor: &Program) {
    let keep = 1 + choices.below(program.calls.len());
    program.truncate(keep);
    program.append(donor);
}

/// One argument anew.
fn reroll(choices: &mut Choices<'_>, generator: &Generator, program: &mut Program, _: &Program) {
    let at = choices.below(program.calls.len());
    let mut head = program.clone();
    head.truncate(at);
    let description = program.calls[at].description;
    if description.arguments.is_empty() {
        return;
    }
    let which = choices.below(description.arguments.len());
    let kind = &description.arguments[which].1;
    let value = generator.value(choices, &mut head, kind, 2);
    let added = head.calls.len() - at;
    if program.calls.len() + added > MAX_CALLS {
        return;
    }
    for index in at..head.calls.len() {
        program.insert(index, head.calls[index].clone());
    }
    let call = &mut program.calls[at + added];
    call.arguments[which] = value;
    if !matches!(kind, Type::LengthOf(_) | Type::CountOf(_)) {
        call.measure();
    }
}

/// A small change of one argument: a flag, a bit, a byte, a bound.
fn tweak_one(choices: &mut Choices<'_>, _: &Generator, program: &mut Program, _: &Program) {
    let at = choices.below(program.calls.len());
    tweak::call(choices, &mut program.calls[at]);
}

/// A reference to another resource that serves as well.
fn rebind(choices: &mut Choices<'_>, _: &Generator, program: &mut Program, _: &Program) {
    let at = choices.below(program.calls.len());
    let mut call = program.calls[at].clone();
    call.visit_references(&mut |reference| {
        let there = program.givers(at, reference.wanted());
        if let Some(target) = choices.pick(&there) {
            reference.point_to(Some(target));
        }
    });
    program.calls[at] = call;
}

/// The same call twice: double closes, double frees.
fn duplicate(choices: &mut Choices<'_>, _: &Generator, program: &mut Program, _: &Program) {
    let at = choices.below(program.calls.len());
    let call = program.calls[at].clone();
    program.insert(at + 1, call);
}

fn remove(choices: &mut Choices<'_>, _: &Generator, program: &mut Program, _: &Program) {
    if program.calls.len() > 1 {
        program.remove(choices.below(program.calls.len()));
    }
}
