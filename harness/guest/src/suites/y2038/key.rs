//! Keys that expire by the real-time clock (keyctl(2) KEYCTL_SET_TIMEOUT).

use super::support::*;
use crate::case::{CaseResult, exists, fails_with, setup, succeeds};
use crate::{Context, syscall};

const SET_TIMEOUT: i32 = 15;
const READ: i32 = 11;
/// KEY_SPEC_PROCESS_KEYRING
const PROCESS_KEYRING: i32 = -2;

pub fn key_expires_after_the_end_of_32_bits(_: &Context) -> CaseResult {
    for seconds in [LAST - 50, LAST_UNSIGNED - 50] {
        set(Time::new(seconds, 0))?;
        // SAFETY: the strings live through the call.
        let added = unsafe {
            let (kind, name) = (c"user".as_ptr(), c"y2038".as_ptr());
            syscall!(libc::SYS_add_key, kind, name, b"secret".as_ptr(), 6, PROCESS_KEYRING)
        };
        let key = setup("add_key", exists("add_key", added)?)?;
        // SAFETY: no content is asked for.
        let read = || unsafe { syscall!(libc::SYS_keyctl, READ, key, 0, 0) };
        // SAFETY: no pointers.
        let limited = unsafe { syscall!(libc::SYS_keyctl, SET_TIMEOUT, key, 1000) };
        succeeds("KEYCTL_SET_TIMEOUT of 1000 s", limited)?;
        succeeds("read of the key", read())?;
        set(Time::new(seconds + 500, 0))?;
        succeeds("read of the key 500 s later, across the end", read())?;
        set(Time::new(seconds + 1001, 0))?;
        fails_with("read of the key 1001 s later", read(), libc::EKEYEXPIRED)?;
    }
    Ok(())
}
