//! What a workload is; its files hold them by interface.

use crate::Problem;

pub mod bpf;
pub mod event;
pub mod file;
pub mod kexec;
pub mod memfd;
pub mod memory;
pub mod null;
pub mod process;
pub mod random;
pub mod sched;
pub mod seccomp;
pub mod socket;

/// One benchmark.
#[derive(Debug)]
pub struct Workload {
    pub name: &'static str,
    /// What one operation does, for people.
    pub about: &'static str,
    /// The manual page of what it exercises.
    pub cites: &'static str,
    /// Timed operations unless the request says otherwise.
    pub operations: u32,
    pub setup: fn() -> Result<Box<dyn Operation>, Problem>,
}

/// What is repeated.
pub trait Operation {
    /// The timed part. The result is a system call's: negative means that the operation failed.
    fn run(&mut self) -> i64;

    /// Puts things back, untimed.
    fn reset(&mut self) -> i64 {
        0
    }
}

/// Operations that need no state of their own.
impl<F: FnMut() -> i64> Operation for F {
    fn run(&mut self) -> i64 {
        self()
    }
}
