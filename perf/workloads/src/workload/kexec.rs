//! Loading another kernel.

use super::Workload;
use crate::Problem;
use crate::problem::needs;
use crate::sys::{memfd, syscall};
use std::ffi::c_char;
use std::os::fd::AsRawFd;

pub static REFUSED: Workload = Workload {
    name: "kexec_file_refused",
    about: "offer 64 KiB of zeros as a kernel, which is read, probed and refused",
    cites: "kexec_file_load(2)",
    operations: 200,
    setup: || {
        mute_console();
        let image = memfd(libc::MFD_CLOEXEC, &[0u8; 64 << 10])?;
        let operation = move || offer(image.as_raw_fd());
        let first = operation();
        if first == -i64::from(libc::EPERM) {
            let cause = "kexec_file_load is not permitted (lockdown, or kernel.kexec_load_disabled)";
            return Err(Problem::Skip(cause.to_owned()));
        }
        needs("kexec_file_load", first)?;
        Ok(Box::new(operation))
    },
};

/// linux/kexec.h
const KEXEC_FILE_NO_INITRAMFS: u64 = 4;

/// Being refused as no executable is what is wanted.
#[inline(always)]
fn offer(image: i32) -> i64 {
    let command_line: *const c_char = c"".as_ptr();
    // SAFETY: the command line is one zero byte, as long as said.
    let result =
        unsafe { syscall!(libc::SYS_kexec_file_load, image, -1, 1, command_line, KEXEC_FILE_NO_INITRAMFS) };
    if result == -i64::from(libc::ENOEXEC) { 0 } else { result }
}

/// Each refusal prints an error, and a serial console would cost more than the call. Anything worse than an
/// error still appears.
fn mute_console() {
    const SYSLOG_ACTION_CONSOLE_LEVEL: i32 = 8; // syslog(2)
    const ERRORS_AND_BETTER_ARE_SILENT: i32 = 3;
    let nothing: *const c_char = std::ptr::null();
    // SAFETY: the action takes no buffer. Without the right to do it, the measurement is slower, not wrong.
    unsafe { syscall!(libc::SYS_syslog, SYSLOG_ACTION_CONSOLE_LEVEL, nothing, ERRORS_AND_BETTER_ARE_SILENT) };
}
