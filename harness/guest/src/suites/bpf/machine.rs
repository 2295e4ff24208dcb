//! A bench for instructions: operands come from a map, so that the verifier cannot work the result out before,
//! and results go back into it, so that all 64 bits are seen.

use super::support::{accepted, create, run};
use crate::Stop;
use crate::bpf::{Instruction, Map, MapKind, MapSpec, ProgramKind, Register::*, Width};
use crate::case::{setup, succeeds};
use std::os::fd::OwnedFd;

/// Words of the map: two operands, the result, the memory that atomics work on.
const WORDS: u32 = 4;

/// A loaded instruction sequence with its memory.
#[derive(Debug)]
pub struct Machine {
    map: Map,
    program: OwnedFd,
}

/// What is left after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// R2 at the end.
    pub result: u64,
    pub memory: u64,
}

impl Machine {
    /// Wraps a sequence that finds its operands in R2 and R3, the address of memory in R6, and leaves its result in
    /// R2.
    pub fn new(what: &str, body: &[Instruction]) -> Result<Machine, Stop> {
        let map = create(MapSpec::new(MapKind::Array, 4, WORDS * 8, 1))?;
        let program = accepted(
            what,
            ProgramKind::SocketFilter,
            &crate::code![
                Instruction::load_map_value(R7, &map, 0),
                Instruction::mov(R6, R7),
                Instruction::add(R6, 24),
                Instruction::load(Width::Double, R2, R7, 0),
                Instruction::load(Width::Double, R3, R7, 8),
                body.iter().copied(),
                Instruction::store(Width::Double, R7, 16, R2),
                Instruction::mov(R0, 1),
                Instruction::exit(),
            ],
        )?;
        Ok(Machine { map, program })
    }

    /// Runs once.
    pub fn run(&self, first: u64, second: u64, memory: u64) -> Result<State, Stop> {
        // The result's place starts with a pattern, so that a store that never happened shows.
        let words = [first, second, 0xdead_dead_dead_dead, memory];
        setup("operands", self.map.update_u64(0, &words))?;
        crate::check_eq!(run(&self.program)?, 1, "return value of a program that ends with r0 = 1");
        let words = succeeds("results", self.map.lookup_u64(0))?;
        Ok(State { result: words[2], memory: words[3] })
    }

    pub fn result(&self, first: u64, second: u64) -> Result<u64, Stop> {
        self.run(first, second, 0).map(|state| state.result)
    }
}
