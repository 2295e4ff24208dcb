//! The kernel's own doors, without a C library in between: what is timed is the call and nothing else.

use crate::Problem;
use crate::problem::needs;
use std::arch::asm;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A system call; the result is the kernel's, errors as negative numbers.
///
/// # Safety
/// The caller answers for every pointer among the arguments.
/// Source of the convention: System V AMD64 psABI, appendix A.2.1.
#[inline(always)]
pub unsafe fn call(number: i64, arguments: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = arguments;
    let result;
    // SAFETY: the kernel preserves everything but rax, rcx and r11; memory is the caller's business.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// What can stand in an argument register.
pub trait Argument {
    fn word(self) -> u64;
}

macro_rules! argument {
    ($($integer:ty)*) => { $(impl Argument for $integer {
        #[inline(always)]
        fn word(self) -> u64 {
            self as u64
        }
    })* };
}
argument!(i32 u32 i64 u64 usize);

impl<T> Argument for *const T {
    #[inline(always)]
    fn word(self) -> u64 {
        self.addr() as u64
    }
}

impl<T> Argument for *mut T {
    #[inline(always)]
    fn word(self) -> u64 {
        self.addr() as u64
    }
}

/// All six argument registers; those not given are zero.
#[inline(always)]
pub fn registers<const N: usize>(given: [u64; N]) -> [u64; 6] {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&given);
    all
}

/// `syscall!(NR, a, b, …)`: missing arguments are zero. Unsafe like [`call`].
macro_rules! syscall {
    ($number:expr $(, $argument:expr)* $(,)?) => {
        $crate::sys::call($number, $crate::sys::registers([$($crate::sys::Argument::word($argument)),*]))
    };
}
pub(crate) use syscall;

/// The time stamp counter. In exact mode this is virtual time: `instructions << shift`.
/// `lfence` keeps it from being read before what precedes it is done (Intel SDM vol. 2, RDTSC).
#[inline(always)]
pub fn ticks() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a counter; not `nomem`, so that no memory access moves across it.
    unsafe {
        asm!("lfence", "rdtsc", out("eax") low, out("edx") high, options(nostack, preserves_flags));
    }
    u64::from(low) | u64::from(high) << 32
}

/// Takes ownership of the descriptor that a call needed by a workload has just returned.
pub fn owned(call: &str, result: i64) -> Result<OwnedFd, Problem> {
    let fd = RawFd::try_from(needs(call, result)?).unwrap_or(-1);
    // SAFETY: the kernel has just handed this descriptor to us and nobody else holds it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Closes the descriptor that a call returned, or passes its error on.
#[inline(always)]
pub fn close(result: i64) -> i64 {
    if result < 0 {
        return result;
    }
    // SAFETY: the descriptor was just returned to the caller, who gives it up.
    unsafe { syscall!(libc::SYS_close, result) }
}

/// A memfd with `content`.
pub fn memfd(flags: u32, content: &[u8]) -> Result<OwnedFd, Problem> {
    // SAFETY: the name ends with a zero byte.
    let fd = owned("memfd_create", unsafe { syscall!(libc::SYS_memfd_create, c"workload".as_ptr(), flags) })?;
    // SAFETY: the buffer is as long as said.
    needs("write", unsafe { syscall!(libc::SYS_write, fd.as_raw_fd(), content.as_ptr(), content.len()) })?;
    Ok(fd)
}
