//! Ways around a seal that kernels have had, or nearly.

use super::calls::*;
use crate::case::{setup, succeeds};
use crate::mapping::{Mapping, PAGE};
use crate::{CaseResult, Context, check, check_eq, child, file, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

const SEALED: u32 = SEAL_WRITE | SEAL_SHRINK | SEAL_GROW | SEAL_SEAL;

fn sealed(bytes: &[u8]) -> Result<OwnedFd, crate::Stop> {
    let fd = holding(bytes)?;
    seal(&fd, SEALED)?;
    Ok(fd)
}

/// Writing to a pipe could write into the page of a file that had been spliced into it, because the flag that lets
/// writes merge was left over from the pipe's former content (CVE-2022-0847, in 5.8 to 5.16).
pub fn write_to_a_pipe_spares_the_page_spliced_into_it(_: &Context) -> CaseResult {
    let bytes = pattern(2 * PAGE);
    let fd = sealed(&bytes)?;
    let (reader, writer) = child::pipe()?;
    // Fill and drain, so that every slot of the pipe has held something a write may merge with.
    let capacity = setup("F_GETPIPE_SZ", file::control(&writer, libc::F_GETPIPE_SZ, 0))? as usize;
    let content = vec![b'p'; capacity];
    check_eq!(file::write(&writer, &content), Ok(capacity as i64), "bytes that fit into an empty pipe");
    let mut drained = vec![0; capacity];
    let mut at = 0;
    while at < capacity {
        // SAFETY: the rest of a buffer of ours.
        let n = unsafe {
            syscall!(libc::SYS_read, reader.as_raw_fd(), drained[at..].as_mut_ptr(), capacity - at)
        };
        at += setup("read from a pipe", n)? as usize;
    }
    let mut offset = 0i64;
    // SAFETY: the offset is ours.
    let spliced =
        unsafe { syscall!(libc::SYS_splice, fd.as_raw_fd(), &raw mut offset, writer.as_raw_fd(), 0, 1, 0) };
    check_eq!(succeeds("splice of one byte of a sealed memfd", spliced)?, 1, "bytes spliced");
    check_eq!(file::write(&writer, b"overwritten"), Ok(11), "bytes written behind the spliced one");
    still_holds(&fd, &bytes, "after a write to the pipe that its page was spliced into")?;
    drop(writer);
    let piped = setup("read", crate::sys::read_all(&reader))?;
    check!(
        piped == [&bytes[..1], b"overwritten"].concat(),
        "the pipe holds {:?}",
        piped.escape_ascii().to_string()
    );
    Ok(())
}

/// A debugger may write to read-only memory (ptrace(2)), but then to a copy, or not at all.
pub fn write_through_proc_mem_spares_the_file(_: &Context) -> CaseResult {
    let bytes = pattern(PAGE);
    let fd = sealed(&bytes)?;
    let reader = setup("open for reading", file::reopen(&fd, libc::O_RDONLY))?;
    let memory =
        setup("open", file::open_at(libc::AT_FDCWD, c"/proc/self/mem", libc::O_RDWR | libc::O_CLOEXEC, 0))?;
    for flags in [libc::MAP_SHARED, libc::MAP_PRIVATE] {
        let mapping = succeeds("mmap for reading", Mapping::of(&reader, PAGE, libc::PROT_READ, flags))?;
        let first = mapping.peek(0);
        check_eq!(first, bytes[0], "first byte of a mapping with flags {flags}");
        // Whether it works is the kernel's configuration; where it goes is what matters.
        let _ = file::write_at(&memory, &[!first], mapping.address() as i64);
        if flags == libc::MAP_SHARED {
            check_eq!(
                mapping.peek(0),
                first,
                "first byte of a shared mapping after a write through /proc/self/mem"
            );
        }
        still_holds(&fd, &bytes, &format!("after a write through /proc/self/mem, mapping flags {flags}"))?;
    }
    Ok(())
}

/// Truncating and punching through a path are the same calls by another door.
pub fn path_in_proc_is_held_to_the_seals(_: &Context) -> CaseResult {
    let bytes = pattern(PAGE + 1);
    let fd = sealed(&bytes)?;
    let path = std::ffi::CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("no NUL");
    for length in [0, PAGE as i64, PAGE as i64 + 2] {
        // SAFETY: the path lives through the call.
        let cut = unsafe { syscall!(libc::SYS_truncate, path.as_ptr(), length) };
        crate::case::fails_with(&format!("truncate of a sealed file to {length} by path"), cut, libc::EPERM)?;
    }
    for mode in [libc::FALLOC_FL_ZERO_RANGE, libc::FALLOC_FL_COLLAPSE_RANGE, libc::FALLOC_FL_INSERT_RANGE] {
        let changed = file::allocate(&fd, mode, 0, PAGE as i64);
        check!(changed.is_err(), "fallocate with mode {mode:#x} of a sealed file succeeded");
    }
    still_holds(&fd, &bytes, "after refused calls")
}
