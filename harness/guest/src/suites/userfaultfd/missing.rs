//! Missing pages: what a fault tells, and UFFDIO_COPY, UFFDIO_ZEROPAGE and UFFDIO_WAKE that resolve it.

use super::calls::*;
use crate::case::{fails_with, setup, succeeds};
use crate::mapping::PAGE;
use crate::{CaseResult, Context, Stop, check, check_eq, syscall};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

const SIZE: u64 = PAGE as u64;

pub fn access_waits_for_the_page_it_is_given(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let from = source(3)?;
    for (index, write) in [(0, false), (2, true)] {
        let (page, done) = (pages.page(index), AtomicBool::new(false));
        let uffd = Uffd::watching(pages, MISSING, 0)?;
        let touch = || {
            if write {
                poke(page.start + 100, 0xee);
            }
            let seen = (peek(page.start), peek(page.start + 100), peek(page.end() - 1));
            done.store(true, SeqCst);
            seen
        };
        let (uffd, seen) = serving(uffd, touch, |uffd| {
            uffd.expect_fault(if write { FAULT_WRITE } else { 0 }, page.start)?;
            uffd.is_quiet("after the one fault was read")?;
            check!(!done.load(SeqCst), "the access went on before its fault was resolved");
            filled("UFFDIO_COPY", uffd.copy(page, from.address() + index as u64 * SIZE, 0), SIZE)
        })?;
        let byte = index as u8 + 1;
        check_eq!(
            seen,
            (byte, if write { 0xee } else { byte }, byte),
            "bytes of a page copied by UFFDIO_COPY"
        );
        setup("UFFDIO_UNREGISTER", uffd.unregister(pages))?;
    }
    check_eq!(peek(pages.page(1).start), 0, "a page nobody copied");
    Ok(())
}

pub fn address_of_a_fault_is_its_pages_start(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(2)?;
    for (features, page, expected) in [(0, 0, 0), (feature::EXACT_ADDRESS, 1, 0x123)] {
        if features != 0 && crate::sys::release() < (5, 18) {
            continue;
        }
        let (uffd, page) = (Uffd::watching(pages, MISSING, features)?, pages.page(page));
        serving(
            uffd,
            || peek(page.start + 0x123),
            |uffd| {
                uffd.expect_fault(0, page.start + expected)?;
                filled("UFFDIO_ZEROPAGE", uffd.fill(Call::ZeroPage, page, 0), SIZE)
            },
        )?;
    }
    Ok(())
}

pub fn fault_names_its_thread_on_request(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let uffd = Uffd::watching(pages, MISSING, feature::THREAD_ID)?;
    let mut named = 0;
    let touch = || {
        // SAFETY: takes no pointers.
        let thread = unsafe { libc::gettid() };
        peek(pages.start);
        thread
    };
    let (_, thread) = serving(uffd, touch, |uffd| match uffd.message()? {
        Message::Fault { thread, .. } => {
            named = thread;
            filled("UFFDIO_ZEROPAGE", uffd.fill(Call::ZeroPage, pages, 0), SIZE)
        }
        other => Err(Stop::Fail(format!("the message of a fault is {other:?}"))),
    })?;
    check_eq!(named, thread as u32, "thread named by UFFD_FEATURE_THREAD_ID");
    Ok(())
}

pub fn zeropage_gives_zeros(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let uffd = Uffd::watching(pages, MISSING, 0)?;
    let (uffd, seen) = serving(
        uffd,
        || peek(pages.page(1).start + 7),
        |uffd| {
            uffd.expect_fault(0, pages.page(1).start)?;
            filled("UFFDIO_ZEROPAGE", uffd.fill(Call::ZeroPage, pages, 0), pages.length)
        },
    )?;
    check_eq!(seen, 0, "what the access read");
    for index in 0..3 {
        page_holds(pages.page(index), 0, "a page of UFFDIO_ZEROPAGE")?;
        poke(pages.page(index).start, index as u8 + 1);
    }
    check_eq!([0, 1, 2].map(|i| peek(pages.page(i).start)), [1, 2, 3], "bytes written to pages of zeros");
    uffd.is_quiet("after accesses to pages that are there")
}

