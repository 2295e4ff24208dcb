//! UFFDIO_REGISTER and UFFDIO_UNREGISTER: which ranges, in which modes, with which calls.

use super::calls::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child;
use crate::mapping::{Mapping, PAGE};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, file, mounts, socket, syscall};
use std::os::fd::AsRawFd;

const SIZE: u64 = PAGE as u64;

fn bits(calls: &[Call]) -> u64 {
    calls.iter().map(|&call| 1 << call as u64).sum()
}

pub fn register_tells_the_calls_of_its_mode(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let fill = [Call::Wake, Call::Copy, Call::ZeroPage];
    for (mode, has, lacks) in [
        (MISSING, &fill[..], &[Call::WriteProtect, Call::Continue][..]),
        (WP, &[Call::Wake, Call::WriteProtect], &[Call::Continue]),
        (MISSING | WP, &[Call::Wake, Call::Copy, Call::ZeroPage, Call::WriteProtect], &[Call::Continue]),
    ] {
        let uffd = Uffd::with(0)?;
        let told = succeeds(&format!("UFFDIO_REGISTER with mode {mode}"), uffd.register(pages, mode))?;
        check_eq!(told & bits(has), bits(has), "ioctls of mode {mode}, those that it must have");
        check_eq!(told & bits(lacks), 0, "ioctls of mode {mode}, those that it cannot have");
    }
    if crate::sys::release() >= (5, 14) {
        let fd = shared_file(1)?;
        let (_shared, range) = shared(&fd, 1)?;
        let told = succeeds("UFFDIO_REGISTER MINOR", Uffd::with(0)?.register(range, MINOR))?;
        check!(told & bits(&[Call::Continue]) != 0, "ioctls of mode MINOR: {told:#x} lack UFFDIO_CONTINUE");
    }
    Ok(())
}

pub fn bad_register_is_refused(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(2)?;
    let page = pages.page(0);
    let uffd = Uffd::with(0)?;
    let refused = |what: &str, range, mode| {
        fails_with(&format!("UFFDIO_REGISTER of {what}"), uffd.register(range, mode), libc::EINVAL)
    };
    refused("mode 0", page, 0)?;
    for bit in 3..64 {
        refused(&format!("unknown mode {:#x}", 1u64 << bit), page, MISSING | 1 << bit)?;
    }
    refused("an unaligned start", Pages { start: page.start + 1, ..page }, MISSING)?;
    refused("an unaligned length", Pages { length: SIZE + 1, ..page }, MISSING)?;
    refused("length 0", Pages { length: 0, ..page }, MISSING)?;
    refused("a range that wraps", Pages { start: 0u64.wrapping_sub(SIZE), length: 2 * SIZE }, MISSING)?;
    refused("addresses of the kernel", Pages { start: 1 << 63, length: SIZE }, MISSING)?;
    // SAFETY: the mapping's drop unmaps what is left.
    setup("munmap", unsafe { syscall!(libc::SYS_munmap, page.start, SIZE) })?;
    refused("a hole", page, MISSING)?;
    succeeds("UFFDIO_REGISTER after all that", uffd.register(pages.page(1), MISSING)).map(drop)
}

pub fn anonymous_memory_has_no_minor_faults(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let uffd = Uffd::with(0)?;
    fails_with("UFFDIO_REGISTER MINOR of anonymous memory", uffd.register(pages, MINOR), libc::EINVAL)?;
    fails_with("UFFDIO_REGISTER MISSING|MINOR of it", uffd.register(pages, MISSING | MINOR), libc::EINVAL)
}

/// Pages of a file on a disk would have to be kept in step with it. The simplest such file is on ramfs.
pub fn file_that_is_not_in_shared_memory_is_refused(context: &Context) -> CaseResult {
    child::isolated(|| {
        mounts::private()?;
        mounts::mount("ramfs", &context.scratch, 0)?;
        let path = context.scratch.join("file");
        std::fs::write(&path, [0; PAGE]).map_err(|error| Stop::Broken(format!("ramfs: {error}")))?;
        let file = std::fs::File::open(&path).map_err(|error| Stop::Broken(format!("ramfs: {error}")))?;
        for flags in [libc::MAP_SHARED, libc::MAP_PRIVATE] {
            let mapping = setup("mmap", Mapping::of(&file, PAGE, libc::PROT_READ, flags))?;
            for mode in [MISSING, WP] {
                let result = Uffd::with(0)?.register(Pages::of(&mapping, 1), mode);
                fails_with("UFFDIO_REGISTER of a file on ramfs", result, libc::EINVAL)?;
            }
        }
        Ok(())
    })
}

