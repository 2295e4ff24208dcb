//! The vgem device and its requests (include/uapi/drm/drm.h, drm_mode.h).

use crate::case::{Stop, setup, succeeds};
use crate::mapping::Mapping;
use crate::sys::{Errno, owned};
use crate::{check, file, syscall};
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

pub const VERSION: u32 = 0xc040_6400;
pub const GET_MAGIC: u32 = 0x8004_6402;
pub const CLOSE: u32 = 0x4008_6409;
pub const NAME: u32 = 0xc008_640a;
pub const OPEN: u32 = 0xc010_640b;
pub const CAPABILITY: u32 = 0xc010_640c;
pub const AUTHENTICATE: u32 = 0x4004_6411;
pub const SET_MASTER: u32 = 0x641e;
pub const DROP_MASTER: u32 = 0x641f;
pub const EXPORT: u32 = 0xc00c_642d;
pub const IMPORT: u32 = 0xc00c_642e;
pub const CREATE_DUMB: u32 = 0xc020_64b2;
pub const MAP_DUMB: u32 = 0xc010_64b3;
pub const DESTROY_DUMB: u32 = 0xc004_64b4;

/// O_CLOEXEC and O_RDWR, as PRIME names them.
pub const CLOEXEC: u32 = libc::O_CLOEXEC as u32;
pub const READ_WRITE: u32 = libc::O_RDWR as u32;

/// A request whose argument is this many words.
pub fn call(fd: &impl AsRawFd, request: u32, words: &mut [u32]) -> Result<i64, Errno> {
    // Eight words more than given: a request with a wrong size must not write past what is ours.
    let mut room = [0u32; 24];
    room[..words.len()].copy_from_slice(words);
    // SAFETY: larger than the argument of any request used with this.
    let result = unsafe { syscall!(libc::SYS_ioctl, fd.as_raw_fd(), request, room.as_mut_ptr()) };
    words.copy_from_slice(&room[..words.len()]);
    result
}

/// Minor numbers of render nodes start here.
pub const FIRST_RENDER: u32 = 128;

fn open(path: &str) -> Result<OwnedFd, Errno> {
    let path = CString::new(path).map_err(|_| Errno(libc::EINVAL))?;
    file::open_at(libc::AT_FDCWD, &path, libc::O_RDWR | libc::O_CLOEXEC, 0)
}

/// The number of the vgem device among the primary nodes.
pub fn index() -> Result<u32, Stop> {
    let is_vgem = |index: &u32| {
        let link = std::fs::read_link(format!("/sys/class/drm/card{index}/device"));
        link.is_ok_and(|target| target.to_string_lossy().ends_with("vgem"))
    };
    let found = (0..16).find(is_vgem).ok_or("missing module: vgem has no primary node");
    found.map_err(|cause| Stop::Skip(cause.into()))
}

pub fn primary_path() -> Result<String, Stop> {
    Ok(format!("/dev/dri/card{}", index()?))
}

/// The render node is the one of the same device; there are usually no others.
pub fn render_path() -> Result<String, Stop> {
    let folder = format!("/sys/class/drm/card{}/device/drm", index()?);
    let entries = std::fs::read_dir(&folder).map_err(|error| Stop::Fail(format!("{folder}: {error}")))?;
    let name = entries
        .flatten()
        .find_map(|entry| entry.file_name().into_string().ok().filter(|name| name.starts_with("renderD")));
    let name = name.ok_or_else(|| Stop::Fail("the device has no render node".into()))?;
    Ok(format!("/dev/dri/{name}"))
}

pub fn primary() -> Result<OwnedFd, Stop> {
    let path = primary_path()?;
    setup(&path, open(&path))
}

pub fn render() -> Result<OwnedFd, Stop> {
    let path = render_path()?;
    setup(&path, open(&path))
}

/// Opens a node as whoever this process is.
pub fn try_open(path: &str) -> Result<OwnedFd, Errno> {
    open(path)
}

/// A dumb buffer: a handle of its file.
#[derive(Debug, Clone, Copy)]
pub struct Buffer {
    pub handle: u32,
    pub pitch: u32,
    pub size: u64,
}

/// Width, height and bits per pixel.
pub fn create(fd: &impl AsRawFd, width: u32, height: u32, bits: u32) -> Result<Buffer, Errno> {
    let mut words = [height, width, bits, 0, 0, 0, 0, 0];
    call(fd, CREATE_DUMB, &mut words)?;
    let size = u64::from(words[6]) | u64::from(words[7]) << 32;
    Ok(Buffer { handle: words[4], pitch: words[5], size })
}

/// A buffer of 64 by 64 pixels: four pages.
pub fn small(fd: &impl AsRawFd) -> Result<Buffer, Stop> {
    succeeds("DRM_IOCTL_MODE_CREATE_DUMB", create(fd, 64, 64, 32))
}

/// The buffer in memory.
pub fn map(fd: &impl AsRawFd, buffer: &Buffer) -> Result<Mapping, Stop> {
    let mut words = [buffer.handle, 0, 0, 0];
    succeeds("DRM_IOCTL_MODE_MAP_DUMB", call(fd, MAP_DUMB, &mut words))?;
    let offset = u64::from(words[2]) | u64::from(words[3]) << 32;
    succeeds("mmap of a dumb buffer", Mapping::shared_at(fd, offset, buffer.size as usize))
}

pub fn close(fd: &impl AsRawFd, handle: u32) -> Result<i64, Errno> {
    call(fd, CLOSE, &mut [handle, 0])
}

/// A dma-buf of the buffer.
pub fn export(fd: &impl AsRawFd, handle: u32, flags: u32) -> Result<OwnedFd, Errno> {
    let mut words = [handle, flags, 0];
    call(fd, EXPORT, &mut words)?;
    Ok(owned(words[2].into()))
}

/// A handle of the dma-buf.
pub fn import(fd: &impl AsRawFd, buffer: &impl AsRawFd) -> Result<u32, Errno> {
    let mut words = [0, 0, buffer.as_raw_fd() as u32];
    call(fd, IMPORT, &mut words)?;
    Ok(words[0])
}

/// The memory must hold this byte at both its ends.
pub fn holds(mapping: &Mapping, size: u64, byte: u8, when: &str) -> crate::CaseResult {
    for place in [0, size as usize - 1] {
        let found = mapping.peek(place);
        check!(found == byte, "{when}: byte {place} is {found:#x}, expected {byte:#x}");
    }
    Ok(())
}

/// Writes this byte at both ends.
pub fn mark(mapping: &mut Mapping, size: u64, byte: u8) {
    mapping.poke(0, byte);
    mapping.poke(size as usize - 1, byte);
}
