//! getrandom(2).

use crate::case::{exists, fails_with, succeeds};
use crate::sys::Errno;
use crate::{Case, CaseResult, Context, Suite, check, check_eq, syscall};

pub const SUITE: Suite =
    Suite { name: "getrandom", about: "getrandom(2): random bytes without a file", needs: &[], cases: CASES };

const CASES: &[Case] = &[
    Case {
        name: "fills_the_whole_buffer",
        cites: "getrandom(2): reads of up to 256 bytes always return as many bytes as requested",
        needs: &[],
        files: &[],
        run: fills_the_whole_buffer,
    },
    Case {
        name: "unknown_flag_is_refused",
        cites: "getrandom(2) ERRORS: EINVAL, an invalid flag was specified in flags",
        needs: &[],
        files: &[],
        run: unknown_flag_is_refused,
    },
];

fn getrandom(buffer: &mut [u8], flags: u32) -> Result<usize, Errno> {
    // SAFETY: the buffer is ours and as long as said.
    let n = unsafe { syscall!(libc::SYS_getrandom, buffer.as_mut_ptr(), buffer.len(), flags) }?;
    Ok(usize::try_from(n).expect("the kernel returns a length"))
}

fn fills_the_whole_buffer(_: &Context) -> CaseResult {
    let mut buffer = [0u8; 256];
    let n = succeeds("getrandom of 256 bytes", exists("getrandom", getrandom(&mut buffer, 0))?)?;
    check_eq!(n, buffer.len(), "bytes returned");
    check!(buffer.iter().any(|&byte| byte != 0), "256 random bytes are all zero");
    Ok(())
}

fn unknown_flag_is_refused(_: &Context) -> CaseResult {
    fails_with(
        "getrandom with flag 0x8000",
        exists("getrandom", getrandom(&mut [0; 16], 0x8000))?,
        libc::EINVAL,
    )
}
