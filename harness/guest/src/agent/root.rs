//! Another root for a command: a mount namespace whose root it is.

use std::io::{Error, Result};

/// Makes a mounted folder the calling process's root. Not by chroot(2) alone: who is in a changed root may not make
/// user namespaces (unshare(2), EPERM), which many a test needs.
pub fn enter(root: &str) -> Result<()> {
    move_to(root).or_else(|_| std::os::unix::fs::chroot(root))
}

/// What switch_root(8) does, in a namespace of our own: pivot_root(2) cannot leave the initial RAM filesystem.
fn move_to(root: &str) -> Result<()> {
    let done = |result: libc::c_int| if result == 0 { Ok(()) } else { Err(Error::last_os_error()) };
    let (here, top) = (c".".as_ptr(), c"/".as_ptr());
    // SAFETY: constant NUL-terminated strings, and null pointers where mount(2) allows them.
    unsafe {
        done(libc::unshare(libc::CLONE_NEWNS))?;
        std::env::set_current_dir(root)?;
        done(libc::mount(here, top, std::ptr::null(), libc::MS_MOVE, std::ptr::null()))?;
        done(libc::chroot(here))
    }
}
