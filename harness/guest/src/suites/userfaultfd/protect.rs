//! Write protection: UFFDIO_WRITEPROTECT, pages that arrive protected, and what protects itself.

use super::calls::*;
use super::minor::huge;
use crate::case::{fails_with, setup, succeeds};
use crate::child;
use crate::mapping::PAGE;
use crate::{CaseResult, Context, Stop, check, check_eq, file};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

const SIZE: u64 = PAGE as u64;

/// The soft bit of a page's entry that says it is protected so (pagemap.rst, bit 57).
fn protected(page: Pages) -> Result<bool, Stop> {
    let broken = |error: std::io::Error| Stop::Broken(format!("pagemap: {error}"));
    let map = std::fs::File::open("/proc/self/pagemap").map_err(broken)?;
    let mut entry = [0; 8];
    map.read_exact_at(&mut entry, page.start / SIZE * 8).map_err(broken)?;
    Ok(u64::from_le_bytes(entry) >> 57 & 1 == 1)
}

/// Three pages that hold 1, 2 and 3, the middle one protected.
fn middle_protected(pages: Pages, features: u64) -> Result<Uffd, Stop> {
    (0..3).for_each(|index| poke(pages.page(index).start, index as u8 + 1));
    let uffd = Uffd::watching(pages, WP, features)?;
    succeeds("UFFDIO_WRITEPROTECT", uffd.write_protect(pages.page(1), PROTECT))?;
    Ok(uffd)
}

fn write_waits(pages: Pages, features: u64) -> CaseResult {
    let uffd = middle_protected(pages, features)?;
    let done = AtomicBool::new(false);
    let middle = pages.page(1);
    check_eq!([0, 1, 2].map(|i| peek(pages.page(i).start)), [1, 2, 3], "bytes read under protection");
    poke(pages.page(0).start, 11);
    poke(pages.page(2).start, 33);
    uffd.is_quiet("after reads, and writes beside the protected page")?;
    let touch = || {
        poke(middle.start, 22);
        done.store(true, SeqCst);
    };
    let (uffd, ()) = serving(uffd, touch, |uffd| {
        uffd.expect_fault(FAULT_WP | FAULT_WRITE, middle.start)?;
        std::thread::sleep(GLANCE);
        check_eq!((done.load(SeqCst), peek(middle.start)), (false, 2), "a write to a protected page, before");
        succeeds("UFFDIO_WRITEPROTECT without WP", uffd.write_protect(middle, 0)).map(drop)
    })?;
    check_eq!(peek(middle.start), 22, "a write to a protected page, after");
    poke(middle.start, 23);
    uffd.is_quiet("after the protection was taken away")
}

pub fn write_waits_until_protection_is_taken_away(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    write_waits(pages, feature::PAGEFAULT_FLAG_WP)
}

pub fn write_to_protected_shared_memory_waits(_: &Context) -> CaseResult {
    let fd = shared_file(3)?;
    let (_mapping, pages) = shared(&fd, 3)?;
    write_waits(pages, feature::WP_HUGETLBFS_SHMEM)?;
    check_eq!(file::read_at(&fd, 1, SIZE as i64), Ok(vec![23]), "the byte in the file");
    Ok(())
}

pub fn write_of_the_kernels_waits_too(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let uffd = middle_protected(pages, 0)?;
    let (reader, writer) = child::pipe()?;
    setup("write", file::write(&writer, b"k"))?;
    let (reader, middle) = (&reader, pages.page(1));
    // SAFETY: the byte is inside a mapping of the case's.
    let touch = || read(reader, unsafe { std::slice::from_raw_parts_mut(middle.start as *mut u8, 1) });
    let (_, read) = serving(uffd, touch, |uffd| {
        uffd.expect_fault(FAULT_WP | FAULT_WRITE, middle.start)?;
        check_eq!(peek(middle.start), 2, "a protected page that the kernel wants to write");
        succeeds("UFFDIO_WRITEPROTECT without WP", uffd.write_protect(middle, 0)).map(drop)
    })?;
    check_eq!((read, peek(middle.start)), (Ok(1), b'k'), "read(2) into a protected page");
    Ok(())
}

