//! perf_event_open(2): events that are counted or sampled, disabled at first.

use crate::sys::{Errno, owned};
use crate::syscall;
use std::os::fd::OwnedFd;

/// `struct perf_event_attr`, as much of what 4.1 has as is used here.
#[derive(Debug, Default)]
pub struct Event {
    pub kind: u32,
    pub config: u64,
    pub sample_type: u64,
    pub config1: u64,
    pub config2: u64,
    /// `sample_regs_intr`.
    pub registers: u64,
}

impl Event {
    /// For this process (0) or everybody (-1), on this CPU or on any (-1).
    pub fn open(&self, pid: i32, cpu: i32) -> Result<OwnedFd, Errno> {
        const SIZE: u32 = 112;
        let attributes: [u64; SIZE as usize / 8] = [
            u64::from(self.kind) | u64::from(SIZE) << 32,
            self.config,
            1, // sample_period
            self.sample_type,
            0,
            1, // disabled
            1, // wakeup_events
            self.config1,
            self.config2,
            0,
            0,
            0,
            self.registers,
            0,
        ];
        const NO_GROUP: i32 = -1;
        const CLOSE_ON_EXEC: u64 = 8;
        // SAFETY: the attributes are as long as they say.
        unsafe {
            let attributes = attributes.as_ptr();
            syscall!(libc::SYS_perf_event_open, attributes, pid, cpu, NO_GROUP, CLOSE_ON_EXEC)
        }
        .map(owned)
    }
}
