//! Events: fork, mremap, madvise and munmap are told to whom asked, before they go on.

use super::calls::*;
use crate::case::{setup, succeeds};
use crate::child::{self, Ending};
use crate::mapping::PAGE;
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, syscall};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Instant;

const SIZE: u64 = PAGE as u64;

/// Forks; the child exits with the byte it finds.
fn child_reads(address: u64) -> Result<Ending, Stop> {
    let pid = child::fork()?;
    if pid == 0 {
        child::exit(peek(address).into());
    }
    child::wait(pid)
}

/// fork(2) waits until its event is read, and the child's memory has a descriptor of its own.
pub fn fork_hands_over_the_childs_memory(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(2)?;
    let from = source(2)?;
    let uffd = Uffd::watching(pages, MISSING, feature::EVENT_FORK)?;
    let (uffd, ending) = serving(
        uffd,
        || child_reads(pages.start),
        |uffd| {
            let theirs = uffd.expect_fork()?;
            theirs.expect_fault(0, pages.start)?;
            uffd.is_quiet("of the parent while its child faults")?;
            filled("UFFDIO_COPY for the child", theirs.copy(pages.page(0), from.address() + SIZE, 0), SIZE)
        },
    )?;
    check_eq!(ending?, Ending::Exited(2), "the byte that the child read");
    let (_, seen) = serving(
        uffd,
        || peek(pages.start),
        |uffd| {
            uffd.expect_fault(0, pages.start)?;
            filled("UFFDIO_COPY for the parent", uffd.copy(pages.page(0), from.address(), 0), SIZE)
        },
    )?;
    check_eq!(seen, 1, "the byte that the parent read");
    Ok(())
}

pub fn fork_waits_for_its_event_to_be_read(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let uffd = Uffd::watching(pages, MISSING, feature::EVENT_FORK)?;
    let done = AtomicBool::new(false);
    let touch = || {
        let pid = child::fork()?;
        if pid == 0 {
            child::exit(0);
        }
        done.store(true, SeqCst);
        child::wait(pid)
    };
    let (_, ending) = serving(uffd, touch, |uffd| {
        check_eq!(uffd.poll(PATIENCE)?, libc::POLLIN, "poll(2) while a fork waits");
        std::thread::sleep(GLANCE);
        check!(!done.load(SeqCst), "fork(2) went on before its event was read");
        uffd.message().map(drop)
    })?;
    check_eq!(ending?, Ending::Exited(0), "end of the child");
    Ok(())
}

pub fn fork_without_the_event_leaves_the_child_alone(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let uffd = Uffd::watching(pages, MISSING, 0)?;
    let (uffd, ending) = serving(uffd, || child_reads(pages.start), |_| Ok(()))?;
    check_eq!(ending?, Ending::Exited(0), "the byte that the child read");
    uffd.is_quiet("after a fork that was not asked for")
}

fn remap(from: Pages, to: u64) -> Result<i64, Errno> {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: both places are mappings of the case's.
    unsafe { syscall!(libc::SYS_mremap, from.start, from.length, from.length, flags, to) }
}

/// The range moves with its registration.
pub fn remap_tells_from_where_to_where(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(2)?;
    let (_target, target) = untouched(2)?;
    let from = source(1)?;
    let uffd = Uffd::watching(pages, MISSING, feature::EVENT_REMAP)?;
    let touch = || remap(pages, target.start).map(|_| peek(target.page(1).start));
    let (_, seen) = serving(uffd, touch, |uffd| {
        match uffd.message()? {
            Message::Remap { from, to, length } => {
                check_eq!((from, to, length), (pages.start, target.start, pages.length), "from, to, length");
            }
            other => return Err(Stop::Fail(format!("the message of an mremap is {other:?}"))),
        }
        uffd.expect_fault(0, target.page(1).start)?;
        filled("UFFDIO_COPY to the new place", uffd.copy(target.page(1), from.address(), 0), SIZE)
    })?;
    check_eq!(seen, Ok(1), "what the access to the new place read");
    Ok(())
}

