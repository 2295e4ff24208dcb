//! The coverage file, mapped. The host reads it while we write, so all access goes through raw memory.

use std::ffi::CStr;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// A shared mapping of a whole file; lives as long as the process.
pub struct Mapping {
    base: *mut u8,
    size: usize,
}

// SAFETY: the memory is never unmapped, and its owner (the recorder) is used under a lock.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the file at `path`, which its maker has given its size.
    pub fn open(path: &CStr) -> io::Result<Mapping> {
        // SAFETY: the path ends with a zero byte.
        let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let mapped = Mapping::of_descriptor(fd);
        // SAFETY: the descriptor is ours; the mapping outlives it.
        unsafe { libc::close(fd) };
        mapped
    }

    pub fn of_descriptor(fd: libc::c_int) -> io::Result<Mapping> {
        // SAFETY: a zeroed stat is a valid one, and the kernel fills it.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: `stat` is ours.
        if unsafe { libc::fstat(fd, &mut stat) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let size = usize::try_from(stat.st_size).unwrap_or(0);
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address the kernel chooses.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, libc::MAP_SHARED, fd, 0) };
        if base == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(Mapping { base: base.cast(), size })
        }
    }

    pub fn size(&self) -> usize {
        self.size
    }

    /// Copies bytes into the file; what does not fit is not written.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        if offset.checked_add(bytes.len()).is_some_and(|end| end <= self.size) {
            // SAFETY: the range lies in the mapping, and `bytes` is not part of it.
            unsafe { self.base.add(offset).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
    }

    /// Publishes a word: everything written before is visible to whoever sees it.
    pub fn publish(&mut self, offset: usize, word: u64) {
        if let Some(place) = self.word(offset) {
            place.store(word.to_le(), Ordering::Release);
        }
    }

    pub fn load(&self, offset: usize) -> u64 {
        self.word(offset).map_or(0, |place| u64::from_le(place.load(Ordering::Acquire)))
    }

    fn word(&self, offset: usize) -> Option<&AtomicU64> {
        let fits = offset.is_multiple_of(8) && offset.checked_add(8).is_some_and(|end| end <= self.size);
        // SAFETY: an aligned word within the mapping; page alignment of the base makes it aligned in memory.
        fits.then(|| unsafe { AtomicU64::from_ptr(self.base.add(offset).cast()) })
    }
}
