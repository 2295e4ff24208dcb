//! The exit codes, as promised in the help.

use std::process::ExitCode;

/// Everything asked for was done and the kernels are good.
pub const GOOD: u8 = 0;
/// A kernel failed: a test failed, a crash was found, a figure regressed.
pub const KERNEL_FAILED: u8 = 1;
/// The command line, the configuration or a named file is wrong.
pub const USAGE: u8 = 2;
/// The machine let us down: QEMU, disk, memory, network.
pub const INFRA: u8 = 3;
/// Stopped by the user; as shells report a death by SIGINT.
pub const INTERRUPTED: u8 = 130;

pub(super) const HELP: &str = "\
Exit codes:
  0    good
  1    a kernel failed: a test failed, a crash was found, a figure regressed
  2    the command line or the configuration is wrong
  3    infrastructure trouble: QEMU, disk, memory
  130  interrupted (the first Ctrl-C stops cleanly, the second at once)";

/// The code for a command that looked at kernels.
pub fn from_good(good: bool) -> ExitCode {
    ExitCode::from(if good { GOOD } else { KERNEL_FAILED })
}
