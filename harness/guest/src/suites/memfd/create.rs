//! Creation: names, flags, and what the new file is.

use super::calls::*;
use crate::case::{exists, fails_with, setup, succeeds};
use crate::child;
use crate::mapping::{Mapping, PAGE};
use crate::{CaseResult, Context, Stop, check, check_eq, file, syscall};
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

pub fn new_file_is_empty_and_has_no_name(_: &Context) -> CaseResult {
    let fd = new(CLOEXEC)?;
    let status = setup("fstat", file::status(&fd))?;
    check_eq!(status.st_size, 0, "size of a new memfd");
    check_eq!(status.st_nlink, 0, "links to a new memfd");
    check_eq!(status.st_mode & libc::S_IFMT, libc::S_IFREG, "type of a new memfd");
    // SAFETY: takes no pointers.
    check_eq!(status.st_uid, unsafe { libc::geteuid() }, "owner of a new memfd");
    check_eq!(file::read_at(&fd, 1, 0), Ok(vec![]), "read from an empty memfd");
    let access = setup("F_GETFL", file::control(&fd, libc::F_GETFL, 0))?;
    check_eq!(access & i64::from(libc::O_ACCMODE), i64::from(libc::O_RDWR), "access mode of a new memfd");
    Ok(())
}

fn link_of(fd: &OwnedFd) -> Result<Vec<u8>, Stop> {
    use std::os::unix::ffi::OsStringExt;
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    let link = link.map_err(|error| Stop::Broken(format!("readlink in /proc/self/fd: {error}")))?;
    Ok(link.into_os_string().into_vec())
}

pub fn name_of_250_bytes_is_refused(_: &Context) -> CaseResult {
    for length in [0, 1, 248, 249] {
        let name = CString::new(vec![b'n'; length]).expect("no NUL");
        let created = exists("memfd_create", create(&name, CLOEXEC))?;
        let fd = succeeds(&format!("memfd_create with a name of {length} bytes"), created)?;
        let expected = [b"/memfd:", name.as_bytes(), b" (deleted)"].concat();
        check_eq!(
            link_of(&fd)?.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "link in /proc/self/fd"
        );
    }
    let free = lowest_free()?;
    for length in [250, 251, 255, 256, 4096] {
        let name = CString::new(vec![b'n'; length]).expect("no NUL");
        let what = format!("memfd_create with a name of {length} bytes");
        fails_with(&what, create(&name, CLOEXEC), libc::EINVAL)?;
    }
    check_eq!(lowest_free()?, free, "lowest free descriptor after refused calls");
    Ok(())
}

/// The descriptor the next file will get: a leak shows here.
fn lowest_free() -> Result<i32, Stop> {
    Ok(new(CLOEXEC)?.as_raw_fd())
}

/// getrlimit(2) RLIMIT_NOFILE: one more than the largest number that can be opened.
pub fn descriptor_limit_is_respected(_: &Context) -> CaseResult {
    let free = lowest_free()?;
    child::isolated(|| {
        for (limit, fits) in [(free - 1, false), (free, false), (free + 1, true)] {
            let limits = libc::rlimit { rlim_cur: limit as u64, rlim_max: 4096 };
            // SAFETY: the limits are ours.
            let set = unsafe { syscall!(libc::SYS_setrlimit, libc::RLIMIT_NOFILE, &raw const limits) };
            setup("setrlimit", set)?;
            let what = format!("memfd_create with descriptor {free} next and a limit of {limit}");
            match fits {
                true => drop(succeeds(&what, create(c"limit", CLOEXEC))?),
                false => fails_with(&what, create(c"limit", CLOEXEC), libc::EMFILE)?,
            }
        }
        Ok(())
    })
}

pub fn same_name_makes_another_file(_: &Context) -> CaseResult {
    let (first, second) = (new(CLOEXEC)?, new(CLOEXEC)?);
    setup("pwrite", file::write_at(&first, b"first", 0))?;
    check_eq!(file::size(&second), Ok(0), "size of a second memfd of the same name");
    let inode = |fd| file::status(fd).map(|status| (status.st_dev, status.st_ino));
    check!(inode(&first) != inode(&second), "two memfds of one name are one inode");
    check_eq!(link_of(&first)?, link_of(&second)?, "links of two memfds of one name");
    Ok(())
}

