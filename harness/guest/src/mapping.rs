//! Memory mappings of a case's own making.

use crate::case::{CaseResult, Stop, setup};
use crate::sys::Errno;
use crate::syscall;
use std::os::fd::AsRawFd;

/// The page size of every architecture the cases run on.
pub const PAGE: usize = 4096;

/// A mapping, unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    address: u64,
    length: usize,
}

impl Mapping {
    /// Private memory, zero-filled.
    pub fn anonymous(length: usize, protection: i32) -> Result<Mapping, Stop> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        setup("mmap", Mapping::new(length, protection, flags, -1, 0))
    }

    /// Memory with flags of the caller's choice.
    pub fn without_file(length: usize, protection: i32, flags: i32) -> Result<Mapping, Errno> {
        Mapping::new(length, protection, flags, -1, 0)
    }

    /// A part of a file from its beginning. What this returns may be what the case judges.
    pub fn of(fd: &impl AsRawFd, length: usize, protection: i32, flags: i32) -> Result<Mapping, Errno> {
        Mapping::new(length, protection, flags, fd.as_raw_fd(), 0)
    }

    /// A part of a file that is shared, readable and writable, from this offset.
    pub fn shared_at(fd: &impl AsRawFd, offset: u64, length: usize) -> Result<Mapping, Errno> {
        Mapping::new(length, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, fd.as_raw_fd(), offset)
    }

    /// A part of a file from this offset.
    pub fn at(
        fd: &impl AsRawFd,
        offset: u64,
        length: usize,
        protection: i32,
        flags: i32,
    ) -> Result<Mapping, Errno> {
        Mapping::new(length, protection, flags, fd.as_raw_fd(), offset)
    }

    fn new(length: usize, protection: i32, flags: i32, fd: i32, offset: u64) -> Result<Mapping, Errno> {
        // SAFETY: the kernel chooses an address where nothing of ours is.
        let address = unsafe { syscall!(libc::SYS_mmap, 0, length, protection, flags, fd, offset) }?;
        Ok(Mapping { address: address as u64, length })
    }

    pub fn address(&self) -> u64 {
        self.address
    }

    /// The memory. The caller knows that all of it may be read and written now.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is ours alone and this long; protection is the caller's knowledge, and a mistake
        // there ends in a signal.
        unsafe { std::slice::from_raw_parts_mut(self.address as *mut u8, self.length) }
    }

    /// One byte as it is in memory now, whoever wrote it.
    pub fn peek(&self, offset: usize) -> u8 {
        assert!(offset < self.length, "inside the mapping");
        // SAFETY: inside the mapping; a page that is not there ends in a signal.
        unsafe { std::ptr::read_volatile((self.address as *const u8).add(offset)) }
    }

    /// Writes one byte.
    pub fn poke(&mut self, offset: usize, byte: u8) {
        assert!(offset < self.length, "inside the mapping");
        // SAFETY: as in `peek`.
        unsafe { std::ptr::write_volatile((self.address as *mut u8).add(offset), byte) }
    }

    /// A number of four bytes as it is in memory now, in the machine's order.
    pub fn peek32(&self, offset: usize) -> u32 {
        u32::from_ne_bytes([0, 1, 2, 3].map(|at| self.peek(offset + at)))
    }

    /// Writes a number of four bytes.
    pub fn poke32(&mut self, offset: usize, value: u32) {
        for (at, byte) in value.to_ne_bytes().into_iter().enumerate() {
            self.poke(offset + at, byte);
        }
    }

    /// Keeps the kernel from backing it by larger pages than the smallest. One that knows no others refuses.
    pub fn without_huge_pages(&self) -> CaseResult {
        // SAFETY: inside the mapping, which is ours; its contents stay.
        let advised =
            unsafe { syscall!(libc::SYS_madvise, self.address, self.length, libc::MADV_NOHUGEPAGE) };
        match advised {
            Err(Errno(libc::EINVAL)) => Ok(()),
            other => setup("madvise(MADV_NOHUGEPAGE)", other).map(drop),
        }
    }

    /// Changes the protection of all of it; must work.
    pub fn protect(&mut self, protection: i32) -> CaseResult {
        self.protect_part(0, self.length, protection)
    }

    /// Changes the protection of a part; must work.
    pub fn protect_part(&mut self, offset: usize, length: usize, protection: i32) -> CaseResult {
        setup("mprotect", self.try_protect(offset, length, protection))
    }

    /// Changes the protection of a part. What this returns may be what the case judges.
    pub fn try_protect(&mut self, offset: usize, length: usize, protection: i32) -> Result<(), Errno> {
        assert!(offset + length <= self.length, "inside the mapping");
        // SAFETY: inside the mapping, which is ours.
        unsafe { syscall!(libc::SYS_mprotect, self.address + offset as u64, length, protection) }.map(drop)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: ours, and not used any more.
        let _ = unsafe { syscall!(libc::SYS_munmap, self.address, self.length) };
    }
}
