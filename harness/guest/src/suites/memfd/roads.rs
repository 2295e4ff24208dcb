//! Every call that writes to a file, held to the seals: whatever the road, the file does not change.

use super::calls::*;
use super::ring::{self, Entry, Ring};
use crate::case::{fails_with, setup};
use crate::mapping::{Mapping, PAGE};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check_eq, child, file, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

/// Writes these bytes at this offset. The outer error is the case's set-up, the inner one what is judged.
type Road<'a> = &'a dyn Fn(&OwnedFd, &[u8], i64) -> Result<Result<i64, Errno>, Stop>;

/// The road must write to a file without seals, and must not change a sealed one: by single bytes and by pages, at
/// either end, and across the boundary of a page.
fn held_to_the_seals(name: &str, road: Road) -> CaseResult {
    let bytes = pattern(2 * PAGE + 1);
    let size = bytes.len() as i64;
    let inside = [(0, 1), (0, PAGE), (size - 1, 1), (PAGE as i64 - 1, 2), (1, PAGE), (0, bytes.len())];
    for seals in [0, SEAL_SHRINK, SEAL_GROW, SEAL_WRITE, SEAL_FUTURE_WRITE] {
        let writable = seals & (SEAL_WRITE | SEAL_FUTURE_WRITE) == 0;
        for (offset, length) in inside.into_iter().chain([(size, 1), (size, PAGE)]) {
            let fd = holding(&bytes)?;
            seal(&fd, seals)?;
            let what = format!("{name} of {length} bytes at {offset} of {size}, seals {seals:#x}");
            let written = road(&fd, &vec![b'!'; length], offset)?;
            let mut expected = bytes.clone();
            if writable && (offset < size || seals & SEAL_GROW == 0) {
                check_eq!(written, Ok(length as i64), "{what}");
                let at = offset as usize;
                expected.resize(bytes.len().max(at + length), 0);
                expected[at..at + length].fill(b'!');
            } else {
                fails_with(&what, written, libc::EPERM)?;
            }
            still_holds(&fd, &expected, &format!("after {what}"))?;
        }
    }
    Ok(())
}

