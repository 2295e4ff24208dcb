//! The host's view of the shared region. The guest writes to it at any time, so nothing here hands out
//! references: words are loaded and stored atomically, areas are copied.

use crate::descriptor::anonymous_file;
use crate::error::{Error, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Memory shared with one virtual machine.
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    size: usize,
    file: File,
}

// SAFETY: the mapping is plain memory that other parties write to anyway; every access is atomic or a copy
// through raw pointers, so threads add nothing new.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// A fresh region, all zero. Pages the guest never touches cost nothing.
    pub fn new(size: usize) -> Result<Region> {
        Region::map(anonymous_file("gauntlet-region", size as u64)?, size)
    }

    /// A second mapping of the same memory, for a thread that outlives a borrow of this one.
    pub fn share(&self) -> Result<Region> {
        let file = self.file.try_clone().map_err(Error::io("cannot share the region"))?;
        Region::map(file, self.size)
    }

    fn map(file: File, size: usize) -> Result<Region> {
        // SAFETY: a new shared mapping of a file of that size, at an address the kernel chooses.
        let base = unsafe {
            mmap(std::ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &file, 0)
        }
        .map_err(|errno| Error::Io {
            what: "cannot map the shared region".to_owned(),
            source: errno.into(),
        })?;
        let base =
            NonNull::new(base.cast()).ok_or_else(|| Error::Machine("mapping at address zero".to_owned()))?;
        Ok(Region { base, size, file })
    }

    pub fn size(&self) -> usize {
        self.size
    }

    /// The descriptor QEMU maps, too.
    pub fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Start of the mapping, for code that shares a layout of its own with the guest. Valid for [`Self::size`]
    /// bytes while the region lives; the guest may change any of them at any time.
    pub fn as_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    fn word32(&self, offset: usize) -> &AtomicU32 {
        assert!(
            offset.is_multiple_of(4) && offset + 4 <= self.size,
            "offset {offset:#x} is outside the region"
        );
        // SAFETY: inside the mapping, aligned, and only ever accessed atomically here.
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(offset).cast()) }
    }

    pub fn load32(&self, offset: usize) -> u32 {
        self.word32(offset).load(Ordering::Acquire)
    }

    pub fn store32(&self, offset: usize, value: u32) {
        self.word32(offset).store(value, Ordering::Release);
    }

    pub fn load64(&self, offset: usize) -> u64 {
        assert!(
            offset.is_multiple_of(8) && offset + 8 <= self.size,
            "offset {offset:#x} is outside the region"
        );
        // SAFETY: inside the mapping, aligned, and only ever accessed atomically here.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(offset).cast()) }.load(Ordering::Acquire)
    }

    pub fn store64(&self, offset: usize, value: u64) {
        assert!(
            offset.is_multiple_of(8) && offset + 8 <= self.size,
            "offset {offset:#x} is outside the region"
        );
        // SAFETY: inside the mapping, aligned, and only ever accessed atomically here.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(offset).cast()) }.store(value, Ordering::Release);
    }

    /// A copy of that area as it is now.
    ///
    /// # Panics
    /// When the range is outside the region: ranges from the guest are checked against the layout first.
    pub fn read(&self, range: Range<usize>) -> Vec<u8> {
        assert!(range.start <= range.end && range.end <= self.size, "{range:?} is outside the region");
        let mut copy = vec![0u8; range.len()];
        // SAFETY: both areas hold that many bytes and cannot overlap; a racing guest changes values only.
        unsafe {
            std::ptr::copy_nonoverlapping(self.base.as_ptr().add(range.start), copy.as_mut_ptr(), range.len())
        };
        copy
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Panics
    /// When they do not fit.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(
            offset <= self.size && bytes.len() <= self.size - offset,
            "{} bytes at {offset:#x} do not fit",
            bytes.len()
        );
        // SAFETY: the area lies inside the mapping and cannot overlap a slice of ours.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.as_ptr().add(offset), bytes.len()) };
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`; no reference into it is left. A failure would only leak.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.size) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let region = Region::new(8192).unwrap();
        region.write(4090, b"hello");
        region.store32(8, 0xdead_beef);
        assert_eq!(region.read(4090..4095), b"hello");
        assert_eq!(region.load32(8), 0xdead_beef);
        assert_eq!(region.load64(8), 0xdead_beef);
    }

    #[test]
    #[should_panic(expected = "do not fit")]
    fn writing_past_the_end_is_refused() {
        Region::new(4096).unwrap().write(4090, b"too long");
    }
}
