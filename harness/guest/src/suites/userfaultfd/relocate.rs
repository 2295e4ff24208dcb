//! UFFDIO_POISON and UFFDIO_MOVE.

use super::calls::*;
use super::minor::huge;
use crate::case::{fails_with, setup, succeeds};
use crate::child;
use crate::mapping::PAGE;
use crate::{CaseResult, Context, check_eq, syscall};
use std::os::fd::AsRawFd;
use std::path::Path;

const SIZE: u64 = PAGE as u64;
/// The code of the signal (asm-generic/siginfo.h): BUS_MCEERR_AR, memory that is broken; BUS_ADRERR from kernels that
/// cannot handle broken memory.
fn code_of_poison() -> i32 {
    if Path::new("/proc/sys/vm/memory_failure_early_kill").exists() { 4 } else { 2 }
}

pub fn poisoned_page_kills_who_touches_it(_: &Context) -> CaseResult {
    for in_file in [false, true] {
        let fd = shared_file(3)?;
        let (_mapping, pages) = if in_file { shared(&fd, 3)? } else { untouched(3)? };
        let uffd = Uffd::watching(pages, MISSING, feature::POISON)?;
        let page = pages.page(1);
        filled("UFFDIO_ZEROPAGE", uffd.fill(Call::ZeroPage, pages.page(0), 0), SIZE)?;
        filled("UFFDIO_POISON", uffd.fill(Call::Poison, page, 0), SIZE)?;
        check_eq!(peek(page.start - 1), 0, "the byte before a poisoned page");
        let (number, code, address) = signal_at(|| {
            peek(page.start + 5);
        })?;
        check_eq!((number, code), (libc::SIGBUS, code_of_poison()), "signal and code of an access to poison");
        check_eq!(address & !(SIZE - 1), page.start, "page of the signal's address");
        uffd.is_quiet("after an access to poison")?;
    }
    Ok(())
}

/// As with small pages, but the whole of it, and nothing beside it.
pub fn poisoned_huge_page_kills_who_touches_it(_: &Context) -> CaseResult {
    let (_fd, _mapping, pages, size) = huge()?;
    let size = size as u64;
    let [first, second] = [0, 1].map(|index| Pages { start: pages.start + index * size, length: size });
    poke(first.end() - 1, 1);
    let uffd = Uffd::watching(pages, MISSING, feature::MISSING_HUGETLBFS | feature::POISON)?;
    let half = uffd.fill(Call::Poison, Pages { length: size / 2, ..second }, 0).0;
    fails_with("UFFDIO_POISON of half a huge page", half, libc::EINVAL)?;
    refused("UFFDIO_POISON over a huge page", uffd.fill(Call::Poison, first, 0), libc::EEXIST)?;
    filled("UFFDIO_POISON of a huge page", uffd.fill(Call::Poison, second, 0), size)?;
    let (_reader, writer) = child::pipe()?;
    // SAFETY: the kernel only reads.
    let written = unsafe { syscall!(libc::SYS_write, writer.as_raw_fd(), second.end() - 8, 8) };
    fails_with("write(2) out of a poisoned huge page", written, libc::EFAULT)?;
    let (number, code, address) = signal_in(size, || {
        peek(second.start + 3 * SIZE + 5);
    })?;
    check_eq!((number, code), (libc::SIGBUS, code_of_poison()), "signal and code of an access to poison");
    check_eq!(address & !(size - 1), second.start, "huge page of the signal's address");
    check_eq!(peek(first.end() - 1), 1, "the byte before a poisoned huge page");
    uffd.is_quiet("after an access to poison")
}

/// The kernel gets no signal: its call fails.
pub fn poisoned_page_fails_the_kernels_copies(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let uffd = Uffd::watching(pages, MISSING, feature::POISON)?;
    filled("UFFDIO_POISON", uffd.fill(Call::Poison, pages, 0), SIZE)?;
    let (_reader, writer) = child::pipe()?;
    // SAFETY: the kernel only reads.
    let written = unsafe { syscall!(libc::SYS_write, writer.as_raw_fd(), pages.start, 8) };
    fails_with("write(2) out of a poisoned page", written, libc::EFAULT)
}

pub fn bad_poison_is_refused(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let uffd = Uffd::watching(pages, MISSING, feature::POISON)?;
    let (call, page) = (Call::Poison, pages.page(0));
    for (range, what) in [
        (Pages { start: page.start + 1, ..page }, "an unaligned start"),
        (Pages { length: 1, ..page }, "an unaligned length"),
        (Pages { length: 0, ..page }, "length 0"),
    ] {
        fails_with(&format!("UFFDIO_POISON of {what}"), uffd.fill(call, range, 0).0, libc::EINVAL)?;
    }
    for bit in 1..64 {
        let result = uffd.fill(call, page, 1 << bit).0;
        fails_with(&format!("UFFDIO_POISON with mode {:#x}", 1u64 << bit), result, libc::EINVAL)?;
    }
    filled("UFFDIO_ZEROPAGE", uffd.fill(Call::ZeroPage, pages.page(1), 0), SIZE)?;
    refused("UFFDIO_POISON over a page", uffd.fill(call, pages.page(1), 0), libc::EEXIST)?;
    let (result, done) = uffd.fill(call, pages, 0);
    fails_with("UFFDIO_POISON of three pages over the second", result, libc::EAGAIN)?;
    check_eq!(done, SIZE as i64, "bytes poisoned before the page that was there");
    let (_other, outside) = untouched(1)?;
    refused("UFFDIO_POISON outside", uffd.fill(call, outside, 0), libc::ENOENT)?;
    check_eq!(peek(pages.page(1).start), 0, "the page that was there");
    Ok(())
}

