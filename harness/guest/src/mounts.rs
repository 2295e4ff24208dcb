//! Mounts that only a case sees.

use crate::case::{CaseResult, Stop, setup};
use crate::child;
use crate::sys::{Errno, check};
use crate::syscall;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Gives this process a mount namespace from which nothing propagates. For children only; needs root.
pub fn private() -> CaseResult {
    child::needs_root()?;
    // SAFETY: constant strings and null pointers where mount(2) allows them.
    unsafe {
        setup("unshare(CLONE_NEWNS)", syscall!(libc::SYS_unshare, libc::CLONE_NEWNS))?;
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        setup(
            "mount of / as private",
            syscall!(libc::SYS_mount, c"none".as_ptr(), c"/".as_ptr(), 0, flags, 0),
        )?;
    }
    Ok(())
}

/// Mounts a new filesystem without a device.
pub fn mount(kind: &str, target: &Path, flags: libc::c_ulong) -> CaseResult {
    let (kind_name, target_name) = (c_string(kind.as_bytes())?, c_string(target.as_os_str().as_bytes())?);
    let what = format!("mount of a {kind} on {}", target.display());
    // SAFETY: both strings live through the call.
    let mounted = unsafe {
        syscall!(libc::SYS_mount, kind_name.as_ptr(), target_name.as_ptr(), kind_name.as_ptr(), flags, 0)
    };
    setup(&what, mounted).map(drop)
}

/// Mounts what has a source and options. What this returns may be what the case judges.
pub fn mount_from(source: &str, target: &Path, kind: &str, options: &str) -> Result<(), Errno> {
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno(libc::EINVAL));
    let (source, target) = (text(source.as_bytes())?, text(target.as_os_str().as_bytes())?);
    let (kind, options) = (text(kind.as_bytes())?, text(options.as_bytes())?);
    let (source, target) = (source.as_ptr(), target.as_ptr());
    // SAFETY: all strings live through the call.
    unsafe { syscall!(libc::SYS_mount, source, target, kind.as_ptr(), 0, options.as_ptr()) }.map(drop)
}

/// Takes a mount away, which nothing may be using.
pub fn unmount(target: &Path) -> CaseResult {
    let path = c_string(target.as_os_str().as_bytes())?;
    // SAFETY: the path lives through the call.
    let gone = unsafe { syscall!(libc::SYS_umount2, path.as_ptr(), 0) };
    setup(&format!("unmount of {}", target.display()), gone).map(drop)
}

/// Takes a mount away, at once for new users and with the last one for old.
pub fn unmount_lazily(target: &Path) -> CaseResult {
    let name = c_string(target.as_os_str().as_bytes())?;
    // SAFETY: the string lives through the call.
    let unmounted = unsafe { syscall!(libc::SYS_umount2, name.as_ptr(), libc::MNT_DETACH) };
    setup(&format!("umount of {}", target.display()), unmounted).map(drop)
}

/// Makes a directory visible at a second place, optionally with other flags (`MS_RDONLY`, `MS_NOEXEC`).
pub fn bind(source: &Path, target: &Path, flags: libc::c_ulong) -> CaseResult {
    let what = format!("bind mount of {} on {}", source.display(), target.display());
    let (source, target) =
        (c_string(source.as_os_str().as_bytes())?, c_string(target.as_os_str().as_bytes())?);
    // SAFETY: both strings live through the call.
    unsafe {
        setup(&what, syscall!(libc::SYS_mount, source.as_ptr(), target.as_ptr(), 0, libc::MS_BIND, 0))?;
        let remount = libc::MS_BIND | libc::MS_REMOUNT | flags;
        setup(&what, syscall!(libc::SYS_mount, 0, target.as_ptr(), 0, remount, 0))?;
    }
    Ok(())
}

/// Skips unless the directory is on tmpfs, the one filesystem whose support the cases count on, and neither
/// `noexec` nor `nosuid`.
pub fn needs_plain_tmpfs(folder: &Path) -> CaseResult {
    let path = c_string(folder.as_os_str().as_bytes())?;
    // SAFETY: all-zero structures of either kind are valid, and ours.
    let (mut kind, mut limits): (libc::statfs, libc::statvfs) = unsafe { std::mem::zeroed() };
    // SAFETY: the path lives through the calls, the structures are ours.
    let asked = unsafe { libc::statfs(path.as_ptr(), &mut kind) | libc::statvfs(path.as_ptr(), &mut limits) };
    setup("statfs", check(i64::from(asked)))?;
    let restricted = libc::ST_NOEXEC | libc::ST_NOSUID;
    match kind.f_type == libc::TMPFS_MAGIC as _ && limits.f_flag & restricted == 0 {
        true => Ok(()),
        false => Err(Stop::Skip("the scratch directory is not on a tmpfs without noexec and nosuid".into())),
    }
}

fn c_string(bytes: &[u8]) -> Result<CString, Stop> {
    setup("a path with NUL", CString::new(bytes).map_err(|_| Errno(libc::EINVAL)))
}
