//! What the process that runs programs, its tasks and the agent tell each other: one page, shared, with untouchable
//! pages on either side.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::Relaxed};

use gauntlet_protocol::program::{MAX_CALLS, NOT_RUN};

const PAGE: usize = 4096;

/// The words of the page.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Words {
    /// Bytes of records written so far.
    pub(crate) length: AtomicUsize,
    /// Index of the first program without a record.
    pub(crate) next: AtomicU32,
    /// Calls of the running program that were decoded.
    pub(crate) calls: AtomicU32,
    /// The running program came to its end.
    pub(crate) finished: AtomicU32,
    /// It used the window.
    pub(crate) window: AtomicU32,
    /// It was malformed.
    pub(crate) malformed: AtomicU32,
    pub(crate) errors: [AtomicU32; MAX_CALLS],
    pub(crate) values: [AtomicI32; MAX_CALLS],
}

/// The mapping.
#[derive(Debug)]
pub(crate) struct Page {
    base: *mut libc::c_void,
}

impl Page {
    /// Maps one, zeroed.
    pub(crate) fn map() -> Option<Page> {
        const { assert!(size_of::<Words>() <= PAGE) };
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: fresh memory, whose middle page is then made accessible.
        unsafe {
            let base = libc::mmap(std::ptr::null_mut(), 3 * PAGE, libc::PROT_NONE, flags, -1, 0);
            if base == libc::MAP_FAILED {
                return None;
            }
            let page = Page { base };
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            (libc::mprotect(base.byte_add(PAGE), PAGE, protection) == 0).then_some(page)
        }
    }

    pub(crate) fn words(&self) -> &Words {
        // SAFETY: mapped as long as `self`, aligned, large enough; zeroed memory is valid atomics.
        unsafe { &*self.base.byte_add(PAGE).cast::<Words>() }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the three pages that `map` made.
        unsafe { libc::munmap(self.base, 3 * PAGE) };
    }
}

impl Words {
    /// Forgets the last program.
    pub(crate) fn start_program(&self) {
        for word in [&self.calls, &self.finished, &self.window, &self.malformed] {
            word.store(0, Relaxed);
        }
        self.errors.iter().for_each(|error| error.store(NOT_RUN, Relaxed));
        self.values.iter().for_each(|value| value.store(-1, Relaxed));
    }
}