pub fn remap_without_the_event_ends_the_registration(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let (_target, target) = untouched(1)?;
    let from = source(1)?;
    let uffd = Uffd::watching(pages, MISSING, 0)?;
    let touch = || remap(pages, target.start).map(|_| peek(target.start));
    let (uffd, seen) = serving(uffd, touch, |_| Ok(()))?;
    check_eq!(seen, Ok(0), "what the access to the new place read");
    uffd.is_quiet("after an mremap that was not asked for")?;
    refused("UFFDIO_COPY to the new place", uffd.copy(target, from.address(), 0), libc::ENOENT)
}

/// The advice waits until its event is read; then the page is gone, and missing when it is touched.
pub fn remove_tells_what_is_gone(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let from = source(3)?;
    let uffd = Uffd::watching(pages, MISSING, feature::EVENT_REMOVE)?;
    filled("UFFDIO_COPY", uffd.copy(pages, from.address(), 0), pages.length)?;
    let middle = pages.page(1);
    let touch = || {
        // SAFETY: a mapping of the case's that nothing borrows.
        let removed = unsafe { syscall!(libc::SYS_madvise, middle.start, SIZE, libc::MADV_DONTNEED) };
        removed.map(|_| [0, 1, 2].map(|index| peek(pages.page(index).start)))
    };
    let (_, seen) = serving(uffd, touch, |uffd| {
        match uffd.message()? {
            Message::Remove { start, end } => {
                check_eq!((start, end), (middle.start, middle.end()), "start, end")
            }
            other => return Err(Stop::Fail(format!("the message of an madvise is {other:?}"))),
        }
        // The advice is still being followed until its caller runs again: until then the kernel says so.
        let deadline = Instant::now() + PATIENCE;
        loop {
            match uffd.copy(middle, from.address(), DONTWAKE) {
                (Err(Errno(libc::EAGAIN | libc::EEXIST)), _) if Instant::now() < deadline => {
                    std::thread::yield_now();
                }
                other => break filled("UFFDIO_COPY", other, SIZE),
            }
        }?;
        succeeds("UFFDIO_WAKE", uffd.wake(middle)).map(drop)
    })?;
    check_eq!(seen, Ok([1, 1, 3]), "bytes around and in what was removed");
    Ok(())
}

pub fn unmap_tells_what_is_gone(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let uffd = Uffd::watching(pages, MISSING, feature::EVENT_UNMAP)?;
    let part = Pages { start: pages.page(1).start, length: 2 * SIZE };
    // SAFETY: a mapping of the case's; its drop unmaps what is left.
    let touch = || unsafe { syscall!(libc::SYS_munmap, part.start, part.length) };
    let (_, unmapped) = serving(uffd, touch, |uffd| match uffd.message()? {
        Message::Unmap { start, end } => {
            check_eq!((start, end), (part.start, part.end()), "start and end of what munmap takes away");
            Ok(())
        }
        other => Err(Stop::Fail(format!("the message of an munmap is {other:?}"))),
    })?;
    check_eq!(unmapped, Ok(0), "munmap");
    Ok(())
}

/// Who did not ask for an event gets none, and nobody waits for him.
pub fn events_not_asked_for_are_not_told(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(2)?;
    let uffd = Uffd::watching(pages, MISSING | WP, 0)?;
    let touch = || {
        advise(pages, libc::MADV_DONTNEED);
        // SAFETY: a mapping of the case's; its drop unmaps what is left.
        unsafe { syscall!(libc::SYS_munmap, pages.page(1).start, SIZE) }
    };
    let (uffd, unmapped) = serving(uffd, touch, |_| Ok(()))?;
    setup("munmap", unmapped)?;
    uffd.is_quiet("after madvise and munmap")
}
