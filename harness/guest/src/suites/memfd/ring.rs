//! The smallest use of io_uring(7): one call at a time.

use crate::case::{Stop, setup};
use crate::mapping::Mapping;
use crate::sys::{Errno, owned};
use crate::{skip, syscall};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};

/// Operations, by their numbers in io_uring_enter(2).
pub const FALLOCATE: u8 = 17;
pub const WRITE: u8 = 23;

const SUBMISSION_RING: u64 = 0;
const SUBMISSION_ENTRIES: u64 = 0x1000_0000;
const ENTRY: usize = 64;
/// Room for four entries of either ring and their heads.
const RING: usize = 4096;

// Words of struct io_uring_params (io_uring_setup(2)).
const SUBMISSION_TAIL: usize = 11;
const SUBMISSION_ARRAY: usize = 16;
const COMPLETION_HEAD: usize = 20;
const COMPLETION_RESULTS: usize = 25;

/// One call: operation, file, offset, address and length as io_uring_enter(2) has them.
pub struct Entry {
    pub operation: u8,
    pub fd: i32,
    pub offset: u64,
    pub address: u64,
    pub length: u32,
}

pub struct Ring {
    fd: OwnedFd,
    parameters: [u32; 30],
    rings: Mapping,
    entries: Mapping,
}

impl Ring {
    /// A ring for one entry at a time; a kernel that has none, or forbids it, skips.
    pub fn new() -> Result<Ring, Stop> {
        let mut parameters = [0; 30];
        // SAFETY: the parameters are ours and as long as the structure.
        let made = unsafe { syscall!(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
        let fd = match made {
            Err(Errno(libc::ENOSYS)) => skip!("missing syscall: io_uring_setup"),
            Err(Errno(libc::EPERM)) => skip!("by design: kernel.io_uring_disabled forbids io_uring here"),
            other => owned(setup("io_uring_setup", other)?),
        };
        // Both rings are in one mapping since 5.4.
        let rings = setup("mmap of the rings", Mapping::shared_at(&fd, SUBMISSION_RING, RING))?;
        let entries = setup("mmap of the entries", Mapping::shared_at(&fd, SUBMISSION_ENTRIES, RING))?;
        Ok(Ring { fd, parameters, rings, entries })
    }

    fn place(&self, word: usize) -> usize {
        self.parameters[word] as usize
    }

    /// Submits one call and waits for its result.
    pub fn call(&mut self, entry: &Entry) -> Result<Result<i64, Errno>, Stop> {
        let mut bytes = [0; ENTRY];
        bytes[0] = entry.operation;
        bytes[4..8].copy_from_slice(&entry.fd.to_ne_bytes());
        bytes[8..16].copy_from_slice(&entry.offset.to_ne_bytes());
        bytes[16..24].copy_from_slice(&entry.address.to_ne_bytes());
        bytes[24..28].copy_from_slice(&entry.length.to_ne_bytes());
        self.entries.bytes()[..ENTRY].copy_from_slice(&bytes);
        let (tail, array) = (self.place(SUBMISSION_TAIL), self.place(SUBMISSION_ARRAY));
        self.rings.poke32(array, 0);
        fence(Ordering::SeqCst);
        self.rings.poke32(tail, self.rings.peek32(tail).wrapping_add(1));
        const GET_EVENTS: u32 = 1;
        // SAFETY: the entry's pointers are the caller's, who waits here for the kernel to be done with them.
        let entered = unsafe { syscall!(libc::SYS_io_uring_enter, self.fd.as_raw_fd(), 1, 1, GET_EVENTS) };
        setup("io_uring_enter", entered)?;
        fence(Ordering::SeqCst);
        let (head, results) = (self.place(COMPLETION_HEAD), self.place(COMPLETION_RESULTS));
        let number = self.rings.peek32(head);
        // A completion has 16 bytes, the result behind the caller's own word; the ring has two of them.
        let result = self.rings.peek32(results + (number & 1) as usize * 16 + 8) as i32;
        self.rings.poke32(head, number.wrapping_add(1));
        Ok(if result < 0 { Err(Errno(-result)) } else { Ok(result.into()) })
    }
}
