//! Fuzz programs on the wire: what the host writes into bulk and what the executor writes back.
//!
//! ```text
//! batch    magic u64 · cookie u64 · count u64 · program*
//! program  head u64 (bytes of operations in 0..32, tier in 32..40) · operation*
//! record   magic u32, program u32 · cookie u64 · calls u32, flags u32 · coverage u32, 0 u32
//!          · errno u32 per call · program counter u32 per covered block · padding · checksum u64
//! ```
//! Everything is little-endian and a multiple of eight bytes. Pointers are offsets into the executor's *arena*,
//! so a program is position-independent and cannot name memory of the executor.

mod read;
mod record;
mod write;

pub use read::{Operations, Programs, ReadError};
pub use record::{Ran, Record, RecordWriter, Records, record_size};
pub use write::{BatchWriter, ProgramWriter};

/// First word of a batch.
pub const BATCH_MAGIC: u64 = u64::from_le_bytes(*b"GNTBATCH");
/// First half-word of a record.
pub const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"GREC");

/// Calls that one program may hold; a call's index is also the slot of its result.
pub const MAX_CALLS: usize = 32;
/// The x86-64 system call convention passes six arguments.
pub const MAX_ARGUMENTS: usize = 6;

/// Where the arena is mapped in the executor, and in a C reproducer: far from where Linux puts anything itself.
pub const ARENA_ADDRESS: u64 = 0x10_0000_0000;
/// Bytes of the arena that programs use for their data.
pub const ARENA_SIZE: u32 = 256 << 10;
/// Offset, from the arena's start, of the window that programs map over with `MAP_FIXED`.
pub const WINDOW_OFFSET: u32 = 1 << 20;
/// Bytes of that window.
pub const WINDOW_SIZE: u32 = 1 << 20;

/// Calls with a number from here on are not system calls but steps the executor knows.
pub const PSEUDO_CALLS: u32 = 0x1_0000;
/// Pseudo call: writes one byte (its first argument) to `/proc/sysrq-trigger`. Runs only in dangerous batches.
pub const PSEUDO_SYSRQ: u32 = PSEUDO_CALLS;

/// The result of a call that did not run, or whose outcome nobody saw.
pub const NOT_RUN: u32 = u32::MAX;

/// Flags of a record.
pub mod flag {
    /// The coverage buffer was full: some blocks are missing.
    pub const COVERAGE_CUT: u32 = 1;
    /// The program's own task ended by a signal before its last call returned.
    pub const KILLED: u32 = 2;
    /// The executor had to interrupt the program.
    pub const TIMED_OUT: u32 = 4;
    /// The program was refused: bytes that no host of this version writes.
    pub const MALFORMED: u32 = 8;
}

/// How much a program must be kept apart from the executor, cheapest first. The costs (per second, one TCG
/// vCPU): 9,600–40,000, 2,100–5,300 and 600–1,000 programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tier {
    /// In the executor's own task: only file descriptors and the arena change.
    InProcess = 0,
    /// `clone(CLONE_VM | CLONE_VFORK)`: own credentials, filters, scheduling, directory and descriptors.
    Task = 1,
    /// `fork`: own memory too.
    Process = 2,
}

impl Tier {
    /// The tier a byte stands for.
    pub fn from_byte(byte: u8) -> Option<Tier> {
        Some(match byte {
            0 => Tier::InProcess,
            1 => Tier::Task,
            2 => Tier::Process,
            _ => return None,
        })
    }
}

/// One argument of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    Number(u64),
    /// The address of this offset of the arena.
    Pointer(u32),
    /// The result of an earlier call, or `fallback` when that call failed.
    Slot {
        slot: u8,
        fallback: i32,
    },
}

/// One step of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Copies bytes into the arena.
    Data { offset: u32, bytes: &'a [u8] },
    /// Stores an earlier call's result into the arena, in four bytes.
    Result { offset: u32, slot: u8, fallback: i32 },
    /// Stores the address of `target` into the arena, in eight bytes.
    Address { offset: u32, target: u32 },
    /// Makes a system call.
    Call { number: u32, arguments: [Argument; MAX_ARGUMENTS], count: usize },
}

mod code {
    pub(super) const DATA: u64 = 1;
    pub(super) const RESULT: u64 = 2;
    pub(super) const ADDRESS: u64 = 3;
    pub(super) const CALL: u64 = 4;
}

#[cfg(test)]
mod tests;
