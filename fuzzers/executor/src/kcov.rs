//! Coverage by the kernel's own instrumentation.
//! Source: Linux Documentation/dev-tools/kcov.rst.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Entries of the buffer: a program that runs more blocks than this loses the rest, and its record says so.
const ENTRIES: usize = 64 << 10;
/// `_IOR('c', 1, unsigned long)`.
const INIT_TRACE: libc::c_ulong = 0x8008_6301;
/// `_IO('c', 100)` and `_IO('c', 101)`.
const ENABLE: libc::c_ulong = 0x6364;
const DISABLE: libc::c_ulong = 0x6365;
const TRACE_PC: libc::c_ulong = 0;

#[derive(Debug)]
pub(crate) struct Kcov {
    descriptor: libc::c_int,
    /// Entry 0 counts the entries behind it.
    buffer: *mut u64,
}

impl Kcov {
    /// `None` on kernels without KCOV.
    pub(crate) fn open() -> Option<Kcov> {
        // SAFETY: plain calls on a descriptor and a mapping of our own.
        unsafe {
            let descriptor = libc::open(c"/sys/kernel/debug/kcov".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
            if descriptor < 0 || libc::ioctl(descriptor, INIT_TRACE as _, ENTRIES) != 0 {
                return None;
            }
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let buffer =
                libc::mmap(std::ptr::null_mut(), 8 * ENTRIES, protection, libc::MAP_SHARED, descriptor, 0);
            (buffer != libc::MAP_FAILED).then_some(Kcov { descriptor, buffer: buffer.cast() })
        }
    }

    /// Starts collecting for the calling task.
    pub(crate) fn enable(&self) {
        self.count().store(0, Relaxed);
        // SAFETY: a request without a pointer.
        unsafe { libc::ioctl(self.descriptor, ENABLE as _, TRACE_PC) };
    }

    /// Stops collecting for the calling task. A task that ends stops by itself.
    pub(crate) fn disable(&self) {
        // SAFETY: a request without a pointer.
        unsafe { libc::ioctl(self.descriptor, DISABLE as _, 0) };
    }

    /// The program counters collected, and whether some are missing.
    pub(crate) fn collected(&self) -> (&[u64], bool) {
        let count = usize::try_from(self.count().load(Relaxed)).unwrap_or(0).min(ENTRIES - 1);
        // SAFETY: inside the mapping, and nobody collects now.
        (unsafe { std::slice::from_raw_parts(self.buffer.add(1), count) }, count == ENTRIES - 1)
    }

    fn count(&self) -> &AtomicU64 {
        // SAFETY: the first entry of the mapping, aligned, as long-lived as `self`.
        unsafe { AtomicU64::from_ptr(self.buffer) }
    }
}

impl Drop for Kcov {
    fn drop(&mut self) {
        // SAFETY: the mapping and the descriptor that `open` made.
        unsafe {
            libc::munmap(self.buffer.cast(), 8 * ENTRIES);
            libc::close(self.descriptor);
        }
    }
}
