//! Flags, sizes and pointers of sched_setattr(2) and sched_getattr(2).

use super::support::{Attributes, FIRST_SIZE, MILLISECOND, SIZE, Sleeper};
use crate::case::{exists, fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, check, check_eq, syscall};
use libc::{E2BIG, EFAULT, EINVAL, ESRCH};

const GOOD: Attributes = Attributes::deadline(MILLISECOND, 10 * MILLISECOND, 100 * MILLISECOND);

/// The process must still have the policy it was born with.
fn is_untouched(sleeper: &Sleeper) -> CaseResult {
    let attributes = setup("sched_getattr", Attributes::get(sleeper.process))?;
    check_eq!(attributes.policy, 0, "policy after refused calls");
    Ok(())
}

pub fn unknown_flags(_: &Context) -> CaseResult {
    let sleeper = Sleeper::new()?;
    // 0x10000000 is the kernel's own SCHED_FLAG_SUGOV, which users may not set.
    for flag in [1 << 20, 0x1000_0000, 1 << 32, 1 << 63] {
        let set = exists("sched_setattr", GOOD.flags(flag).set(sleeper.process))?;
        fails_with(&format!("sched_setattr with sched_flags {flag:#x}"), set, EINVAL)?;
    }
    let good = GOOD;
    for flags in [1u64, 1 << 31] {
        // SAFETY: the structure is ours and says its size.
        let set = unsafe { syscall!(libc::SYS_sched_setattr, sleeper.process, &raw const good, flags) };
        fails_with(&format!("sched_setattr with flags {flags:#x}"), set, EINVAL)?;
    }
    for policy in [7, 8, 100, 1 << 31, u32::MAX] {
        // 7 became SCHED_EXT, which takes no deadline parameters but is a policy; the others never were.
        if policy != 7 {
            let set = Attributes { policy, ..GOOD }.set(sleeper.process);
            fails_with(&format!("sched_setattr with policy {policy}"), set, EINVAL)?;
        }
    }
    let mut attributes = Attributes::default();
    // SAFETY: the structure is ours and as long as said.
    let get = unsafe { syscall!(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 1u64 << 31) };
    fails_with("sched_getattr with flags 0x80000000", get, EINVAL)?;
    check_eq!(attributes, Attributes::default(), "what a refused sched_getattr wrote");
    is_untouched(&sleeper)
}

/// A page and more, with the structure in front: sizes larger than the structure can be told.
struct Padded {
    words: Vec<u64>,
}

impl Padded {
    fn new(size: u32) -> Padded {
        let mut words = vec![0u64; 1024];
        // SAFETY: the structure is plain words and shorter than the buffer.
        unsafe { words.as_mut_ptr().cast::<Attributes>().write(Attributes { size, ..GOOD }) };
        Padded { words }
    }

    fn set(&mut self, process: i32) -> Result<i64, Errno> {
        // SAFETY: the buffer is two pages long; the kernel writes at most the size field.
        unsafe { syscall!(libc::SYS_sched_setattr, process, self.words.as_mut_ptr(), 0) }
    }

    fn size(&self) -> u32 {
        self.words[0] as u32
    }
}

pub fn set_sizes(_: &Context) -> CaseResult {
    let sleeper = Sleeper::new()?;
    for size in [1, FIRST_SIZE as u32 - 1, 4097, u32::MAX] {
        let mut padded = Padded::new(size);
        let set = exists("sched_setattr", padded.set(sleeper.process))?;
        fails_with(&format!("sched_setattr with size {size}"), set, E2BIG)?;
        let known = padded.size() as usize;
        check!((SIZE..4096).contains(&known), "size written back for {size}: {known}");
    }
    for dirty in [SIZE, 4088] {
        let mut padded = Padded::new(4096);
        // Beyond any structure so far, and just beyond ours where the kernel's is not longer.
        padded.words[dirty / 8] = 1;
        let set = padded.set(sleeper.process);
        if dirty != SIZE || set.is_err() {
            fails_with(&format!("sched_setattr with byte {dirty} set"), set, E2BIG)?;
            check!((SIZE..4096).contains(&(padded.size() as usize)), "size written back: {}", padded.size());
        }
    }
    is_untouched(&sleeper)?;
    for size in [0, FIRST_SIZE as u32, SIZE as u32, 4096] {
        let mut padded = Padded::new(size);
        succeeds(&format!("sched_setattr with size {size}, zeroes behind"), padded.set(sleeper.process))?;
        check_eq!(padded.size(), size, "the size field after success");
    }
    Ok(())
}

pub fn get_sizes(_: &Context) -> CaseResult {
    let sleeper = Sleeper::new()?;
    succeeds("sched_setattr", exists("sched_setattr", GOOD.set(sleeper.process))?)?;
    let get = |size: usize| {
        let mut words = vec![0xa5a5_a5a5_a5a5_a5a5u64; 1024];
        // SAFETY: the buffer is two pages long.
        let result =
            unsafe { syscall!(libc::SYS_sched_getattr, sleeper.process, words.as_mut_ptr(), size, 0) };
        (result, words)
    };
    for size in [0, FIRST_SIZE - 1, 4097] {
        let (result, words) = get(size);
        fails_with(&format!("sched_getattr with size {size}"), result, EINVAL)?;
        check!(words.iter().all(|&word| word == 0xa5a5_a5a5_a5a5_a5a5), "a refused sched_getattr wrote");
    }
    for size in [FIRST_SIZE, SIZE, 4096] {
        let (result, words) = get(size);
        succeeds(&format!("sched_getattr with size {size}"), result)?;
        check!((FIRST_SIZE..=size).contains(&(words[0] as u32 as usize)), "size told: {}", words[0] as u32);
        check_eq!(words[3..6], [GOOD.runtime, GOOD.deadline, GOOD.period], "times for size {size}");
        check_eq!(words[size / 8], 0xa5a5_a5a5_a5a5_a5a5, "the word behind {size} bytes");
    }
    Ok(())
}

pub fn bad_process_or_pointer(_: &Context) -> CaseResult {
    exists("sched_getattr", Attributes::get(0))?.ok();
    fails_with("sched_setattr of process -1", GOOD.set(-1), EINVAL)?;
    fails_with("sched_getattr of process -1", Attributes::get(-1), EINVAL)?;
    let ended = Sleeper::new()?.process;
    fails_with("sched_setattr of an ended process", GOOD.set(ended), ESRCH)?;
    fails_with("sched_getattr of an ended process", Attributes::get(ended), ESRCH)?;
    // SAFETY: the kernel refuses these addresses; nothing is read or written.
    unsafe {
        let null = syscall!(libc::SYS_sched_setattr, 0, 0, 0);
        fails_with("sched_setattr without attributes", null, EINVAL)?;
        let unmapped = syscall!(libc::SYS_sched_setattr, 0, 8, 0);
        fails_with("sched_setattr from no address", unmapped, EFAULT)?;
        let null = syscall!(libc::SYS_sched_getattr, 0, 0, SIZE, 0);
        fails_with("sched_getattr without room", null, EINVAL)?;
        let unmapped = syscall!(libc::SYS_sched_getattr, 0, 8, SIZE, 0);
        fails_with("sched_getattr to no address", unmapped, EFAULT)
    }
}