fn part(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

pub fn vectored_writes_are_held_to_the_seals(_: &Context) -> CaseResult {
    held_to_the_seals("pwritev in two parts", &|fd, bytes, offset| {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let parts = [part(first), part(second)];
        // SAFETY: the vector and what it points to are ours; the kernel only reads them.
        Ok(unsafe { syscall!(libc::SYS_pwritev, fd.as_raw_fd(), parts.as_ptr(), 2, offset, 0) })
    })?;
    held_to_the_seals("pwritev2 with RWF_DSYNC", &|fd, bytes, offset| {
        let parts = part(bytes);
        // SAFETY: as above.
        Ok(unsafe {
            syscall!(libc::SYS_pwritev2, fd.as_raw_fd(), &raw const parts, 1, offset, 0, libc::RWF_DSYNC)
        })
    })?;
    // Whatever the offset says, this appends.
    for seals in [SEAL_GROW, SEAL_WRITE, SEAL_FUTURE_WRITE] {
        let fd = holding(&pattern(PAGE))?;
        seal(&fd, seals)?;
        let parts = part(b"!");
        // SAFETY: as above.
        let appended = unsafe {
            syscall!(libc::SYS_pwritev2, fd.as_raw_fd(), &raw const parts, 1, 0, 0, libc::RWF_APPEND)
        };
        fails_with(&format!("pwritev2 with RWF_APPEND, seals {seals:#x}"), appended, libc::EPERM)?;
        still_holds(&fd, &pattern(PAGE), "after a refused append")?;
    }
    Ok(())
}

pub fn splice_is_held_to_the_seals(_: &Context) -> CaseResult {
    held_to_the_seals("splice from a pipe", &|fd, bytes, mut offset| {
        let (reader, writer) = child::pipe()?;
        check_eq!(file::write(&writer, bytes), Ok(bytes.len() as i64), "bytes that a pipe takes");
        let (from, to) = (reader.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: the offset is ours.
        Ok(unsafe { syscall!(libc::SYS_splice, from, 0, to, &raw mut offset, bytes.len(), 0) })
    })
}

pub fn sendfile_is_held_to_the_seals(_: &Context) -> CaseResult {
    held_to_the_seals("sendfile", &|fd, bytes, offset| {
        let source = holding(bytes)?;
        // SAFETY: no pointer but the null offset, which stands for the source's position.
        unsafe {
            setup("lseek", syscall!(libc::SYS_lseek, fd.as_raw_fd(), offset, libc::SEEK_SET))?;
            let length = bytes.len();
            setup("lseek", syscall!(libc::SYS_lseek, source.as_raw_fd(), 0, libc::SEEK_SET))?;
            Ok(syscall!(libc::SYS_sendfile, fd.as_raw_fd(), source.as_raw_fd(), 0, length))
        }
    })
}

pub fn copy_file_range_is_held_to_the_seals(_: &Context) -> CaseResult {
    held_to_the_seals("copy_file_range", &|fd, bytes, mut offset| {
        let source = holding(bytes)?;
        let (from, to, mut start) = (source.as_raw_fd(), fd.as_raw_fd(), 0i64);
        let (start, offset) = (&raw mut start, &raw mut offset);
        // SAFETY: both offsets are ours.
        Ok(unsafe { syscall!(libc::SYS_copy_file_range, from, start, to, offset, bytes.len(), 0) })
    })
}

/// io_submit(2) takes the request, and its completion tells what came of it.
pub fn asynchronous_writes_are_held_to_the_seals(_: &Context) -> CaseResult {
    let mut queue = 0u64;
    // SAFETY: the place of the queue's number is ours.
    crate::case::exists("io_setup", unsafe { syscall!(libc::SYS_io_setup, 1, &raw mut queue) })?
        .map_err(|errno| Stop::Broken(format!("set-up: io_setup: {errno}")))?;
    held_to_the_seals("io_submit", &|fd, bytes, offset| {
        // struct iocb: operation 1 is a write.
        let operation = 1u64 | (fd.as_raw_fd() as u64) << 32;
        let request = [0u64, 0, operation, bytes.as_ptr() as u64, bytes.len() as u64, offset as u64, 0, 0];
        let (requests, mut event) = ([request.as_ptr()], [0u64; 4]);
        // SAFETY: request, buffer and event are ours and outlive the completion, which is waited for.
        unsafe {
            if let Err(errno) = syscall!(libc::SYS_io_submit, queue, 1, requests.as_ptr()) {
                return Ok(Err(errno));
            }
            setup("io_getevents", syscall!(libc::SYS_io_getevents, queue, 1, 1, event.as_mut_ptr(), 0))?;
        }
        let result = event[2] as i64;
        Ok(if result < 0 { Err(Errno(-result as i32)) } else { Ok(result) })
    })
}

pub fn io_uring_is_held_to_the_seals(_: &Context) -> CaseResult {
    let ring = std::cell::RefCell::new(Ring::new()?);
    let call = |operation, fd: &OwnedFd, offset: i64, address: u64, length: u32| {
        let fd = fd.as_raw_fd();
        ring.borrow_mut().call(&Entry { operation, fd, offset: offset as u64, address, length })
    };
    held_to_the_seals("io_uring's write", &|fd, bytes, offset| {
        call(ring::WRITE, fd, offset, bytes.as_ptr() as u64, bytes.len() as u32)
    })?;
    // Here the address is the length and the length is the mode.
    let bytes = pattern(PAGE + 1);
    let punch = (libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE) as u32;
    for (seals, offset, length, mode) in [
        (SEAL_WRITE, 0, 1, punch),
        (SEAL_FUTURE_WRITE, 0, PAGE as u64, punch),
        (SEAL_GROW, PAGE as i64 + 1, 1, 0),
    ] {
        let fd = holding(&bytes)?;
        seal(&fd, seals)?;
        let changed = call(ring::FALLOCATE, &fd, offset, length, mode)?;
        let what = format!("io_uring's fallocate of {length} bytes at {offset}, seals {seals:#x}");
        fails_with(&what, changed, libc::EPERM)?;
        still_holds(&fd, &bytes, &format!("after {what}"))?;
    }
    Ok(())
}

/// Bytes that are on their way out of the file count as use of it: whoever reads them later must see them as they
/// were when they were sent.
pub fn write_seal_is_refused_while_pages_are_in_a_pipe(_: &Context) -> CaseResult {
    let bytes = pattern(PAGE);
    let fd = holding(&bytes)?;
    let (reader, writer) = child::pipe()?;
    let mut offset = 0i64;
    let (from, to) = (fd.as_raw_fd(), writer.as_raw_fd());
    // SAFETY: the offset is ours.
    let spliced = unsafe { syscall!(libc::SYS_splice, from, &raw mut offset, to, 0, PAGE, 0) };
    check_eq!(setup("splice", spliced)?, PAGE as i64, "bytes spliced");
    fails_with("F_ADD_SEALS F_SEAL_WRITE while a pipe holds a page", add(&fd, SEAL_WRITE), libc::EBUSY)?;
    has_seals(&fd, 0, "after the refused F_SEAL_WRITE")?;
    check_eq!(file::write_at(&fd, b"!", 0), Ok(1), "bytes written after the refused F_SEAL_WRITE");
    for (seals, name) in [(SEAL_SHRINK, "F_SEAL_SHRINK"), (SEAL_GROW, "F_SEAL_GROW")] {
        check_eq!(add(&fd, seals), Ok(0), "F_ADD_SEALS {name}, which needs no page to be at rest");
    }
    drop((reader, writer));
    seal(&fd, SEAL_WRITE)?;
    fails_with("pwrite", file::write_at(&fd, b"?", 0), libc::EPERM)
}

/// Without the file's own calls: through the mapping, which the descriptor's seals must have closed.
pub fn writes_into_another_process_are_held_to_the_seals(_: &Context) -> CaseResult {
    let bytes = pattern(PAGE);
    let fd = holding(&bytes)?;
    seal(&fd, SEAL_WRITE)?;
    let reader = setup("open for reading", file::reopen(&fd, libc::O_RDONLY))?;
    let mapping = setup("mmap", Mapping::of(&reader, PAGE, libc::PROT_READ, libc::MAP_SHARED))?;
    let (source, target) = (part(b"!"), libc::iovec { iov_base: mapping.address() as *mut _, iov_len: 1 });
    // SAFETY: the kernel must not write to the target; if it does, the checks below tell.
    let written = unsafe {
        let (source, target) = (&raw const source, &raw const target);
        syscall!(libc::SYS_process_vm_writev, libc::getpid(), source, 1, target, 1, 0)
    };
    let written = crate::case::exists("process_vm_writev", written)?;
    fails_with("process_vm_writev to a read-only mapping of a sealed file", written, libc::EFAULT)?;
    still_holds(&fd, &bytes, "after process_vm_writev")
}
