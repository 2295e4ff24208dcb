//! Memory that stays in memory: mlock(2) and its like.

use crate::case::{CaseResult, Stop, exists, fails_with, setup, succeeds};
use crate::child::{isolated, needs_root, unprivileged};
use crate::mapping::{Mapping, PAGE};
use crate::sys::Errno;
use crate::{Context, check, check_eq, syscall};
use libc::{EAGAIN, EINVAL, ENOMEM, EPERM, MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, PROT_READ, PROT_WRITE};

const MLOCK_ONFAULT: u32 = 1;

fn lock(address: u64, length: usize) -> Result<i64, Errno> {
    // SAFETY: locking reads and writes nothing.
    unsafe { syscall!(libc::SYS_mlock, address, length) }
}

fn unlock(address: u64, length: usize) -> Result<i64, Errno> {
    // SAFETY: as for locking.
    unsafe { syscall!(libc::SYS_munlock, address, length) }
}

fn lock2(address: u64, length: usize, flags: u32) -> Result<i64, Errno> {
    // SAFETY: as for locking.
    exists("mlock2", unsafe { syscall!(libc::SYS_mlock2, address, length, flags) })
        .unwrap_or(Err(Errno(libc::ENOSYS)))
}

fn lock_all(flags: i32) -> Result<i64, Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(libc::SYS_mlockall, flags) }
}

fn unlock_all() -> Result<i64, Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(libc::SYS_munlockall) }
}

fn pages(count: usize) -> Result<Mapping, Stop> {
    Mapping::anonymous(count * PAGE, PROT_READ | PROT_WRITE)
}

/// VmLck of this process in pages (proc_pid_status(5)).
fn locked() -> Result<usize, Stop> {
    let text = std::fs::read_to_string("/proc/self/status")
        .map_err(|error| Stop::Broken(format!("/proc/self/status: {error}")))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let kilobytes: Option<usize> = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kilobytes.map(|count| count * 1024 / PAGE).ok_or_else(|| Stop::Broken("no VmLck in the status".into()))
}

/// Pages of a mapping that are in memory (mincore(2)).
fn resident(memory: &Mapping, count: usize) -> Result<usize, Stop> {
    let mut present = vec![0u8; count];
    // SAFETY: one byte for each page of the mapping.
    let asked = unsafe { syscall!(libc::SYS_mincore, memory.address(), count * PAGE, present.as_mut_ptr()) };
    setup("mincore", asked)?;
    Ok(present.iter().filter(|&&byte| byte & 1 == 1).count())
}

/// Page faults of this thread that read no disk (getrusage(2)).
fn faults() -> i64 {
    // SAFETY: plain words, for which zero is valid; the structure is ours.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
        usage.ru_minflt
    }
}

/// Faults that a write to each of these pages takes. What the writing itself needs has been there before.
fn faults_of_writes(memory: &mut Mapping, numbers: &[usize]) -> Result<i64, Stop> {
    // The list itself may lie on a page of the program that was never touched.
    std::hint::black_box(numbers.iter().sum::<usize>());
    let mut count = 0;
    for (memory, numbers) in [(&mut pages(1)?, &[0][..]), (memory, numbers)] {
        let before = faults();
        numbers.iter().for_each(|page| memory.poke(page * PAGE, 1));
        count = faults() - before;
    }
    Ok(count)
}

pub fn locked_memory_is_present_and_counted(_: &Context) -> CaseResult {
    needs_root()?;
    let before = locked()?;
    let mut memory = pages(16)?;
    check_eq!(resident(&memory, 16)?, 0, "pages present in untouched memory");
    // Whole pages, whatever part of them is named.
    succeeds("mlock", lock(memory.address() + 100, 3 * PAGE))?;
    check_eq!(locked()? - before, 4, "locked pages for three pages from the middle of the first");
    check_eq!(resident(&memory, 16)?, 4, "pages present then");
    succeeds("mlock of a part again", lock(memory.address(), 8 * PAGE))?;
    check_eq!(locked()? - before, 8, "locked pages: locks do not stack");
    succeeds("munlock", unlock(memory.address() + (2 * PAGE) as u64, 2 * PAGE))?;
    check_eq!(locked()? - before, 6, "locked pages after two in the middle were unlocked");
    check_eq!(faults_of_writes(&mut memory, &[0, 1, 4, 5, 6, 7])?, 0, "faults of writes to locked memory");
    check_eq!(faults_of_writes(&mut memory, &[8, 9, 10])?, 3, "faults of writes to memory behind it");
    drop(memory);
    check_eq!(locked()?, before, "locked pages after the memory was unmapped");
    Ok(())
}

