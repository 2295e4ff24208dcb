//! Flags, sizes and pointers of sched_setattr(2) and sched_getattr(2).

use super::support::{
    Attributes, CLAMP_MAX, CLAMP_MIN, FIRST_SIZE, KEEP_PARAMETERS, KEEP_POLICY, MILLISECOND, RECLAIM,
    SCHED_DEADLINE, SIZE, Sleeper,
};
use crate::case::{exists, fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, check, check_eq, syscall};
use libc::{E2BIG, EFAULT, EINVAL, EOPNOTSUPP, ESRCH};

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

/// A static priority is for SCHED_FIFO and SCHED_RR.
pub fn priority_is_refused(_: &Context) -> CaseResult {
    let sleeper = Sleeper::new()?;
    for priority in [1, 99, 100, u32::MAX] {
        let set = exists("sched_setattr", Attributes { priority, ..GOOD }.set(sleeper.process))?;
        fails_with(&format!("SCHED_DEADLINE with a priority of {priority}"), set, EINVAL)?;
    }
    is_untouched(&sleeper)
}

pub fn keep_flags(_: &Context) -> CaseResult {
    let sleeper = Sleeper::new()?;
    succeeds("SCHED_DEADLINE", exists("sched_setattr", GOOD.flags(RECLAIM).set(sleeper.process))?)?;
    let other = Attributes::deadline(2 * MILLISECOND, 20 * MILLISECOND, 50 * MILLISECOND);
    let read = || setup("sched_getattr", Attributes::get(sleeper.process));
    // Whatever policy the structure names.
    let request = Attributes { policy: 0, ..other.flags(KEEP_POLICY) };
    succeeds("new parameters with SCHED_FLAG_KEEP_POLICY", request.set(sleeper.process))?;
    let told = read()?;
    check_eq!(
        (told.policy, told.runtime, told.deadline, told.period),
        (SCHED_DEADLINE, other.runtime, other.deadline, other.period),
        "policy and parameters after SCHED_FLAG_KEEP_POLICY"
    );
    // Whatever parameters it holds.
    for flags in [KEEP_PARAMETERS, KEEP_PARAMETERS | KEEP_POLICY] {
        let request = Attributes { policy: SCHED_DEADLINE, ..GOOD.flags(flags) };
        succeeds("the same parameters with SCHED_FLAG_KEEP_PARAMS", request.set(sleeper.process))?;
        let told = read()?;
        check_eq!(
            (told.policy, told.runtime, told.deadline, told.period),
            (SCHED_DEADLINE, other.runtime, other.deadline, other.period),
            "policy and parameters after sched_flags {flags:#x}"
        );
    }
    Ok(())
}

/// Utilization clamps are the fields behind the first version of the structure.
pub fn clamps_need_their_fields(_: &Context) -> CaseResult {
    let sleeper = Sleeper::new()?;
    let clamped = |utilization: [u32; 2], size: usize| {
        let flags = CLAMP_MIN | CLAMP_MAX;
        Attributes { size: size as u32, flags, utilization, ..Attributes::default() }.set(sleeper.process)
    };
    fails_with("clamps in the first, shorter structure", clamped([0, 0], FIRST_SIZE), EINVAL)?;
    match exists("sched_setattr", clamped([128, 512], SIZE))? {
        // Without CONFIG_UCLAMP_TASK, for any value.
        Err(Errno(EOPNOTSUPP)) => {
            fails_with("clamps that are no clamps", clamped([2000, 100], SIZE), EOPNOTSUPP)
        }
        other => {
            succeeds("clamps of 128 and 512", other)?;
            let told = setup("sched_getattr", Attributes::get(sleeper.process))?;
            check_eq!(told.utilization, [128, 512], "clamps read back");
            fails_with("a clamp of 1025", clamped([128, 1025], SIZE), EINVAL)?;
            fails_with("a lower clamp above the upper", clamped([513, 512], SIZE), EINVAL)?;
            succeeds("clamps at their limits", clamped([0, 1024], SIZE)).map(drop)
        }
    }
}
