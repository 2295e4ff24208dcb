//! The memory that programs use: their data, and the window they map over. Nothing of the executor lies near it.

use gauntlet_protocol::program::{ARENA_ADDRESS, ARENA_SIZE, WINDOW_OFFSET, WINDOW_SIZE};

/// Untouchable pages on either side.
const GUARD: usize = 1 << 20;
const ALL: usize = GUARD + WINDOW_OFFSET as usize + WINDOW_SIZE as usize + GUARD;

#[derive(Debug)]
pub(crate) struct Arena {
    base: *mut u8,
}

impl Arena {
    /// Maps data and window at their fixed addresses, with untouchable memory before, between and behind.
    pub(crate) fn map() -> Option<Arena> {
        let start = usize::try_from(ARENA_ADDRESS).ok()? - GUARD;
        place(start, ALL, libc::PROT_NONE)?;
        let base = place(start + GUARD, ARENA_SIZE as usize, libc::PROT_READ | libc::PROT_WRITE)?;
        let arena = Arena { base };
        arena.reset_window().then_some(arena)
    }

    /// Puts plain memory where programs have mapped something else.
    pub(crate) fn reset_window(&self) -> bool {
        let start = self.base as usize + WINDOW_OFFSET as usize;
        place(start, WINDOW_SIZE as usize, libc::PROT_READ | libc::PROT_WRITE).is_some()
    }

    /// The address that an offset stands for. Offsets are checked by the decoder; the sum of any is only a number.
    pub(crate) fn address(&self, offset: u32) -> u64 {
        self.base as u64 + u64::from(offset)
    }

    /// Copies bytes to an offset; what does not fit is left out.
    pub(crate) fn store(&self, offset: u32, bytes: &[u8]) {
        let offset = offset as usize;
        if offset.checked_add(bytes.len()).is_some_and(|end| end <= ARENA_SIZE as usize) {
            // SAFETY: inside the data area, which stays mapped and writable: programs map over the window only.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(offset), bytes.len()) };
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: all that `map` mapped, and nothing else.
        unsafe { libc::munmap(self.base.sub(GUARD).cast(), ALL) };
    }
}

fn place(start: usize, length: usize, protection: libc::c_int) -> Option<*mut u8> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
    // SAFETY: the fixed range is ours by convention: it lies where Linux puts nothing by itself.
    let mapped = unsafe { libc::mmap(start as *mut libc::c_void, length, protection, flags, -1, 0) };
    (mapped != libc::MAP_FAILED).then_some(mapped.cast())
}