pub fn lock_on_fault_waits_for_the_touch(_: &Context) -> CaseResult {
    needs_root()?;
    let before = locked()?;
    let mut memory = pages(8)?;
    succeeds("mlock2(MLOCK_ONFAULT)", lock2(memory.address(), 8 * PAGE, MLOCK_ONFAULT))?;
    check_eq!(locked()? - before, 8, "locked pages");
    check_eq!(resident(&memory, 8)?, 0, "pages present before the first touch");
    memory.poke(3 * PAGE, 1);
    check_eq!(resident(&memory, 8)?, 1, "pages present after one touch");
    succeeds("mlock2 without flags", lock2(memory.address(), 8 * PAGE, 0))?;
    check_eq!(resident(&memory, 8)?, 8, "pages present after mlock2 without flags");
    for flags in [2, 4, 1 << 31] {
        fails_with(&format!("mlock2 with flags {flags:#x}"), lock2(memory.address(), PAGE, flags), EINVAL)?;
    }
    Ok(())
}

pub fn lock_of_memory_that_is_not_there_is_refused(_: &Context) -> CaseResult {
    needs_root()?;
    let memory = pages(4)?;
    let hole = memory.address() + (2 * PAGE) as u64;
    // SAFETY: our own mapping; nothing uses the page any more.
    setup("munmap", unsafe { syscall!(libc::SYS_munmap, hole, PAGE) })?;
    fails_with("mlock across a hole", lock(memory.address(), 4 * PAGE), ENOMEM)?;
    fails_with("munlock across a hole", unlock(memory.address(), 4 * PAGE), ENOMEM)?;
    fails_with("mlock of a hole", lock(hole, PAGE), ENOMEM)?;
    fails_with("mlock beyond the end of all addresses", lock(u64::MAX - 4095, 2 * PAGE), EINVAL)?;
    succeeds("mlock of nothing", lock(memory.address(), 0)).map(drop)
}

fn limit(bytes: usize) -> CaseResult {
    let limit = libc::rlimit64 { rlim_cur: bytes as u64, rlim_max: bytes as u64 };
    // SAFETY: the structure is ours; the old limit is not asked for.
    let set = unsafe { syscall!(libc::SYS_prlimit64, 0, libc::RLIMIT_MEMLOCK, &raw const limit, 0) };
    setup("prlimit(RLIMIT_MEMLOCK)", set).map(drop)
}

pub fn unprivileged_locks_are_limited_to_the_page(_: &Context) -> CaseResult {
    needs_root()?;
    isolated(|| {
        limit(8 * PAGE + PAGE / 2)?;
        unprivileged(|| {
            let memory = pages(16)?;
            fails_with(
                "nine pages with a limit of eight and a half",
                lock(memory.address(), 9 * PAGE),
                ENOMEM,
            )?;
            succeeds("eight pages", lock(memory.address(), 8 * PAGE))?;
            succeeds("the same again, which adds nothing", lock(memory.address(), 8 * PAGE))?;
            let ninth = memory.address() + (8 * PAGE) as u64;
            fails_with("a ninth page", lock(ninth, 1), ENOMEM)?;
            succeeds("munlock", unlock(memory.address(), PAGE))?;
            succeeds("another page instead", lock(ninth, 1))?;
            // A new mapping that is to be locked counts as well (mmap(2) MAP_LOCKED, EAGAIN).
            let (protection, flags) = (PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_LOCKED);
            // SAFETY: the kernel chooses an address where nothing of ours is.
            let mapped = unsafe { syscall!(libc::SYS_mmap, 0, PAGE, protection, flags, -1i32, 0) };
            fails_with("mmap with MAP_LOCKED beyond the limit", mapped, EAGAIN)?;
            fails_with("mlockall beyond the limit", lock_all(MCL_CURRENT), ENOMEM)
        })
    })?;
    isolated(|| {
        limit(0)?;
        unprivileged(|| {
            let memory = pages(1)?;
            fails_with("one page with a limit of 0", lock(memory.address(), PAGE), EPERM)?;
            fails_with("mlockall with a limit of 0", lock_all(MCL_CURRENT), EPERM)
        })
    })?;
    // Privilege knows no limit.
    isolated(|| {
        limit(0)?;
        let memory = pages(4)?;
        succeeds("four pages by root with a limit of 0", lock(memory.address(), 4 * PAGE)).map(drop)
    })
}