pub fn unprotect_with_dontwake_leaves_the_write_asleep(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let uffd = middle_protected(pages, 0)?;
    let done = AtomicBool::new(false);
    let middle = pages.page(1);
    let touch = || {
        poke(middle.start, 22);
        done.store(true, SeqCst);
    };
    serving(uffd, touch, |uffd| {
        uffd.expect_fault(FAULT_WP | FAULT_WRITE, middle.start)?;
        succeeds("UFFDIO_WRITEPROTECT with DONTWAKE", uffd.write_protect(middle, PROTECT_DONTWAKE))?;
        std::thread::sleep(GLANCE);
        check!(!done.load(SeqCst), "UFFDIO_WRITEPROTECT with DONTWAKE woke the write");
        succeeds("UFFDIO_WAKE", uffd.wake(middle)).map(drop)
    })?;
    Ok(())
}

pub fn bad_write_protect_is_refused(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(2)?;
    let page = pages.page(0);
    let uffd = Uffd::watching(page, MISSING | WP, 0)?;
    for (range, what) in [
        (Pages { start: page.start + 1, ..page }, "an unaligned start"),
        (Pages { length: 1, ..page }, "an unaligned length"),
        (Pages { length: 0, ..page }, "length 0"),
    ] {
        fails_with(
            &format!("UFFDIO_WRITEPROTECT of {what}"),
            uffd.write_protect(range, PROTECT),
            libc::EINVAL,
        )?;
    }
    for bit in 2..64 {
        let result = uffd.write_protect(page, 1 << bit);
        fails_with(&format!("UFFDIO_WRITEPROTECT with mode {:#x}", 1u64 << bit), result, libc::EINVAL)?;
    }
    let both = uffd.write_protect(page, PROTECT | PROTECT_DONTWAKE);
    fails_with("UFFDIO_WRITEPROTECT with WP and DONTWAKE", both, libc::EINVAL)?;
    let outside = uffd.write_protect(pages.page(1), PROTECT);
    fails_with("UFFDIO_WRITEPROTECT outside", outside, libc::ENOENT)?;
    let missing_only = Uffd::watching(pages.page(1), MISSING, 0)?;
    let result = missing_only.write_protect(pages.page(1), PROTECT);
    fails_with("UFFDIO_WRITEPROTECT of a range registered for MISSING alone", result, libc::ENOENT)
}

/// The page arrives protected: there is no moment in which it could be written unseen.
pub fn copied_page_arrives_protected_on_request(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let from = source(1)?;
    let uffd = Uffd::watching(pages, MISSING | WP, 0)?;
    let (_, ()) = serving(
        uffd,
        || poke(pages.start, 9),
        |uffd| {
            uffd.expect_fault(FAULT_WRITE, pages.start)?;
            filled("UFFDIO_COPY with WP", uffd.copy(pages, from.address(), COPY_WP), SIZE)?;
            uffd.expect_fault(FAULT_WP | FAULT_WRITE, pages.start)?;
            check_eq!(peek(pages.start), 1, "a page that arrived protected");
            succeeds("UFFDIO_WRITEPROTECT without WP", uffd.write_protect(pages, 0)).map(drop)
        },
    )?;
    check_eq!(peek(pages.start), 9, "the page after the write");
    Ok(())
}

