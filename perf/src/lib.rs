//! What figures mean: summaries, change detection, and which functions account for a change.
//!
//! Two channels, because two kinds of figure exist:
//! - [`exact`]: instructions per operation in virtual time. Nothing is random, so there is no p-value: a change
//!   is real, and the only question is whether it is larger than what address layout and seed do by themselves.
//! - [`paired`]: wall clock. Everything is random, so blocks are compared in pairs and a verdict may be looked
//!   at after every block without raising the rate of false alarms.
//!
//! Architecture invariant: pure. Data in, data out; no clock, no file, no process.

pub mod attribution;
pub mod exact;
pub mod paired;
pub mod summary;

pub use attribution::{Contribution, Profile, contributions, representative};
pub use exact::{Change, Comparison, Rule};
pub use paired::{Decision, Paired};
pub use summary::{Summary, median};
