//! Shared memory and huge pages: missing pages there, and minor faults that UFFDIO_CONTINUE resolves.

use super::calls::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child::needs_root;
use crate::mapping::{Mapping, PAGE};
use crate::{CaseResult, Context, Stop, check, check_eq, file, skip, syscall};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

const SIZE: u64 = PAGE as u64;

/// What UFFDIO_COPY puts into a shared mapping is in the file.
pub fn copy_into_shared_memory_reaches_the_file(_: &Context) -> CaseResult {
    let fd = shared_file(3)?;
    let (_mapping, pages) = shared(&fd, 3)?;
    let from = source(3)?;
    let uffd = Uffd::watching(pages, MISSING, feature::MISSING_SHMEM)?;
    let (uffd, seen) = serving(
        uffd,
        || peek(pages.page(1).start),
        |uffd| {
            uffd.expect_fault(0, pages.page(1).start)?;
            filled("UFFDIO_COPY", uffd.copy(pages.page(1), from.address() + SIZE, 0), SIZE)
        },
    )?;
    check_eq!(seen, 2, "what the access read");
    check_eq!(file::read_at(&fd, 1, SIZE as i64 - 1), Ok(vec![0]), "the byte before the page, in the file");
    check_eq!(file::read_at(&fd, PAGE, SIZE as i64), Ok(vec![2; PAGE]), "the page, in the file");
    refused("UFFDIO_COPY over a page", uffd.copy(pages.page(1), from.address(), 0), libc::EEXIST)?;
    filled("UFFDIO_ZEROPAGE", uffd.fill(Call::ZeroPage, pages.page(2), 0), SIZE)?;
    check_eq!(peek(pages.page(2).start), 0, "a page of zeros");
    poke(pages.page(2).start, 9);
    check_eq!(file::read_at(&fd, 1, 2 * SIZE as i64), Ok(vec![9]), "a byte written to the page of zeros");
    setup("write to the file", file::write_at(&fd, b"f", 0))?;
    refused("UFFDIO_COPY over a page of the file", uffd.copy(pages.page(0), from.address(), 0), libc::EEXIST)
}

/// The page is in the file, but not in this mapping's page table.
pub fn minor_fault_is_told_and_continued(_: &Context) -> CaseResult {
    let fd = shared_file(2)?;
    let (_mapping, pages) = shared(&fd, 2)?;
    setup("write to the file", file::write_at(&fd, &[7; 2 * PAGE], 0))?;
    for (index, write) in [(0, false), (1, true)] {
        let page = pages.page(index);
        let uffd = Uffd::watching(pages, MINOR, feature::MINOR_SHMEM)?;
        let touch = || {
            if write {
                poke(page.start, 8);
            }
            peek(page.start)
        };
        let (uffd, seen) = serving(uffd, touch, |uffd| {
            uffd.expect_fault(FAULT_MINOR | if write { FAULT_WRITE } else { 0 }, page.start)?;
            // Its contents may be changed before the access sees them: that is what the fault is for.
            setup("write to the file", file::write_at(&fd, &[70], page.start as i64 - pages.start as i64))?;
            filled("UFFDIO_CONTINUE", uffd.fill(Call::Continue, page, 0), SIZE)
        })?;
        check_eq!(seen, if write { 8 } else { 70 }, "what the access read");
        refused("UFFDIO_CONTINUE of a mapped page", uffd.fill(Call::Continue, page, 0), libc::EEXIST)?;
        uffd.is_quiet("after the page was mapped")?;
        setup("UFFDIO_UNREGISTER", uffd.unregister(pages))?;
    }
    Ok(())
}

pub fn bad_continue_is_refused(_: &Context) -> CaseResult {
    let fd = shared_file(2)?;
    let (_mapping, pages) = shared(&fd, 2)?;
    let uffd = Uffd::watching(pages, MINOR, feature::MINOR_SHMEM)?;
    setup("write to the file", file::write_at(&fd, &[7; PAGE], 0))?;
    let (call, page) = (Call::Continue, pages.page(0));
    refused("UFFDIO_CONTINUE of a hole", uffd.fill(call, pages.page(1), 0), libc::EFAULT)?;
    for (range, what) in [
        (Pages { start: page.start + 1, ..page }, "an unaligned start"),
        (Pages { length: 1, ..page }, "an unaligned length"),
        (Pages { length: 0, ..page }, "length 0"),
    ] {
        fails_with(&format!("UFFDIO_CONTINUE of {what}"), uffd.fill(call, range, 0).0, libc::EINVAL)?;
    }
    for bit in 2..64 {
        let result = uffd.fill(call, page, 1 << bit).0;
        fails_with(&format!("UFFDIO_CONTINUE with mode {:#x}", 1u64 << bit), result, libc::EINVAL)?;
    }
    let (result, done) = uffd.fill(call, pages, 0);
    fails_with("UFFDIO_CONTINUE of a page and a hole", result, libc::EAGAIN)?;
    check_eq!(done, SIZE as i64, "bytes that UFFDIO_CONTINUE mapped before the hole");
    let (_other, anonymous) = untouched(1)?;
    refused("UFFDIO_CONTINUE outside", uffd.fill(call, anonymous, 0), libc::ENOENT)
}