/// The page itself changes its place: what it held is at the new one, and nothing is at the old one.
pub fn moved_page_is_there_and_no_longer_here(_: &Context) -> CaseResult {
    let (_target, target) = untouched(3)?;
    let (_origin, origin) = untouched(3)?;
    (0..3).for_each(|index| poke(origin.page(index).start, index as u8 + 1));
    let uffd = Uffd::watching(target, MISSING, feature::MOVE)?;
    let (_, seen) = serving(
        uffd,
        || peek(target.page(1).start),
        |uffd| {
            uffd.expect_fault(0, target.page(1).start)?;
            filled("UFFDIO_MOVE", uffd.relocate(target.page(1), origin.page(1).start, 0), SIZE)
        },
    )?;
    check_eq!(seen, 2, "what the access read");
    check_eq!(
        [0, 1, 2].map(|i| peek(origin.page(i).start)),
        [1, 0, 3],
        "bytes of the pages where it came from"
    );
    Ok(())
}

pub fn move_needs_a_page_and_an_empty_place(_: &Context) -> CaseResult {
    let (_target, target) = untouched(3)?;
    let (_origin, origin) = untouched(3)?;
    let uffd = Uffd::watching(target, MISSING, feature::MOVE)?;
    poke(origin.page(0).start, 1);
    poke(origin.page(2).start, 3);
    let (result, done) = uffd.relocate(target, origin.start, 0);
    fails_with("UFFDIO_MOVE of three pages, the second a hole", result, libc::EAGAIN)?;
    check_eq!(done, SIZE as i64, "bytes moved before the hole");
    refused("UFFDIO_MOVE of a hole", uffd.relocate(target.page(1), origin.page(1).start, 0), libc::ENOENT)?;
    let rest = Pages { start: target.page(1).start, length: 2 * SIZE };
    let over_holes = uffd.relocate(rest, origin.page(1).start, ALLOW_SRC_HOLES);
    filled("UFFDIO_MOVE with ALLOW_SRC_HOLES", over_holes, 2 * SIZE)?;
    check_eq!(peek(target.page(2).start), 3, "the page moved behind the hole");
    poke(origin.page(0).start, 9);
    let over = uffd.relocate(target.page(0), origin.page(0).start, 0);
    refused("UFFDIO_MOVE over a page", over, libc::EEXIST)?;
    check_eq!((peek(target.start), peek(origin.start)), (1, 9), "both pages after a refused move");
    Ok(())
}

/// A page that others see, too, cannot change its place.
pub fn shared_page_does_not_move(_: &Context) -> CaseResult {
    let (_target, target) = untouched(1)?;
    let (_origin, origin) = untouched(1)?;
    let uffd = Uffd::watching(target, MISSING, feature::MOVE)?;
    poke(origin.start, 1);
    let (reader, writer) = child::pipe()?;
    let pid = child::fork()?;
    if pid == 0 {
        // Holds the page until the parent has tried.
        drop(writer);
        let _ = read(&reader, &mut [0]);
        child::exit(peek(origin.start).into());
    }
    let result = uffd.relocate(target, origin.start, 0);
    drop(writer);
    check_eq!(child::wait(pid)?, child::Ending::Exited(1), "the byte that the child sees");
    refused("UFFDIO_MOVE of a page shared with a child", result, libc::EBUSY)
}

pub fn bad_move_is_refused(_: &Context) -> CaseResult {
    let (_target, target) = untouched(2)?;
    let (_origin, origin) = untouched(2)?;
    let fd = shared_file(2)?;
    let (_shared, in_file) = shared(&fd, 2)?;
    [origin, in_file].iter().for_each(|pages| poke(pages.start, 1));
    let uffd = Uffd::watching(target, MISSING, feature::MOVE)?;
    let page = target.page(0);
    for (range, what) in [
        (Pages { start: page.start + 1, ..page }, "to an unaligned start"),
        (Pages { length: 1, ..page }, "of an unaligned length"),
        (Pages { length: 0, ..page }, "of length 0"),
    ] {
        fails_with(&format!("UFFDIO_MOVE {what}"), uffd.relocate(range, origin.start, 0).0, libc::EINVAL)?;
    }
    fails_with(
        "UFFDIO_MOVE from an unaligned start",
        uffd.relocate(page, origin.start + 1, 0).0,
        libc::EINVAL,
    )?;
    for bit in 2..64 {
        let result = uffd.relocate(page, origin.start, 1 << bit).0;
        fails_with(&format!("UFFDIO_MOVE with mode {:#x}", 1u64 << bit), result, libc::EINVAL)?;
    }
    fails_with("UFFDIO_MOVE of a file's page", uffd.relocate(page, in_file.start, 0).0, libc::EINVAL)?;
    let outside = uffd.relocate(origin.page(1), origin.start, 0).0;
    fails_with("UFFDIO_MOVE outside", outside, libc::EINVAL)?;
    setup("munmap", {
        // SAFETY: the mapping's drop unmaps what is left.
        unsafe { syscall!(libc::SYS_munmap, origin.page(1).start, SIZE) }
    })?;
    check_eq!(peek(origin.start), 1, "the page that did not move");
    succeeds("UFFDIO_MOVE after all that", uffd.relocate(page, origin.start, 0).0).map(drop)
}