pub fn continued_page_arrives_protected_on_request(_: &Context) -> CaseResult {
    let fd = shared_file(1)?;
    let (_mapping, pages) = shared(&fd, 1)?;
    setup("write to the file", file::write_at(&fd, &[7; PAGE], 0))?;
    let uffd = Uffd::watching(pages, MINOR | WP, feature::MINOR_SHMEM | feature::WP_HUGETLBFS_SHMEM)?;
    serving(
        uffd,
        || poke(pages.start, 9),
        |uffd| {
            uffd.expect_fault(FAULT_MINOR | FAULT_WRITE, pages.start)?;
            filled("UFFDIO_CONTINUE with WP", uffd.fill(Call::Continue, pages, CONTINUE_WP), SIZE)?;
            uffd.expect_fault(FAULT_WP | FAULT_WRITE, pages.start)?;
            check_eq!(peek(pages.start), 7, "a page that arrived protected");
            succeeds("UFFDIO_WRITEPROTECT without WP", uffd.write_protect(pages, 0)).map(drop)
        },
    )?;
    check_eq!(peek(pages.start), 9, "the page after the write");
    Ok(())
}

pub fn pagemap_shows_protection_until_it_ends(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let uffd = middle_protected(pages, 0)?;
    let shown = || -> Result<_, Stop> {
        Ok([protected(pages.page(0))?, protected(pages.page(1))?, protected(pages.page(2))?])
    };
    check_eq!(shown()?, [false, true, false], "bit 57 in pagemap under protection of the middle page");
    setup("UFFDIO_WRITEPROTECT", uffd.write_protect(pages, PROTECT))?;
    check_eq!(shown()?, [true; 3], "bit 57 in pagemap under protection of all");
    setup("UFFDIO_WRITEPROTECT", uffd.write_protect(pages.page(0), 0))?;
    check_eq!(shown()?, [false, true, true], "bit 57 in pagemap after the first was released");
    succeeds("UFFDIO_UNREGISTER", uffd.unregister(pages))?;
    (0..3).for_each(|index| poke(pages.page(index).start, 9));
    check_eq!(shown()?, [false; 3], "bit 57 in pagemap after UFFDIO_UNREGISTER and writes");
    uffd.is_quiet("after UFFDIO_UNREGISTER")
}

/// A child's memory is its own; what protects the parent's does not reach it.
pub fn child_of_a_protected_process_writes_freely(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let uffd = middle_protected(pages, 0)?;
    child::isolated(|| {
        poke(pages.page(1).start, 99);
        check_eq!(peek(pages.page(1).start), 99, "a byte that a child wrote");
        Ok(())
    })?;
    check_eq!(peek(pages.page(1).start), 2, "the parent's byte");
    serving(
        uffd,
        || poke(pages.page(1).start, 22),
        |uffd| {
            uffd.expect_fault(FAULT_WP | FAULT_WRITE, pages.page(1).start)?;
            succeeds("UFFDIO_WRITEPROTECT without WP", uffd.write_protect(pages, 0)).map(drop)
        },
    )?;
    Ok(())
}

/// With the event, the child's memory stays as protected as its parent's, and has a descriptor of its own.
pub fn protection_is_kept_across_a_fork_with_its_event(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let uffd = middle_protected(pages, feature::EVENT_FORK | feature::PAGEFAULT_FLAG_WP)?;
    let middle = pages.page(1);
    let touch = || {
        let pid = child::fork()?;
        if pid == 0 {
            poke(pages.page(0).start, 11);
            poke(middle.start, 22);
            child::exit((peek(pages.page(0).start) + peek(middle.start)).into());
        }
        child::wait(pid)
    };
    let (uffd, ending) = serving(uffd, touch, |uffd| {
        let theirs = uffd.expect_fork()?;
        theirs.expect_fault(FAULT_WP | FAULT_WRITE, middle.start)?;
        uffd.is_quiet("of the parent while its child faults")?;
        succeeds("UFFDIO_WRITEPROTECT for the child", theirs.write_protect(middle, 0)).map(drop)
    })?;
    check_eq!(ending?, child::Ending::Exited(33), "sum of the bytes that the child wrote");
    check_eq!([0, 1].map(|i| peek(pages.page(i).start)), [1, 2], "the parent's bytes");
    let write = || poke(middle.start, 23);
    serving(uffd, write, |uffd| {
        uffd.expect_fault(FAULT_WP | FAULT_WRITE, middle.start)?;
        succeeds("UFFDIO_WRITEPROTECT for the parent", uffd.write_protect(middle, 0)).map(drop)
    })?;
    check_eq!(peek(middle.start), 23, "the byte that the parent wrote");
    Ok(())
}

