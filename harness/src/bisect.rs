//! Finding the commit or the build that changed a behaviour, with a stated confidence.
//!
//! [`Search`] is a pure state machine: it says what to run, is told what came of it, and stops when one
//! candidate is likely enough. What it knows is a function of its log, so a search can be resumed. Runs may
//! fail by chance (flakes), pass by chance, or give no answer at all; builds may break. A plain binary search
//! trusts every single answer: over 1,024 commits a test that passes three times in ten by chance leads it to
//! the right one in one case out of five.
//!
//! Architecture invariant: the search and all it uses are pure; only `drive` and `question` boot anything, and
//! `git` only reads history.

mod candidates;
pub mod drive;
pub mod git;
mod log;
mod numerics;
mod policy;
mod posterior;
pub mod question;
mod search;
pub mod source;

pub use candidates::{Candidate, Candidates};
pub use log::{Outcome, Point, Record, git_bisect_log};
pub use policy::{Policy, Rates, Seek};
pub use posterior::Posterior;
pub use search::{Search, Step, Verdict};
