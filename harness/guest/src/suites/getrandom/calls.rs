//! The call, and the flags by their documented values: a C library's header is not the judge of the ABI.

use crate::Stop;
use crate::case::{exists, succeeds};
use crate::sys::Errno;
use crate::syscall;

pub const NONBLOCK: u32 = 1;
pub const RANDOM: u32 = 2;
pub const INSECURE: u32 = 4;

pub fn getrandom(buffer: &mut [u8], flags: u32) -> Result<usize, Errno> {
    // SAFETY: the buffer is ours and as long as said.
    unsafe { at(buffer.as_mut_ptr() as u64, buffer.len() as u64, flags) }
}

/// # Safety
/// Whatever memory of ours is mapped there is overwritten.
pub unsafe fn at(address: u64, length: u64, flags: u32) -> Result<usize, Errno> {
    // SAFETY: forwarded to the caller.
    let n = unsafe { syscall!(libc::SYS_getrandom, address, length, flags) }?;
    Ok(usize::try_from(n).expect("the kernel returns a length"))
}

/// Random bytes from a call that must give all of them.
pub fn draw<const N: usize>(flags: u32) -> Result<[u8; N], Stop> {
    let mut buffer = [0; N];
    let what = format!("getrandom of {N} bytes with flags {flags:#x}");
    match succeeds(&what, exists("getrandom", getrandom(&mut buffer, flags))?)? {
        n if n == N => Ok(buffer),
        n => Err(Stop::Fail(format!("{what}: returned {n} bytes"))),
    }
}