/// A huge page is protected as a whole or not at all, and alone.
pub fn write_to_protected_huge_page_waits(_: &Context) -> CaseResult {
    let (_fd, _mapping, pages, size) = huge()?;
    let size = size as u64;
    let [first, second] = [0, 1].map(|index| Pages { start: pages.start + index * size, length: size });
    let at = second.start + 3 * SIZE + 5;
    poke(first.start, 1);
    poke(at, 2);
    let uffd = Uffd::watching(pages, WP, feature::WP_HUGETLBFS_SHMEM)?;
    let half = Pages { length: size / 2, ..second };
    let refused = uffd.write_protect(half, PROTECT);
    fails_with("UFFDIO_WRITEPROTECT of half a huge page", refused, libc::EINVAL)?;
    succeeds("UFFDIO_WRITEPROTECT of a huge page", uffd.write_protect(second, PROTECT))?;
    check_eq!([peek(first.start), peek(at)], [1, 2], "bytes read under protection");
    poke(first.end() - 1, 11);
    uffd.is_quiet("after reads, and a write right before the protected huge page")?;
    let touch = || poke(at, 22);
    let (uffd, ()) = serving(uffd, touch, |uffd| {
        uffd.expect_fault(FAULT_WP | FAULT_WRITE, second.start)?;
        std::thread::sleep(GLANCE);
        check_eq!(peek(at), 2, "a byte of the protected huge page while a write to it waits");
        succeeds("UFFDIO_WRITEPROTECT without WP", uffd.write_protect(second, 0)).map(drop)
    })?;
    check_eq!(peek(at), 22, "the byte after the write");
    poke(second.start, 23);
    uffd.is_quiet("after the protection was taken away")
}

/// Pages that are not there cannot be protected, unless the feature is asked for.
pub fn page_that_is_not_there_is_protected_on_request(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let uffd = Uffd::watching(pages, WP, feature::WP_UNPOPULATED)?;
    succeeds("UFFDIO_WRITEPROTECT of a page that is not there", uffd.write_protect(pages, PROTECT))?;
    let (uffd, ()) = serving(
        uffd,
        || poke(pages.start, 9),
        |uffd| {
            uffd.expect_fault(FAULT_WP | FAULT_WRITE, pages.start)?;
            succeeds("UFFDIO_WRITEPROTECT without WP", uffd.write_protect(pages, 0)).map(drop)
        },
    )?;
    check_eq!(peek(pages.start), 9, "the page after the write");
    drop(uffd);
    let (_mapping, pages) = untouched(1)?;
    let uffd = Uffd::watching(pages, WP, 0)?;
    succeeds("UFFDIO_WRITEPROTECT of a page that is not there", uffd.write_protect(pages, PROTECT))?;
    let (uffd, ()) = serving(uffd, || poke(pages.start, 9), |_| Ok(()))?;
    uffd.is_quiet("after a write to a page that was not there to be protected")
}

/// The kernel takes the protection away by itself and tells nobody; pagemap shows who was written.
pub fn asynchronous_protection_only_marks(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let uffd = middle_protected(pages, feature::WP_ASYNC | feature::WP_UNPOPULATED)?;
    succeeds("UFFDIO_WRITEPROTECT", uffd.write_protect(pages, PROTECT))?;
    let (uffd, ()) = serving(uffd, || poke(pages.page(2).start, 33), |_| Ok(()))?;
    uffd.is_quiet("after a write under UFFD_FEATURE_WP_ASYNC")?;
    let marks = [protected(pages.page(0))?, protected(pages.page(1))?, protected(pages.page(2))?];
    check_eq!(marks, [true, true, false], "bit 57 in pagemap after a write to the third page");
    check_eq!(peek(pages.page(2).start), 33, "the byte written");
    Ok(())
}
