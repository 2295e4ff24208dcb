//! F_SEAL_WRITE and F_SEAL_FUTURE_WRITE.

use super::calls::*;
use crate::case::{fails_with, setup, succeeds};
use crate::mapping::{Mapping, PAGE};
use crate::sys::Errno;
use crate::{CaseResult, Context, check, check_eq, child, file, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

const READ: i32 = libc::PROT_READ;
const WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;

/// Every call that changes bytes through a descriptor must fail with EPERM, and change none.
fn refuses_writes(fd: &OwnedFd, bytes: &[u8], seal: &str) -> CaseResult {
    let writer = setup("open for writing", file::reopen(fd, libc::O_WRONLY))?;
    let appender = setup("open to append", file::reopen(fd, libc::O_WRONLY | libc::O_APPEND))?;
    let last = bytes.len() as i64 - 1;
    let attempts: [(&str, Result<i64, Errno>); 10] = [
        ("write", file::write(fd, b"!")),
        ("pwrite of the first byte", file::write_at(fd, b"!", 0)),
        ("pwrite of the last byte", file::write_at(fd, b"!", last)),
        ("pwrite behind the end", file::write_at(fd, b"!", last + 1)),
        ("pwrite through another descriptor", file::write_at(&writer, b"!", 0)),
        ("write to a descriptor that appends", file::write(&appender, b"!")),
        ("writev", write_vector(fd)),
        ("sendfile", send_from(bytes, fd)?),
        ("fallocate(PUNCH_HOLE) of one byte", file::punch(fd, 0, 1)),
        ("fallocate(PUNCH_HOLE) of everything", file::punch(fd, 0, last + 1)),
    ];
    for (what, result) in attempts {
        fails_with(&format!("{what} under {seal}"), result, libc::EPERM)?;
    }
    still_holds(fd, bytes, &format!("after refused writes under {seal}"))
}

fn write_vector(fd: &OwnedFd) -> Result<i64, Errno> {
    let part = libc::iovec { iov_base: b"!".as_ptr().cast_mut().cast(), iov_len: 1 };
    // SAFETY: the vector and what it points to are ours; the kernel only reads them.
    unsafe { syscall!(libc::SYS_writev, fd.as_raw_fd(), &raw const part, 1) }
}

fn send_from(bytes: &[u8], fd: &OwnedFd) -> Result<Result<i64, Errno>, crate::Stop> {
    let source = holding(bytes)?;
    // SAFETY: no pointer but the null offset, which stands for the position.
    Ok(unsafe { syscall!(libc::SYS_sendfile, fd.as_raw_fd(), source.as_raw_fd(), 0, 1) })
}

pub fn write_seal_refuses_every_write(_: &Context) -> CaseResult {
    for size in [1, PAGE, PAGE + 1] {
        let bytes = pattern(size);
        let fd = holding(&bytes)?;
        seal(&fd, SEAL_WRITE)?;
        refuses_writes(&fd, &bytes, "F_SEAL_WRITE")?;
    }
    Ok(())
}

pub fn write_seal_leaves_the_size_free(_: &Context) -> CaseResult {
    let bytes = pattern(PAGE);
    for (seals, name) in [(SEAL_WRITE, "F_SEAL_WRITE"), (SEAL_FUTURE_WRITE, "F_SEAL_FUTURE_WRITE")] {
        let fd = holding(&bytes)?;
        seal(&fd, seals)?;
        let what = format!("ftruncate under {name}");
        succeeds(&what, file::truncate(&fd, 2 * PAGE as i64))?;
        still_holds(&fd, &[bytes.as_slice(), &[0; PAGE]].concat(), &format!("after growing {what}"))?;
        succeeds(&what, file::truncate(&fd, 10))?;
        still_holds(&fd, &bytes[..10], &format!("after shrinking {what}"))?;
    }
    Ok(())
}

pub fn write_seal_refuses_writable_shared_mappings(_: &Context) -> CaseResult {
    refuses_writable_shared_mappings(SEAL_WRITE, "F_SEAL_WRITE")
}

pub fn future_write_seal_refuses_writable_shared_mappings(_: &Context) -> CaseResult {
    refuses_writable_shared_mappings(SEAL_FUTURE_WRITE, "F_SEAL_FUTURE_WRITE")
}

fn refuses_writable_shared_mappings(seals: u32, name: &str) -> CaseResult {
    let bytes = pattern(PAGE);
    let fd = holding(&bytes)?;
    seal(&fd, seals)?;
    for access in [WRITE, libc::PROT_WRITE] {
        let mapped = Mapping::of(&fd, PAGE, access, libc::MAP_SHARED);
        fails_with(&format!("mmap shared and writable under {name}"), mapped, libc::EPERM)?;
    }
    // Read-only descriptors may be mapped shared, and no such mapping may be made writable.
    let reader = setup("open for reading", file::reopen(&fd, libc::O_RDONLY))?;
    let what = format!("mmap shared of a read-only descriptor under {name}");
    let mut mapping = succeeds(&what, Mapping::of(&reader, PAGE, READ, libc::MAP_SHARED))?;
    fails_with("mprotect of it to writable", mapping.try_protect(0, PAGE, WRITE), libc::EACCES)?;
    // A read-only mapping of a writable descriptor was refused by some releases, and that is their right.
    if let Ok(mut mapping) = Mapping::of(&fd, PAGE, READ, libc::MAP_SHARED) {
        let upgraded = mapping.try_protect(0, PAGE, WRITE);
        fails_with(
            &format!("mprotect of a shared mapping to writable under {name}"),
            upgraded,
            libc::EACCES,
        )?;
    }
    still_holds(&fd, &bytes, "after refused mappings")
}

pub fn write_seal_allows_private_mappings(_: &Context) -> CaseResult {
    let bytes = pattern(PAGE);
    for seals in [SEAL_WRITE, SEAL_FUTURE_WRITE] {
        let fd = holding(&bytes)?;
        let mut before = succeeds("mmap private", Mapping::of(&fd, PAGE, WRITE, libc::MAP_PRIVATE))?;
        seal(&fd, seals)?;
        let mut after =
            succeeds("mmap private of a sealed file", Mapping::of(&fd, PAGE, WRITE, libc::MAP_PRIVATE))?;
        before.poke(0, 0xee);
        after.poke(1, 0xdd);
        check_eq!(
            (before.peek(1), after.peek(0)),
            (bytes[1], bytes[0]),
            "bytes one private mapping shows of another"
        );
        still_holds(&fd, &bytes, "after writes to private mappings")?;
    }
    Ok(())
}

/// Busy as long as anybody could write: also in part of the mapping, in a child, and after mprotect to read-only,
/// which can be undone.
pub fn write_seal_is_refused_while_mapped_writable(_: &Context) -> CaseResult {
    let fd = holding(&pattern(2 * PAGE))?;
    let mut mapping = setup("mmap", Mapping::of(&fd, 2 * PAGE, WRITE, libc::MAP_SHARED))?;
    let busy = |when: &str| {
        fails_with(&format!("F_ADD_SEALS F_SEAL_WRITE {when}"), add(&fd, SEAL_WRITE), libc::EBUSY)?;
        fails_with(
            &format!("F_SEAL_WRITE with F_SEAL_GROW {when}"),
            add(&fd, SEAL_WRITE | SEAL_GROW),
            libc::EBUSY,
        )?;
        has_seals(&fd, 0, &format!("after a seal refused {when}"))
    };
    busy("with a writable shared mapping")?;
    mapping.protect_part(0, PAGE, READ)?;
    busy("with half of the mapping read-only")?;
    mapping.protect_part(PAGE, PAGE, READ)?;
    busy("with a mapping that mprotect can make writable again")?;
    mapping.protect(WRITE)?;
    mapping.poke(PAGE, 0xee);
    check_eq!(file::read_at(&fd, 1, PAGE as i64), Ok(vec![0xee]), "byte written after the seal was refused");
    drop(mapping);
    seal(&fd, SEAL_WRITE)?;
    has_seals(&fd, SEAL_WRITE, "after the last mapping was gone")?;
    fails_with("pwrite", file::write_at(&fd, b"!", 0), libc::EPERM)
}

pub fn write_seal_is_refused_while_a_child_maps_writable(_: &Context) -> CaseResult {
    let fd = holding(&pattern(PAGE))?;
    let mapping = setup("mmap", Mapping::of(&fd, PAGE, WRITE, libc::MAP_SHARED))?;
    let (reader, writer) = child::pipe()?;
    let pid = child::fork()?;
    if pid == 0 {
        drop(writer);
        // Until the parent closes its end.
        let _ = crate::sys::read_all(&reader);
        child::exit(0);
    }
    drop(mapping);
    let judged = fails_with("F_SEAL_WRITE while a child maps the file", add(&fd, SEAL_WRITE), libc::EBUSY);
    drop(writer);
    child::wait(pid)?;
    judged?;
    seal(&fd, SEAL_WRITE)?;
    has_seals(&fd, SEAL_WRITE, "after the child was gone")
}

pub fn future_write_seal_refuses_every_write(_: &Context) -> CaseResult {
    let bytes = pattern(PAGE + 1);
    let fd = holding(&bytes)?;
    seal(&fd, SEAL_FUTURE_WRITE)?;
    refuses_writes(&fd, &bytes, "F_SEAL_FUTURE_WRITE")
}

pub fn future_write_seal_spares_the_mappings_there_are(_: &Context) -> CaseResult {
    let bytes = pattern(2 * PAGE);
    let fd = holding(&bytes)?;
    let mut mapping = setup("mmap", Mapping::of(&fd, 2 * PAGE, WRITE, libc::MAP_SHARED))?;
    succeeds("F_SEAL_FUTURE_WRITE with a writable shared mapping", add(&fd, SEAL_FUTURE_WRITE))?;
    refuses_writes(&fd, &bytes, "F_SEAL_FUTURE_WRITE")?;
    mapping.poke(PAGE, 0xee);
    let mut expected = bytes;
    expected[PAGE] = 0xee;
    still_holds(&fd, &expected, "after a write through the older mapping")?;
    // SAFETY: frees a page of the mapping, which is ours.
    let removed = unsafe { syscall!(libc::SYS_madvise, mapping.address(), PAGE, libc::MADV_REMOVE) };
    fails_with("madvise(MADV_REMOVE) through the older mapping", removed, libc::EPERM)?;
    still_holds(&fd, &expected, "after a refused MADV_REMOVE")?;
    let busy = add(&fd, SEAL_WRITE);
    fails_with("F_SEAL_WRITE while the older mapping is there", busy, libc::EBUSY)?;
    has_seals(&fd, SEAL_FUTURE_WRITE, "after the refused F_SEAL_WRITE")?;
    drop(mapping);
    seal(&fd, SEAL_WRITE)?;
    has_seals(&fd, SEAL_FUTURE_WRITE | SEAL_WRITE, "after the mapping was gone")
}

pub fn sealed_file_reads_as_before(_: &Context) -> CaseResult {
    let bytes = pattern(2 * PAGE + 1);
    let fd = holding(&bytes)?;
    seal(&fd, SEAL_WRITE | SEAL_FUTURE_WRITE | SEAL_SHRINK | SEAL_GROW | SEAL_SEAL)?;
    still_holds(&fd, &bytes, "of a sealed file")?;
    check_eq!(
        file::read_at(&fd, 10, 2 * PAGE as i64),
        Ok(vec![bytes[2 * PAGE]]),
        "read across the end of a sealed file"
    );
    let reader = setup("open for reading", file::reopen(&fd, libc::O_RDONLY))?;
    let mapping = succeeds("mmap for reading", Mapping::of(&reader, 2 * PAGE + 1, READ, libc::MAP_SHARED))?;
    let differs = (0..bytes.len()).find(|&at| mapping.peek(at) != bytes[at]);
    check_eq!(differs, None, "offset of the first byte that a mapping of a sealed file shows otherwise");
    let (receiver, sender) = child::pipe()?;
    // SAFETY: no pointer but the null offset.
    let sent =
        unsafe { syscall!(libc::SYS_sendfile, sender.as_raw_fd(), reader.as_raw_fd(), 0, bytes.len()) };
    check_eq!(sent, Ok(bytes.len() as i64), "bytes sent from a sealed file");
    drop(sender);
    check!(setup("read", crate::sys::read_all(&receiver))? == bytes, "bytes sent from a sealed file differ");
    Ok(())
}