/// DONTWAKE fills the page and leaves whoever waits asleep, until UFFDIO_WAKE.
pub fn dontwake_leaves_the_access_asleep_until_woken(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(2)?;
    let from = source(2)?;
    for (call, page, byte) in [(Call::Copy, pages.page(0), 1), (Call::ZeroPage, pages.page(1), 0)] {
        let done = AtomicBool::new(false);
        let uffd = Uffd::watching(pages, MISSING, 0)?;
        let touch = || {
            let seen = peek(page.start);
            done.store(true, SeqCst);
            seen
        };
        let (_, seen) = serving(uffd, touch, |uffd| {
            uffd.expect_fault(0, page.start)?;
            let result = match call {
                Call::Copy => uffd.copy(page, from.address(), DONTWAKE),
                _ => uffd.fill(call, page, DONTWAKE),
            };
            filled(&format!("{call:?} with DONTWAKE"), result, SIZE)?;
            std::thread::sleep(GLANCE);
            check!(!done.load(SeqCst), "{call:?} with DONTWAKE woke the access");
            succeeds("UFFDIO_WAKE", uffd.wake(page)).map(drop)
        })?;
        check_eq!(seen, byte, "what the access read after {call:?}");
    }
    Ok(())
}

/// A wake without a page: the access finds it missing again and says so again.
pub fn wake_without_a_page_faults_again(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let from = source(1)?;
    let uffd = Uffd::watching(pages, MISSING, 0)?;
    let (_, seen) = serving(
        uffd,
        || peek(pages.start),
        |uffd| {
            for _ in 0..2 {
                uffd.expect_fault(0, pages.start)?;
                succeeds("UFFDIO_WAKE", uffd.wake(pages))?;
            }
            uffd.expect_fault(0, pages.start)?;
            filled("UFFDIO_COPY", uffd.copy(pages, from.address(), 0), SIZE)
        },
    )?;
    check_eq!(seen, 1, "what the access read");
    Ok(())
}

/// Each call wakes those who wait for its range and nobody else.
pub fn wake_spares_other_pages(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(2)?;
    let done = AtomicBool::new(false);
    let uffd = Uffd::watching(pages, MISSING, 0)?;
    let touch = || {
        peek(pages.start);
        done.store(true, SeqCst);
    };
    serving(uffd, touch, |uffd| {
        uffd.expect_fault(0, pages.start)?;
        filled("UFFDIO_ZEROPAGE", uffd.fill(Call::ZeroPage, pages.page(0), DONTWAKE), SIZE)?;
        succeeds("UFFDIO_WAKE of another page", uffd.wake(pages.page(1)))?;
        filled("UFFDIO_ZEROPAGE of another page", uffd.fill(Call::ZeroPage, pages.page(1), 0), SIZE)?;
        std::thread::sleep(GLANCE);
        check!(!done.load(SeqCst), "a wake of another page woke the access");
        succeeds("UFFDIO_WAKE", uffd.wake(pages.page(0))).map(drop)
    })?;
    Ok(())
}

pub fn page_that_is_there_is_never_overwritten(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(3)?;
    let from = source(3)?;
    poke(pages.page(1).start, 0x77);
    let uffd = Uffd::watching(pages, MISSING, 0)?;
    let there = pages.page(1);
    refused("UFFDIO_COPY over a page", uffd.copy(there, from.address(), 0), libc::EEXIST)?;
    refused("UFFDIO_ZEROPAGE over a page", uffd.fill(Call::ZeroPage, there, 0), libc::EEXIST)?;
    check_eq!(peek(there.start), 0x77, "the page that was there");
    // What was done before the obstacle counts, and the caller is told to try the rest again.
    let (result, done) = uffd.copy(pages, from.address(), 0);
    fails_with("UFFDIO_COPY of three pages over the second", result, libc::EAGAIN)?;
    check_eq!(done, SIZE as i64, "bytes copied before the page that was there");
    page_holds(pages.page(0), 1, "the page copied before the one that was there")?;
    check_eq!(peek(there.start), 0x77, "the page that was there");
    let (result, done) = uffd.fill(Call::ZeroPage, Pages { start: pages.page(1).start, length: 2 * SIZE }, 0);
    fails_with("UFFDIO_ZEROPAGE that begins at a page", result, libc::EEXIST)?;
    check_eq!(done, -i64::from(libc::EEXIST), "what UFFDIO_ZEROPAGE wrote back");
    Ok(())
}

