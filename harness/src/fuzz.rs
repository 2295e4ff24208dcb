//! Fuzzing: clones as the targets of the campaign in `gauntlet-fuzzers`.

mod account;
pub mod keep;
mod machine;
mod watch;

pub use account::{Account, account};
pub use machine::{Machine, MachineOptions};
pub use watch::{Summary, Watcher};
