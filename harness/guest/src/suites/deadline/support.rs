//! sched_setattr(2) and sched_getattr(2), and processes to use them on.

use crate::case::{exists, setup};
use crate::sys::{Errno, check as result_of};
use crate::{Stop, syscall};

pub const SCHED_DEADLINE: u32 = 6;

pub const RESET_ON_FORK: u64 = 0x01;
pub const RECLAIM: u64 = 0x02;
pub const OVERRUN: u64 = 0x04;
pub const KEEP_POLICY: u64 = 0x08;
pub const KEEP_PARAMETERS: u64 = 0x10;
pub const CLAMP_MIN: u64 = 0x20;
pub const CLAMP_MAX: u64 = 0x40;

pub use crate::scheduling::{MICROSECOND, MILLISECOND};

/// Size of the first version of [`Attributes`], all that SCHED_DEADLINE needs.
pub const FIRST_SIZE: usize = 48;
/// Size of [`Attributes`].
pub const SIZE: usize = size_of::<Attributes>();

/// `struct sched_attr` as of 5.3. Times in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Attributes {
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
    pub utilization: [u32; 2],
}

impl Attributes {
    pub const fn deadline(runtime: u64, deadline: u64, period: u64) -> Attributes {
        Attributes {
            size: SIZE as u32,
            policy: SCHED_DEADLINE,
            flags: 0,
            nice: 0,
            priority: 0,
            runtime,
            deadline,
            period,
            utilization: [0; 2],
        }
    }

    #[must_use]
    pub const fn flags(self, flags: u64) -> Attributes {
        Attributes { flags, ..self }
    }

    /// Applies to a process; 0 is the caller.
    pub fn set(&self, process: i32) -> Result<i64, Errno> {
        // SAFETY: the structure is ours and says its size.
        unsafe { syscall!(libc::SYS_sched_setattr, process, &raw const *self, 0) }
    }

    pub fn get(process: i32) -> Result<Attributes, Errno> {
        let mut attributes = Attributes::default();
        // SAFETY: the structure is ours and as long as said.
        unsafe { syscall!(libc::SYS_sched_getattr, process, &raw mut attributes, SIZE, 0) }?;
        // A kernel with utilization clamps tells them of every task; unasked, the upper is all there is
        // (Documentation/scheduler/sched-util-clamp.rst).
        if attributes.utilization[1] == 1024 {
            attributes.utilization = [0; 2];
        }
        Ok(attributes)
    }
}

/// A child that waits to be ended, for policies that nobody needs to run under. Ends with its handle.
#[derive(Debug)]
pub struct Sleeper {
    pub process: i32,
}

impl Sleeper {
    pub fn new() -> Result<Sleeper, Stop> {
        // SAFETY: the child does nothing but wait for a signal.
        match unsafe { libc::fork() } {
            0 => crate::child::pause(),
            process => setup("fork", result_of(process.into())).map(|_| Sleeper { process }),
        }
    }

    /// A sleeper admitted with these attributes, or why not.
    pub fn with(attributes: &Attributes) -> Result<Result<Sleeper, Errno>, Stop> {
        let sleeper = Sleeper::new()?;
        Ok(exists("sched_setattr", attributes.set(sleeper.process))?.map(|_| sleeper))
    }

    /// Ends as a deadline task, so that its bandwidth must come back by its end.
    pub fn end_as_it_is(self) {
        self.kill();
        std::mem::forget(self);
    }

    fn kill(&self) {
        // SAFETY: a child of ours that nobody has waited for yet.
        unsafe {
            libc::kill(self.process, libc::SIGKILL);
            libc::waitpid(self.process, std::ptr::null_mut(), 0);
        }
    }

    /// Shrinks to the smallest share: its bandwidth is free at once, where that of a task that ends or leaves the
    /// policy is free at the end of a period only.
    pub fn give_back(&self) -> Result<i64, Errno> {
        Attributes::deadline(1024, 100 * MILLISECOND, 100 * MILLISECOND).set(self.process)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // With a microsecond of budget, dying alone would take minutes.
        let _ = Attributes { size: FIRST_SIZE as u32, ..Attributes::default() }.set(self.process);
        self.kill();
    }
}