/// Who may only read a file must not fill its holes: CVE-2018-18397.
pub fn file_open_for_reading_is_refused(_: &Context) -> CaseResult {
    let writable = shared_file(1)?;
    let file = setup("open for reading", file::reopen(&writable, libc::O_RDONLY))?;
    let mapping = setup("mmap", Mapping::of(&file, PAGE, libc::PROT_READ, libc::MAP_SHARED))?;
    let result = Uffd::with(0)?.register(Pages::of(&mapping, 1), MISSING);
    fails_with("UFFDIO_REGISTER of a shared file open for reading", result, libc::EPERM)
}

pub fn range_of_another_descriptor_is_busy(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let first = Uffd::watching(pages.page(1), MISSING, 0)?;
    let second = Uffd::with(0)?;
    for (range, what) in [(pages.page(1), "the same range"), (pages, "a range around it")] {
        fails_with(
            &format!("UFFDIO_REGISTER of {what} again"),
            second.register(range, MISSING),
            libc::EBUSY,
        )?;
    }
    succeeds("UFFDIO_REGISTER beside it", second.register(pages.page(0), MISSING))?;
    succeeds("UFFDIO_REGISTER of the same range by its owner", first.register(pages.page(1), MISSING | WP))?;
    drop(first);
    succeeds("UFFDIO_REGISTER after its owner was closed", second.register(pages.page(1), MISSING)).map(drop)
}

/// Nothing is told of pages beside the range.
pub fn only_the_registered_range_faults(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let from = source(1)?;
    let uffd = Uffd::watching(pages.page(1), MISSING, 0)?;
    let touch = || [0, 2, 1].map(|index| peek(pages.page(index).start));
    let (uffd, seen) = serving(uffd, touch, |uffd| {
        uffd.expect_fault(0, pages.page(1).start)?;
        filled("UFFDIO_COPY", uffd.copy(pages.page(1), from.address(), 0), SIZE)
    })?;
    check_eq!(seen, [0, 0, 1], "bytes of the pages before, behind and in the range");
    uffd.is_quiet("after accesses beside the range")
}

pub fn unregister_ends_the_faults_and_wakes_who_waits(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let uffd = Uffd::watching(pages, MISSING, 0)?;
    let (uffd, seen) = serving(
        uffd,
        || peek(pages.start),
        |uffd| {
            uffd.expect_fault(0, pages.start)?;
            succeeds("UFFDIO_UNREGISTER", uffd.unregister(pages.page(0))).map(drop)
        },
    )?;
    check_eq!(seen, 0, "what an access reads whose range is unregistered");
    let outside = uffd.copy(pages.page(0), pages.start, 0).0;
    fails_with("UFFDIO_COPY into what was unregistered", outside, libc::ENOENT)?;
    // The rest of the range stays.
    let (uffd, _) = serving(
        uffd,
        || peek(pages.page(2).start),
        |uffd| {
            uffd.expect_fault(0, pages.page(2).start)?;
            filled("UFFDIO_ZEROPAGE", uffd.fill(Call::ZeroPage, pages.page(2), 0), SIZE)
        },
    )?;
    for (range, what) in [
        (Pages { start: pages.start + 1, ..pages }, "an unaligned start"),
        (Pages { length: 1, ..pages }, "an unaligned length"),
        (Pages { length: 0, ..pages }, "length 0"),
    ] {
        fails_with(&format!("UFFDIO_UNREGISTER of {what}"), uffd.unregister(range), libc::EINVAL)?;
    }
    Ok(())
}

pub fn fork_feature_needs_privilege(_: &Context) -> CaseResult {
    child::unprivileged(|| {
        let fd = setup("userfaultfd", create(USER_MODE_ONLY | libc::O_CLOEXEC))?;
        let uffd = Uffd(fd);
        let result = uffd.handshake(API, feature::EVENT_FORK).0;
        fails_with("UFFDIO_API with EVENT_FORK without CAP_SYS_PTRACE", result, libc::EPERM)?;
        succeeds("UFFDIO_API with the other events", uffd.handshake(API, feature::EVENT_REMAP).0).map(drop)
    })
}

/// The memory of a process that is gone cannot be filled.
pub fn memory_of_the_dead_is_esrch(_: &Context) -> CaseResult {
    let [ours, theirs] = setup("socketpair", socket::pair(libc::AF_UNIX, libc::SOCK_SEQPACKET))?;
    let (_mapping, pages) = untouched(1)?;
    let from = source(1)?;
    // The child makes the descriptor: it belongs to the memory of its maker.
    child::isolated(|| {
        let uffd = Uffd::watching(pages, MISSING, 0)?;
        setup("sendmsg", socket::send_files(&theirs, b"u", &[uffd.0.as_raw_fd()])).map(drop)
    })?;
    let received = setup("recvmsg", socket::receive_message(&ours, [8, 64], 0))?;
    let uffd = Uffd(received.files.into_iter().next().ok_or(Stop::Broken("no descriptor came".into()))?);
    let result = uffd.copy(pages, from.address(), 0).0;
    check_eq!(result, Err(Errno(libc::ESRCH)), "UFFDIO_COPY into the memory of a process that is gone");
    Ok(())
}