pub fn continue_with_dontwake_leaves_the_access_asleep(_: &Context) -> CaseResult {
    let fd = shared_file(1)?;
    let (_mapping, pages) = shared(&fd, 1)?;
    setup("write to the file", file::write_at(&fd, &[7; PAGE], 0))?;
    let uffd = Uffd::watching(pages, MINOR, feature::MINOR_SHMEM)?;
    let done = AtomicBool::new(false);
    let touch = || {
        let seen = peek(pages.start);
        done.store(true, SeqCst);
        seen
    };
    let (_, seen) = serving(uffd, touch, |uffd| {
        uffd.expect_fault(FAULT_MINOR, pages.start)?;
        filled("UFFDIO_CONTINUE with DONTWAKE", uffd.fill(Call::Continue, pages, DONTWAKE), SIZE)?;
        std::thread::sleep(GLANCE);
        check!(!done.load(SeqCst), "UFFDIO_CONTINUE with DONTWAKE woke the access");
        succeeds("UFFDIO_WAKE", uffd.wake(pages)).map(drop)
    })?;
    check_eq!(seen, 7, "what the access read");
    Ok(())
}

/// A hole is missing, a page of the file is minor; each is told to whom asked for it.
pub fn missing_and_minor_are_told_apart(_: &Context) -> CaseResult {
    let fd = shared_file(2)?;
    let (_mapping, pages) = shared(&fd, 2)?;
    let from = source(1)?;
    setup("write to the file", file::write_at(&fd, &[7; PAGE], 0))?;
    let uffd = Uffd::watching(pages, MISSING | MINOR, feature::MISSING_SHMEM | feature::MINOR_SHMEM)?;
    let touch = || [0, 1].map(|index| peek(pages.page(index).start));
    let (uffd, seen) = serving(uffd, touch, |uffd| {
        uffd.expect_fault(FAULT_MINOR, pages.page(0).start)?;
        filled("UFFDIO_CONTINUE", uffd.fill(Call::Continue, pages.page(0), 0), SIZE)?;
        uffd.expect_fault(0, pages.page(1).start)?;
        filled("UFFDIO_COPY", uffd.copy(pages.page(1), from.address(), 0), SIZE)
    })?;
    check_eq!(seen, [7, 1], "what the accesses read");
    setup("UFFDIO_UNREGISTER", uffd.unregister(pages))?;
    // In mode MINOR alone a hole is filled by the kernel, and in mode MISSING alone a page of the file is mapped.
    for (mode, page) in [(MINOR, 0), (MISSING, 1)] {
        let fd = shared_file(2)?;
        let (_mapping, pages) = shared(&fd, 2)?;
        setup("write to the file", file::write_at(&fd, &[7; PAGE], SIZE as i64))?;
        let uffd = Uffd::watching(pages, mode, 0)?;
        let (uffd, seen) = serving(uffd, || peek(pages.page(page).start), |_| Ok(()))?;
        check_eq!(seen, page as u8 * 7, "a page that mode {mode} does not concern");
        uffd.is_quiet(&format!("in mode {mode} after an access that it does not concern"))?;
    }
    Ok(())
}

const POOL: &str = "/proc/sys/vm/nr_hugepages";

/// A file of two huge pages with a shared mapping, and the size of a page.
pub fn huge() -> Result<(OwnedFd, Mapping, Pages, usize), Stop> {
    needs_root()?;
    let fd = match file::in_memory(libc::MFD_HUGETLB) {
        Err(_) => skip!("missing hardware: huge pages"),
        Ok(fd) => fd,
    };
    let size = setup("fstat", file::status(&fd))?.st_blksize as usize;
    std::fs::write(POOL, "4").map_err(|error| Stop::Broken(format!("{POOL}: {error}")))?;
    let pool = std::fs::read_to_string(POOL).unwrap_or_default();
    if pool.trim().parse().unwrap_or(0) < 4 {
        skip!("missing memory: 4 huge pages in one piece");
    }
    setup("ftruncate", file::truncate(&fd, 2 * size as i64))?;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let mapping = setup("mmap", Mapping::of(&fd, 2 * size, access, libc::MAP_SHARED))?;
    let pages = Pages { start: mapping.address(), length: 2 * size as u64 };
    Ok((fd, mapping, pages, size))
}