pub fn mlockall_locks_what_is_and_what_comes(_: &Context) -> CaseResult {
    needs_root()?;
    isolated(|| {
        for flags in [0, MCL_ONFAULT, 8, MCL_CURRENT | 8, 1 << 30] {
            fails_with(&format!("mlockall with flags {flags:#x}"), lock_all(flags), EINVAL)?;
        }
        let old = pages(4)?;
        succeeds("mlockall(MCL_CURRENT)", lock_all(MCL_CURRENT))?;
        check_eq!(resident(&old, 4)?, 4, "pages present of memory there was");
        let new = pages(4)?;
        check_eq!(resident(&new, 4)?, 0, "pages present of memory that came after MCL_CURRENT");
        succeeds("mlockall(MCL_FUTURE)", lock_all(MCL_FUTURE))?;
        let before = locked()?;
        let mut new = pages(4)?;
        check_eq!(resident(&new, 4)?, 4, "pages present of memory that came after MCL_FUTURE");
        check_eq!(locked()? - before, 4, "locked pages of it");
        check_eq!(faults_of_writes(&mut new, &[0, 1, 2, 3])?, 0, "faults of writes to it");
        succeeds("mlockall(MCL_FUTURE | MCL_ONFAULT)", lock_all(MCL_FUTURE | MCL_ONFAULT))?;
        let lazy = pages(4)?;
        check_eq!(resident(&lazy, 4)?, 0, "pages present of memory that came after MCL_ONFAULT");
        succeeds("munlockall", unlock_all())?;
        check_eq!(locked()?, 0, "locked pages after munlockall");
        let free = pages(4)?;
        check_eq!(resident(&free, 4)?, 0, "pages present of memory that came after munlockall");
        Ok(())
    })
}

pub fn child_does_not_inherit_locks(_: &Context) -> CaseResult {
    needs_root()?;
    isolated(|| {
        let memory = pages(4)?;
        succeeds("mlock", lock(memory.address(), 4 * PAGE))?;
        succeeds("mlockall(MCL_FUTURE)", lock_all(MCL_FUTURE))?;
        check!(locked()? >= 4, "{} pages are locked in the parent", locked()?);
        isolated(|| {
            check_eq!(locked()?, 0, "locked pages in a child");
            // SAFETY: throws the child's own pages away, which nobody reads again.
            let discarded =
                unsafe { syscall!(libc::SYS_madvise, memory.address(), 4 * PAGE, libc::MADV_DONTNEED) };
            succeeds("madvise(MADV_DONTNEED) in a child, of pages its parent locked", discarded)?;
            let new = pages(4)?;
            check_eq!(resident(&new, 4)?, 0, "pages present of new memory in a child");
            Ok(())
        })?;
        check!(locked()? >= 4, "{} pages are locked in the parent after that", locked()?);
        Ok(())
    })
}

/// Locked pages refuse to be thrown away.
pub fn locked_memory_cannot_be_discarded(_: &Context) -> CaseResult {
    needs_root()?;
    let mut memory = pages(2)?;
    memory.poke(0, 7);
    succeeds("mlock", lock(memory.address(), 2 * PAGE))?;
    // SAFETY: our own mapping, whose content may go.
    let discard = || unsafe { syscall!(libc::SYS_madvise, memory.address(), 2 * PAGE, libc::MADV_DONTNEED) };
    fails_with("madvise(MADV_DONTNEED) of locked memory", discard(), EINVAL)?;
    check_eq!(memory.peek(0), 7, "what was in it");
    succeeds("munlock", unlock(memory.address(), 2 * PAGE))?;
    succeeds("madvise(MADV_DONTNEED) of unlocked memory", discard())?;
    check_eq!(memory.peek(0), 0, "what was in it");
    Ok(())
}