pub fn name_outside_memory_is_refused(_: &Context) -> CaseResult {
    let free = lowest_free()?;
    let mut mapping = Mapping::anonymous(2 * PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
    mapping.bytes().fill(b'n');
    mapping.protect_part(PAGE, PAGE, libc::PROT_NONE)?;
    let unterminated = mapping.address() + PAGE as u64 - 10;
    for (what, address) in [("at NULL", 0), ("that runs into a hole", unterminated)] {
        // SAFETY: the kernel only reads, and only what may be read.
        let result = exists("memfd_create", unsafe { syscall!(libc::SYS_memfd_create, address, CLOEXEC) })?;
        fails_with(&format!("memfd_create with a name {what}"), result, libc::EFAULT)?;
    }
    check_eq!(lowest_free()?, free, "lowest free descriptor after refused calls");
    Ok(())
}

/// Bits 0 to 4 are flags by 6.3, bit 5 is left to the next one, and bits 26 to 31 are a size under MFD_HUGETLB.
pub fn unknown_flag_is_refused(_: &Context) -> CaseResult {
    let free = lowest_free()?;
    for bit in 6..32 {
        let flags = 1 << bit;
        let result = exists("memfd_create", create(c"flag", flags | CLOEXEC))?;
        fails_with(&format!("memfd_create with unknown flag {flags:#x}"), result, libc::EINVAL)?;
        if bit < 26 {
            let what = format!("memfd_create with MFD_HUGETLB and unknown flag {flags:#x}");
            fails_with(&what, create(c"flag", flags | HUGETLB), libc::EINVAL)?;
        }
    }
    check_eq!(lowest_free()?, free, "lowest free descriptor after refused calls");
    Ok(())
}

pub fn cloexec_is_set_only_on_request(_: &Context) -> CaseResult {
    for (flags, expected) in [(0, 0), (ALLOW_SEALING, 0), (CLOEXEC, 1), (CLOEXEC | ALLOW_SEALING, 1)] {
        let fd = new(flags)?;
        let got = file::control(&fd, libc::F_GETFD, 0);
        check_eq!(got, Ok(expected), "FD_CLOEXEC after memfd_create with flags {flags:#x}");
    }
    Ok(())
}

/// The call implies O_LARGEFILE. The file is sparse: this costs a page or two of memory.
pub fn offset_beyond_4_gib_works(_: &Context) -> CaseResult {
    let fd = new(CLOEXEC)?;
    let offset = (4 << 30) + 1;
    check_eq!(file::write_at(&fd, b"far", offset), Ok(3), "pwrite beyond 4 GiB");
    check_eq!(file::size(&fd), Ok(offset + 3), "size after a pwrite beyond 4 GiB");
    check_eq!(file::read_at(&fd, 8, offset), Ok(b"far".to_vec()), "bytes beyond 4 GiB");
    check_eq!(
        file::read_at(&fd, 4, 1),
        Ok(vec![0; 4]),
        "bytes of the hole, where a 32-bit offset would write"
    );
    Ok(())
}

pub fn truncated_bytes_do_not_come_back(_: &Context) -> CaseResult {
    let bytes = pattern(3 * PAGE);
    for keep in [0, 1, PAGE - 1, PAGE, PAGE + 1] {
        let fd = holding(&bytes)?;
        succeeds("ftruncate", file::truncate(&fd, keep as i64))?;
        succeeds("ftruncate", file::truncate(&fd, bytes.len() as i64))?;
        let mut expected = bytes.clone();
        expected[keep..].fill(0);
        still_holds(&fd, &expected, &format!("after truncation to {keep} and back"))?;
    }
    Ok(())
}

pub fn punched_hole_reads_as_zeros_and_nothing_else_does(_: &Context) -> CaseResult {
    let bytes = pattern(4 * PAGE);
    for (offset, length) in [(0, 1), (1, PAGE - 1), (PAGE, PAGE), (PAGE - 1, PAGE + 2), (100, 3 * PAGE)] {
        let fd = holding(&bytes)?;
        succeeds("fallocate(PUNCH_HOLE)", file::punch(&fd, offset as i64, length as i64))?;
        let mut expected = bytes.clone();
        expected[offset..offset + length].fill(0);
        still_holds(&fd, &expected, &format!("after a hole of {length} bytes at {offset}"))?;
    }
    Ok(())
}

pub fn mapping_and_descriptor_see_the_same_bytes(_: &Context) -> CaseResult {
    let fd = holding(&pattern(2 * PAGE))?;
    let (access, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    let mut first = succeeds("mmap", Mapping::of(&fd, 2 * PAGE, access, shared))?;
    let second = succeeds("mmap", Mapping::of(&fd, 2 * PAGE, libc::PROT_READ, shared))?;
    first.poke(PAGE, 0xee);
    check_eq!(
        file::read_at(&fd, 1, PAGE as i64),
        Ok(vec![0xee]),
        "byte written through a shared mapping, read back"
    );
    check_eq!(second.peek(PAGE), 0xee, "byte written through a shared mapping, in another mapping");
    setup("pwrite", file::write_at(&fd, &[0xdd], 7))?;
    check_eq!(
        (first.peek(7), second.peek(7)),
        (0xdd, 0xdd),
        "byte written through the descriptor, in both mappings"
    );
    let mut private = succeeds("mmap", Mapping::of(&fd, 2 * PAGE, access, libc::MAP_PRIVATE))?;
    private.poke(9, 0xcc);
    check!(second.peek(9) != 0xcc, "a private write reached the shared mapping");
    still_holds_one(&fd, 9, 10)
}

fn still_holds_one(fd: &OwnedFd, offset: i64, byte: u8) -> CaseResult {
    check_eq!(file::read_at(fd, 1, offset), Ok(vec![byte]), "byte at {offset} after a private write");
    Ok(())
}

pub fn access_beyond_the_end_raises_sigbus(_: &Context) -> CaseResult {
    let fd = holding(&pattern(PAGE + 1))?;
    let mapping = succeeds("mmap", Mapping::of(&fd, 3 * PAGE, libc::PROT_READ, libc::MAP_SHARED))?;
    check_eq!(mapping.peek(2 * PAGE - 1), 0, "rest of the page that holds the last byte");
    child::killed_by("read of the page behind the last one", libc::SIGBUS, || {
        mapping.peek(2 * PAGE);
        Ok(())
    })?;
    setup("ftruncate", file::truncate(&fd, PAGE as i64))?;
    child::killed_by("read of a page cut off while mapped", libc::SIGBUS, || {
        mapping.peek(PAGE);
        Ok(())
    })?;
    check_eq!(mapping.peek(PAGE - 1), pattern(PAGE)[PAGE - 1], "last byte that is left");
    Ok(())
}