pub fn bad_ranges_and_modes_are_refused(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(2)?;
    let from = source(2)?;
    let uffd = Uffd::watching(pages, MISSING, 0)?;
    let page = pages.page(0);
    let ranges = [
        (Pages { start: page.start + 1, ..page }, "an unaligned start"),
        (Pages { length: SIZE - 1, ..page }, "an unaligned length"),
        (Pages { length: 0, ..page }, "length 0"),
        (Pages { start: 0u64.wrapping_sub(SIZE), length: 2 * SIZE }, "a range that wraps"),
    ];
    for (range, what) in ranges {
        fails_with(&format!("UFFDIO_COPY to {what}"), uffd.copy(range, from.address(), 0).0, libc::EINVAL)?;
        fails_with(
            &format!("UFFDIO_ZEROPAGE of {what}"),
            uffd.fill(Call::ZeroPage, range, 0).0,
            libc::EINVAL,
        )?;
        fails_with(&format!("UFFDIO_WAKE of {what}"), uffd.wake(range), libc::EINVAL)?;
    }
    for bit in 2..64 {
        let mode = 1 << bit;
        let copied = uffd.copy(page, from.address(), mode).0;
        fails_with(&format!("UFFDIO_COPY with mode {mode:#x}"), copied, libc::EINVAL)?;
        let zeroed = uffd.fill(Call::ZeroPage, page, mode >> 1).0;
        fails_with(&format!("UFFDIO_ZEROPAGE with mode {:#x}", mode >> 1), zeroed, libc::EINVAL)?;
    }
    // Protection on arrival is for ranges registered for it.
    check!(
        uffd.copy(page, from.address(), COPY_WP).0.is_err(),
        "UFFDIO_COPY with WP into a range without it"
    );
    let (_hole, nothing) = untouched(1)?;
    // SAFETY: unmapped a second time by the mapping's drop, which is no error.
    setup("munmap", unsafe { syscall!(libc::SYS_munmap, nothing.start, SIZE) })?;
    refused("UFFDIO_COPY from where nothing is", uffd.copy(page, nothing.start, 0), libc::EFAULT)?;
    check!(uffd.copy(nothing, from.address(), 0).0.is_err(), "UFFDIO_COPY to where nothing is");
    filled("UFFDIO_COPY after all that", uffd.copy(pages, from.address(), 0), pages.length)?;
    page_holds(pages.page(1), 2, "the second page")
}

pub fn range_that_is_not_registered_is_refused(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(2)?;
    let from = source(2)?;
    let uffd = Uffd::watching(pages.page(0), MISSING, 0)?;
    refused("UFFDIO_COPY outside", uffd.copy(pages.page(1), from.address(), 0), libc::ENOENT)?;
    refused("UFFDIO_ZEROPAGE outside", uffd.fill(Call::ZeroPage, pages.page(1), 0), libc::ENOENT)?;
    refused("UFFDIO_COPY across the end", uffd.copy(pages, from.address(), 0), libc::ENOENT)?;
    check_eq!(peek(pages.page(1).start), 0, "the page outside");
    Ok(())
}

/// SIGBUS instead of a message; and whoever fills the page before it is touched sees none.
pub fn sigbus_feature_signals_instead_of_telling(_: &Context) -> CaseResult {
    /// Of asm-generic/siginfo.h.
    const BUS_ADRERR: i32 = 2;
    let (_mapping, pages) = untouched(3)?;
    let from = source(1)?;
    let uffd = Uffd::watching(pages, MISSING, feature::SIGBUS)?;
    filled("UFFDIO_COPY", uffd.copy(pages.page(0), from.address(), 0), SIZE)?;
    check_eq!(peek(pages.start), 1, "a page filled before it was touched");
    for write in [false, true] {
        let at = pages.page(if write { 1 } else { 2 }).start + 5;
        let signal = signal_at(|| {
            if write {
                poke(at, 1);
            } else {
                peek(at);
            }
        })?;
        check_eq!(signal, (libc::SIGBUS, BUS_ADRERR, at), "signal, code and address of an access");
    }
    uffd.is_quiet("under UFFD_FEATURE_SIGBUS")
}

pub fn closing_lets_the_access_go_on(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let uffd = Uffd::watching(pages, MISSING, 0)?;
    // The thread's own copy of the last descriptor: the one that closes it is this.
    let seen = std::thread::scope(|scope| {
        let touching = scope.spawn(|| peek(pages.start));
        let faulted = uffd.expect_fault(0, pages.start);
        drop(uffd);
        faulted.and_then(|()| touching.join().map_err(|_| Stop::Broken("a thread panicked".into())))
    })?;
    check_eq!(seen, 0, "what an access reads when the descriptor is closed");
    Ok(())
}