pub fn huge_page_is_missing_and_copied_whole(_: &Context) -> CaseResult {
    let (fd, _mapping, pages, size) = huge()?;
    let first = Pages { length: size as u64, ..pages };
    let from = source(size / PAGE)?;
    let uffd = Uffd::with(feature::MISSING_HUGETLBFS)?;
    let told = succeeds("UFFDIO_REGISTER of huge pages", uffd.register(pages, MISSING))?;
    check!(told & 1 << Call::ZeroPage as u64 == 0, "ioctls of huge pages: {told:#x} have UFFDIO_ZEROPAGE");
    let half = Pages { length: size as u64 / 2, ..pages };
    fails_with("UFFDIO_COPY of half a huge page", uffd.copy(half, from.address(), 0).0, libc::EINVAL)?;
    check!(uffd.fill(Call::ZeroPage, first, 0).0.is_err(), "UFFDIO_ZEROPAGE of a huge page succeeded");
    let at = pages.start + 3 * SIZE + 5;
    let (uffd, seen) = serving(
        uffd,
        || peek(at),
        |uffd| {
            uffd.expect_fault(0, pages.start)?;
            filled("UFFDIO_COPY of a huge page", uffd.copy(first, from.address(), 0), size as u64)
        },
    )?;
    check_eq!(seen, 4, "what the access read");
    check_eq!(
        peek(pages.start + size as u64 - SIZE - 1),
        (size / PAGE - 1) as u8,
        "a byte near the end of the huge page"
    );
    check_eq!(file::read_at(&fd, 1, 2 * SIZE as i64), Ok(vec![3]), "a byte of the file");
    refused("UFFDIO_COPY over a huge page", uffd.copy(first, from.address(), 0), libc::EEXIST)
}

pub fn huge_page_has_minor_faults(_: &Context) -> CaseResult {
    let (fd, _first, _, size) = huge()?;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let second = setup("mmap", Mapping::of(&fd, 2 * size, access, libc::MAP_SHARED))?;
    let third = setup("mmap", Mapping::of(&fd, 2 * size, access, libc::MAP_SHARED))?;
    poke(third.address() + 5, 77);
    let pages = Pages { start: second.address(), length: size as u64 };
    let uffd = Uffd::watching(pages, MINOR, feature::MINOR_HUGETLBFS)?;
    let (uffd, seen) = serving(
        uffd,
        || peek(pages.start + 5),
        |uffd| {
            uffd.expect_fault(FAULT_MINOR, pages.start)?;
            filled("UFFDIO_CONTINUE of a huge page", uffd.fill(Call::Continue, pages, 0), size as u64)
        },
    )?;
    check_eq!(seen, 77, "what the access read");
    uffd.is_quiet("after the huge page was mapped")
}

/// Only the hole's maker decides: pages punched out are missing again.
pub fn punched_page_is_missing_again(_: &Context) -> CaseResult {
    let fd = shared_file(1)?;
    let (_mapping, pages) = shared(&fd, 1)?;
    let from = source(1)?;
    poke(pages.start, 9);
    let uffd = Uffd::watching(pages, MISSING, feature::MISSING_SHMEM)?;
    setup("fallocate(PUNCH_HOLE)", file::punch(&fd, 0, SIZE as i64))?;
    let (uffd, seen) = serving(
        uffd,
        || peek(pages.start),
        |uffd| {
            uffd.expect_fault(0, pages.start)?;
            filled("UFFDIO_COPY", uffd.copy(pages, from.address(), 0), SIZE)
        },
    )?;
    check_eq!(seen, 1, "what the access read");
    // SAFETY: a mapping of the case's that nothing borrows.
    setup("madvise", unsafe { syscall!(libc::SYS_madvise, pages.start, SIZE, libc::MADV_DONTNEED) })?;
    let (_, seen) = serving(uffd, || peek(pages.start), |_| Ok(()))?;
    check_eq!(seen, 1, "a page of the file that only this mapping let go");
    Ok(())
}
