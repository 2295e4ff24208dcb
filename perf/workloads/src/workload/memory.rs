//! Address spaces.

use super::{Operation, Workload};
use crate::problem::needs;
use crate::sys::syscall;

const PAGE: usize = 4096;
const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;

pub static PAGE_FAULT: Workload = Workload {
    name: "page_fault",
    about: "write to an anonymous page that is not there yet",
    cites: "mmap(2), madvise(2)",
    operations: 1000,
    setup: || {
        // SAFETY: a new mapping at an address the kernel chooses.
        let address =
            needs("mmap", unsafe { syscall!(libc::SYS_mmap, 0, PAGE, READ_WRITE, ANONYMOUS, -1, 0) })?;
        Ok(Box::new(PageFault { page: address as *mut u8 }))
    },
};

struct PageFault {
    page: *mut u8,
}

impl Operation for PageFault {
    fn run(&mut self) -> i64 {
        // SAFETY: the page is mapped and ours.
        unsafe { self.page.write_volatile(1) };
        0
    }

    fn reset(&mut self) -> i64 {
        // SAFETY: nothing refers to what is on the page.
        unsafe { syscall!(libc::SYS_madvise, self.page, PAGE, libc::MADV_DONTNEED) }
    }
}

impl Drop for PageFault {
    fn drop(&mut self) {
        // SAFETY: nothing refers to the page any more.
        unsafe { syscall!(libc::SYS_munmap, self.page, PAGE) };
    }
}

pub static MAP_UNMAP: Workload = Workload {
    name: "map_unmap",
    about: "map 64 KiB of anonymous memory and unmap it untouched",
    cites: "mmap(2)",
    operations: 500,
    setup: || {
        Ok(Box::new(|| {
            const LENGTH: usize = 64 << 10;
            // SAFETY: a new mapping at an address the kernel chooses.
            let address = unsafe { syscall!(libc::SYS_mmap, 0, LENGTH, READ_WRITE, ANONYMOUS, -1, 0) };
            // SAFETY: nobody uses the mapping; an error as an address is refused as unaligned.
            unsafe { syscall!(libc::SYS_munmap, address, LENGTH) }
        }))
    },
};
