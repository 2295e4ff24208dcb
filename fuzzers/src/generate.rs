//! New programs, decided by bytes: `arbitrary::Unstructured` is the source of decisions, not the format of programs.

mod bpf;
mod choices;
mod executable;
mod filter;
mod value;

use std::sync::Arc;

use gauntlet_protocol::program::MAX_CALLS;

use crate::description::{Description, Kind};
use crate::descriptions;
use crate::program::{Call, Program};

pub use choices::Choices;

/// How deep a call that makes a resource may ask for calls that make its own.
const DEPTH: usize = 3;

/// Which calls programs are made of.
#[derive(Debug, Clone)]
pub struct Generator {
    calls: Arc<[&'static Description]>,
    total: u32,
}

impl Generator {
    /// Every call of the tables; those that end the machine only if asked for.
    pub fn new(dangerous: bool) -> Generator {
        Generator::of(descriptions::all().filter(|call| dangerous || !call.dangerous).collect())
    }

    /// These calls only.
    pub fn of(calls: Vec<&'static Description>) -> Generator {
        let total = calls.iter().map(|call| call.weight).sum();
        Generator { calls: calls.into(), total }
    }

    /// A program of 1 to `most` calls (and the calls that those need), shorter when the bytes end first.
    pub fn program(&self, choices: &mut Choices<'_>, most: usize) -> Program {
        let mut program = Program::default();
        let wanted = 1 + choices.below(most.clamp(1, MAX_CALLS));
        while program.calls.len() < wanted {
            self.extend(choices, &mut program);
            if choices.ended() {
                break;
            }
        }
        program
    }

    /// Adds one call at the end, after those that make what it needs.
    pub fn extend(&self, choices: &mut Choices<'_>, program: &mut Program) {
        let description = self.pick(choices);
        self.push(choices, program, description, DEPTH);
    }

    fn pick(&self, choices: &mut Choices<'_>) -> &'static Description {
        let mut at = choices.below(self.total.max(1) as usize) as u32;
        let found = self.calls.iter().find(|call| match at.checked_sub(call.weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        found.unwrap_or(&self.calls[0])
    }

    fn push(
        &self,
        choices: &mut Choices<'_>,
        program: &mut Program,
        description: &'static Description,
        depth: usize,
    ) -> Option<usize> {
        let mut arguments = Vec::with_capacity(description.arguments.len());
        for (_, kind) in description.arguments {
            arguments.push(self.value(choices, program, kind, depth));
        }
        if program.calls.len() >= MAX_CALLS {
            return None;
        }
        let mut call = Call { description, arguments };
        call.measure();
        program.calls.push(call);
        Some(program.calls.len() - 1)
    }

    /// A call that gives such a resource, old or new.
    fn resource(
        &self,
        choices: &mut Choices<'_>,
        program: &mut Program,
        wanted: Kind,
        depth: usize,
    ) -> Option<usize> {
        let there = program.givers(program.calls.len(), wanted);
        if !there.is_empty() && !choices.chance(1, 8) {
            return Some(there[choices.below(there.len())]);
        }
        let makers: Vec<_> =
            self.calls.iter().filter(|call| call.result.is_some_and(|kind| wanted.accepts(kind))).collect();
        if depth == 0 || makers.is_empty() || choices.chance(1, 32) {
            return None;
        }
        let maker = makers[choices.below(makers.len())];
        self.push(choices, program, maker, depth - 1)
    }
}

#[cfg(test)]
mod tests;
