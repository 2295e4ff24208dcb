//! Changing programs: a table of strategies with weights.

mod strategy;
mod tweak;

use std::borrow::Cow;

use libafl::Error;
use libafl::corpus::{Corpus, CorpusId};
use libafl::mutators::{MutationResult, Mutator};
use libafl::state::{HasCorpus, HasRand};
use libafl_bolts::Named;
use libafl_bolts::rands::Rand;

use crate::Program;
use crate::generate::{Choices, Generator};

pub use strategy::{STRATEGIES, Strategy};

/// Bytes of decisions that one mutation may use.
const DECISIONS: usize = 1024;

/// LibAFL's view of the strategies.
#[derive(Debug)]
pub struct ProgramMutator {
    generator: Generator,
    /// Longest program that mutation makes.
    most: usize,
}

impl ProgramMutator {
    pub fn new(generator: Generator, most: usize) -> ProgramMutator {
        ProgramMutator { generator, most }
    }
}

impl Named for ProgramMutator {
    fn name(&self) -> &Cow<'static, str> {
        &Cow::Borrowed("program")
    }
}

/// Decision bytes from the state's generator of random numbers, so that the seed decides everything.
pub(crate) fn decisions<R: Rand>(random: &mut R, length: usize) -> Vec<u8> {
    (0..length.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).collect()
}

impl<S: HasRand + HasCorpus<Program>> Mutator<Program, S> for ProgramMutator {
    fn mutate(&mut self, state: &mut S, program: &mut Program) -> Result<MutationResult, Error> {
        let donor = donor(state)?;
        let bytes = decisions(state.rand_mut(), DECISIONS);
        let mut choices = Choices::new(&bytes);
        let before = program.clone();
        // One strategy most of the time, more with falling odds: big steps are seldom good ones.
        loop {
            strategy::apply(&mut choices, &self.generator, program, &donor);
            program.truncate(self.most);
            if choices.ended() || !choices.chance(1, 3) {
                break;
            }
        }
        Ok(if *program == before { MutationResult::Skipped } else { MutationResult::Mutated })
    }

    fn post_exec(&mut self, _: &mut S, _: Option<CorpusId>) -> Result<(), Error> {
        Ok(())
    }
}

/// Some program of the corpus, to splice from.
fn donor<S: HasRand + HasCorpus<Program>>(state: &mut S) -> Result<Program, Error> {
    let count = state.corpus().count();
    if count == 0 {
        return Ok(Program::default());
    }
    let nth = (state.rand_mut().next() % count as u64) as usize;
    let id = state.corpus().nth(nth);
    state.corpus().cloned_input_for_id(id)
}

#[cfg(test)]
mod tests;
