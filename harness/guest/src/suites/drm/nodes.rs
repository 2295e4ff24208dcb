//! Nodes: who may do what.

use super::device::*;
use crate::case::{fails_with, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, child, file, syscall};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

pub fn device_has_a_primary_and_a_render_node(_: &Context) -> CaseResult {
    let minor = |fd: &OwnedFd| {
        file::status(fd).map(|status| (libc::major(status.st_rdev), libc::minor(status.st_rdev)))
    };
    let first = succeeds("fstat of the primary node", minor(&primary()?))?;
    let second = succeeds("fstat of the render node", minor(&render()?))?;
    check_eq!((first.0, second.0), (226, 226), "major numbers of the nodes");
    check!(first.1 < 64, "minor number {} of the primary node", first.1);
    check!(
        (FIRST_RENDER..FIRST_RENDER + 64).contains(&second.1),
        "minor number {} of the render node",
        second.1
    );
    Ok(())
}

/// `struct drm_version`.
#[repr(C)]
struct Version {
    numbers: [i32; 3],
    texts: [(usize, *mut u8); 3],
}

fn version(fd: &OwnedFd, room: &mut [u8]) -> Result<usize, Errno> {
    let nothing = (0, std::ptr::null_mut());
    let mut version = Version { numbers: [0; 3], texts: [(room.len(), room.as_mut_ptr()), nothing, nothing] };
    // SAFETY: the structure is ours, and the room for the name is as long as it says.
    unsafe { syscall!(libc::SYS_ioctl, fd.as_raw_fd(), VERSION, &raw mut version) }?;
    Ok(version.texts[0].0)
}

pub fn version_is_told_as_far_as_there_is_room(_: &Context) -> CaseResult {
    let fd = render()?;
    let mut room = [b'!'; 8];
    check_eq!(succeeds("DRM_IOCTL_VERSION", version(&fd, &mut room))?, 4, "length of the name");
    check_eq!(&room, b"vgem!!!!", "the name");
    let mut room = [b'!'; 2];
    check_eq!(
        succeeds("DRM_IOCTL_VERSION with little room", version(&fd, &mut room))?,
        4,
        "length of the name"
    );
    check_eq!(&room, b"vg", "as much of the name as there is room for");
    Ok(())
}

/// A capability of the device.
pub fn capability(fd: &OwnedFd, number: u32) -> Result<u32, Errno> {
    let mut words = [number, 0, 0, 0];
    call(fd, CAPABILITY, &mut words)?;
    Ok(words[2])
}

pub fn capabilities_are_told_and_unknown_ones_refused(_: &Context) -> CaseResult {
    let fd = render()?;
    // DRM_CAP_PRIME: import and export.
    check_eq!(succeeds("DRM_CAP_PRIME", capability(&fd, 5))?, 3, "DRM_CAP_PRIME");
    check_eq!(succeeds("DRM_CAP_TIMESTAMP_MONOTONIC", capability(&fd, 6))?, 1, "DRM_CAP_TIMESTAMP_MONOTONIC");
    // A device without modesetting has the others of its kind no more than unknown ones.
    fails_with("DRM_CAP_DUMB_BUFFER", capability(&fd, 1), libc::EOPNOTSUPP)?;
    fails_with("an unknown capability", capability(&fd, 0xffff), libc::EOPNOTSUPP)
}

pub fn unknown_request_is_refused(_: &Context) -> CaseResult {
    for (what, fd) in [("primary", primary()?), ("render", render()?)] {
        for request in [0xc010_64fe_u32, 0xc010_6490] {
            let result = call(&fd, request, &mut [0; 4]);
            fails_with(&format!("request {request:#x} on the {what} node"), result, libc::EINVAL)?;
        }
    }
    Ok(())
}

pub fn render_node_refuses_what_is_not_rendering(_: &Context) -> CaseResult {
    let fd = render()?;
    for (what, request) in [
        ("DRM_IOCTL_SET_MASTER", SET_MASTER),
        ("DRM_IOCTL_DROP_MASTER", DROP_MASTER),
        ("DRM_IOCTL_GET_MAGIC", GET_MAGIC),
        ("DRM_IOCTL_AUTH_MAGIC", AUTHENTICATE),
        ("DRM_IOCTL_GEM_FLINK", NAME),
        ("DRM_IOCTL_GEM_OPEN", OPEN),
        ("DRM_IOCTL_MODE_CREATE_DUMB", CREATE_DUMB),
        ("DRM_IOCTL_MODE_MAP_DUMB", MAP_DUMB),
        ("DRM_IOCTL_MODE_DESTROY_DUMB", DESTROY_DUMB),
    ] {
        fails_with(&format!("{what} on a render node"), call(&fd, request, &mut [0; 8]), libc::EACCES)?;
    }
    Ok(())
}

