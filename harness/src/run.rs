//! Running a plan: kernels made ready, one clone per case, retries of our own trouble, events.

pub mod case;
pub mod exec;
pub mod judge;
pub mod kernels;
mod luggage;
pub mod options;
pub mod programs;
pub mod repeat;
pub mod series;
pub mod sink;
pub mod test;

pub use kernels::{NamedKernel, Resolved, resolve_kernels, resolve_series};
pub use sink::Sink;
