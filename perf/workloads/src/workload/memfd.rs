//! Anonymous files and their seals.

use super::Workload;
use crate::problem::needs;
use crate::sys::{close, memfd, syscall};
use std::os::fd::AsRawFd;

const ALL_SEALS: i32 = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
const PAGE: usize = 4096;

pub static SEAL: Workload = Workload {
    name: "memfd_seal",
    about: "create an empty memfd, add all seals, close it",
    cites: "memfd_create(2)",
    operations: 500,
    setup: || {
        let operation = || {
            // SAFETY: the name ends with a zero byte.
            let fd = unsafe {
                syscall!(
                    libc::SYS_memfd_create,
                    c"workload".as_ptr(),
                    libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING
                )
            };
            // SAFETY: takes no pointer.
            let sealed = unsafe { syscall!(libc::SYS_fcntl, fd, libc::F_ADD_SEALS, ALL_SEALS) };
            close(fd).min(sealed)
        };
        needs("memfd_create", operation())?;
        Ok(Box::new(operation))
    },
};

pub static WRITE_READ: Workload = Workload {
    name: "memfd_write_read",
    about: "write 4096 bytes to a memfd and read them back",
    cites: "memfd_create(2)",
    operations: 500,
    setup: || {
        let mut page = vec![7u8; PAGE];
        let file = memfd(libc::MFD_CLOEXEC, &page)?;
        Ok(Box::new(move || {
            let fd = file.as_raw_fd();
            // SAFETY: the buffer is as long as said.
            let written = unsafe { syscall!(libc::SYS_pwrite64, fd, page.as_ptr(), PAGE, 0) };
            // SAFETY: as above.
            let read = unsafe { syscall!(libc::SYS_pread64, fd, page.as_mut_ptr(), PAGE, 0) };
            written.min(read)
        }))
    },
};

pub static MAP_SEALED: Workload = Workload {
    name: "memfd_map_sealed",
    about: "map a sealed memfd of one page, read it, unmap it",
    cites: "memfd_create(2), mmap(2)",
    operations: 500,
    setup: || {
        let file = memfd(libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING, &[7u8; PAGE])?;
        // SAFETY: takes no pointer.
        let sealed = unsafe { syscall!(libc::SYS_fcntl, file.as_raw_fd(), libc::F_ADD_SEALS, ALL_SEALS) };
        needs("fcntl(F_ADD_SEALS)", sealed)?;
        Ok(Box::new(move || {
            // SAFETY: a new mapping at an address the kernel chooses.
            let address = unsafe {
                syscall!(libc::SYS_mmap, 0, PAGE, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0)
            };
            if (-4095..0).contains(&address) {
                return address;
            }
            // SAFETY: the page was just mapped and is readable.
            unsafe { (address as *const u8).read_volatile() };
            // SAFETY: nothing else uses the mapping.
            unsafe { syscall!(libc::SYS_munmap, address, PAGE) }
        }))
    },
};