fn set_master(fd: &OwnedFd) -> Result<i64, Errno> {
    call(fd, SET_MASTER, &mut [])
}

fn drop_master(fd: &OwnedFd) -> Result<i64, Errno> {
    call(fd, DROP_MASTER, &mut [])
}

/// Something that only the master may do, with an argument that nobody knows.
fn as_master(fd: &OwnedFd) -> Result<i64, Errno> {
    call(fd, AUTHENTICATE, &mut [0x7fff_ffff])
}

pub fn first_opener_is_master_and_alone(_: &Context) -> CaseResult {
    let (first, second) = (primary()?, primary()?);
    fails_with("DRM_IOCTL_AUTH_MAGIC of the master, of nobody", as_master(&first), libc::EINVAL)?;
    fails_with("DRM_IOCTL_AUTH_MAGIC of another", as_master(&second), libc::EACCES)?;
    succeeds("DRM_IOCTL_SET_MASTER of the master", set_master(&first))?;
    fails_with("DRM_IOCTL_SET_MASTER of another", set_master(&second), libc::EBUSY)
}

pub fn mastership_is_handed_over(_: &Context) -> CaseResult {
    let (first, second) = (primary()?, primary()?);
    succeeds("DRM_IOCTL_DROP_MASTER", drop_master(&first))?;
    fails_with("DRM_IOCTL_AUTH_MAGIC of a former master", as_master(&first), libc::EACCES)?;
    succeeds("DRM_IOCTL_SET_MASTER of the next", set_master(&second))?;
    fails_with("DRM_IOCTL_SET_MASTER of a former master", set_master(&first), libc::EBUSY)?;
    drop(second);
    succeeds("DRM_IOCTL_SET_MASTER after the master closed", set_master(&first)).map(drop)
}

/// Lets everybody open the nodes.
pub fn open_to_all() -> CaseResult {
    for path in [primary_path()?, render_path()?] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))
            .map_err(|error| Stop::Broken(format!("chmod of {path}: {error}")))?;
    }
    Ok(())
}

pub fn nobody_becomes_no_master(_: &Context) -> CaseResult {
    open_to_all()?;
    let master = primary()?;
    succeeds("DRM_IOCTL_DROP_MASTER", drop_master(&master))?;
    let path = primary_path()?;
    child::unprivileged(|| {
        // The first to open it while there is no master is one; the next is not.
        let _first = succeeds("open", try_open(&path))?;
        let fd = succeeds("open", try_open(&path))?;
        fails_with("DRM_IOCTL_SET_MASTER of nobody", set_master(&fd), libc::EACCES)
    })
}

pub fn magic_authenticates_a_client(_: &Context) -> CaseResult {
    open_to_all()?;
    let (master, path) = (primary()?, primary_path()?);
    child::unprivileged(|| {
        let client = succeeds("open", try_open(&path))?;
        let buffer = small(&client)?;
        let name = || call(&client, NAME, &mut [buffer.handle, 0]);
        fails_with("DRM_IOCTL_GEM_FLINK before authentication", name(), libc::EACCES)?;
        let mut magic = [0];
        succeeds("DRM_IOCTL_GET_MAGIC", call(&client, GET_MAGIC, &mut magic))?;
        succeeds("DRM_IOCTL_AUTH_MAGIC of the master", call(&master, AUTHENTICATE, &mut magic))?;
        succeeds("DRM_IOCTL_GEM_FLINK after authentication", name())?;
        fails_with("the same magic again", call(&master, AUTHENTICATE, &mut magic), libc::EINVAL)
    })
}

pub fn anyone_who_may_open_it_renders(_: &Context) -> CaseResult {
    let path = render_path()?;
    child::unprivileged(|| fails_with("open of a node of root's", try_open(&path), libc::EACCES))?;
    open_to_all()?;
    let source = primary()?;
    let shared = succeeds("DRM_IOCTL_PRIME_HANDLE_TO_FD", export(&source, small(&source)?.handle, CLOEXEC))?;
    child::unprivileged(|| {
        let fd = succeeds("open by nobody", try_open(&path))?;
        succeeds("DRM_IOCTL_GET_CAP", capability(&fd, 5))?;
        let handle = succeeds("DRM_IOCTL_PRIME_FD_TO_HANDLE", import(&fd, &shared))?;
        succeeds("DRM_IOCTL_GEM_CLOSE", close(&fd, handle)).map(drop)
    })
}
