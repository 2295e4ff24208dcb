//! Runs encoded programs in the guest and records what came of them.
//!
//! The agent calls [`serve`] once per batch. A process of its own runs the programs, so that what they do to
//! descriptors, credentials and filters does not reach PID 1; programs that change more than descriptors run in a task of their own inside it ([`Tier`]). Nothing
//! between two programs allocates.
//!
//! [`Tier`]: gauntlet_protocol::program::Tier

mod arena;
mod batch;
mod calls;
mod isolate;
mod kcov;
mod scratch;
mod serve;
mod shared;

pub use serve::serve;

/// Where the executor notes what it is about to do, so that it is known whatever the guest dies of.
pub trait Flight {
    /// The program with this index in the batch starts.
    fn program(&self, index: u32);
    /// The call with this index in its program starts.
    fn call(&self, index: u32);
}

/// What a batch may do and collect.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Collect coverage through KCOV.
    pub kcov: bool,
    /// Run calls that end the machine.
    pub dangerous: bool,
}
