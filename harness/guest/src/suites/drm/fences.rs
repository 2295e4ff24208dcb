//! Fences: who waits for whom (include/uapi/drm/vgem_drm.h, include/uapi/linux/dma-buf.h).

use super::device::*;
use super::nodes::capability;
use crate::case::{fails_with, setup, succeeds};
use crate::sys::{Errno, owned};
use crate::{CaseResult, Context, Stop, check, check_eq, file};
use std::os::fd::OwnedFd;

const ATTACH: u32 = 0xc010_6441;
const SIGNAL: u32 = 0x4008_6442;
const WRITE: u32 = 1;
const EXPORT_SYNC_FILE: u32 = 0xc008_6202;
/// DMA_BUF_SYNC_RW: after both readers and writers.
const AFTER_ALL: u32 = 3;
const CREATE_SYNC_OBJECT: u32 = 0xc008_64bf;
const DESTROY_SYNC_OBJECT: u32 = 0xc008_64c0;
const CAP_SYNC_OBJECT: u32 = 0x13;

/// Puts a fence on the buffer; its number.
fn attach(fd: &OwnedFd, handle: u32, flags: u32) -> Result<u32, Errno> {
    let mut words = [handle, flags, 0, 0];
    call(fd, ATTACH, &mut words)?;
    Ok(words[2])
}

fn signal(fd: &OwnedFd, fence: u32) -> Result<i64, Errno> {
    call(fd, SIGNAL, &mut [fence, 0])
}

/// Whether poll(2) says that these events are there, now.
fn ready(fd: &OwnedFd, events: i16) -> Result<bool, Stop> {
    let there = setup("poll", file::poll(fd, events, std::time::Duration::ZERO))?;
    Ok(there & events == events)
}

/// A render node with a buffer, and its dma-buf.
fn shared() -> Result<(OwnedFd, u32, OwnedFd), Stop> {
    let source = primary()?;
    let buffer = small(&source)?;
    let dma = succeeds("export", export(&source, buffer.handle, CLOEXEC | READ_WRITE))?;
    let fd = render()?;
    let handle = succeeds("import", import(&fd, &dma))?;
    Ok((fd, handle, dma))
}

pub fn write_fence_holds_readers_until_it_is_signalled(_: &Context) -> CaseResult {
    let (fd, handle, dma) = shared()?;
    check!(ready(&dma, libc::POLLIN)?, "a buffer without fences is not readable");
    check!(ready(&dma, libc::POLLOUT)?, "a buffer without fences is not writable");
    let fence = succeeds("DRM_IOCTL_VGEM_FENCE_ATTACH", attach(&fd, handle, WRITE))?;
    check!(!ready(&dma, libc::POLLIN)?, "a buffer that is being written is readable");
    check!(!ready(&dma, libc::POLLOUT)?, "a buffer that is being written is writable");
    succeeds("DRM_IOCTL_VGEM_FENCE_SIGNAL", signal(&fd, fence))?;
    check!(ready(&dma, libc::POLLIN)?, "a buffer is not readable after its fence was signalled");
    check!(ready(&dma, libc::POLLOUT)?, "a buffer is not writable after its fence was signalled");
    Ok(())
}

pub fn read_fence_holds_writers_only(_: &Context) -> CaseResult {
    let (fd, handle, dma) = shared()?;
    let fence = succeeds("DRM_IOCTL_VGEM_FENCE_ATTACH", attach(&fd, handle, 0))?;
    check!(ready(&dma, libc::POLLIN)?, "a buffer that is being read is not readable");
    check!(!ready(&dma, libc::POLLOUT)?, "a buffer that is being read is writable");
    succeeds("DRM_IOCTL_VGEM_FENCE_SIGNAL", signal(&fd, fence))?;
    check!(ready(&dma, libc::POLLOUT)?, "a buffer is not writable after its fence was signalled");
    Ok(())
}

pub fn busy_buffer_takes_no_second_writer(_: &Context) -> CaseResult {
    let (fd, handle, _dma) = shared()?;
    let fence = succeeds("the first fence", attach(&fd, handle, WRITE))?;
    fails_with("a second write fence", attach(&fd, handle, WRITE), libc::EBUSY)?;
    fails_with("a read fence beside it", attach(&fd, handle, 0), libc::EBUSY)?;
    succeeds("DRM_IOCTL_VGEM_FENCE_SIGNAL", signal(&fd, fence))?;
    succeeds("a fence after it", attach(&fd, handle, WRITE)).map(drop)
}

pub fn unknown_fence_cannot_be_signalled(_: &Context) -> CaseResult {
    let (fd, handle, _dma) = shared()?;
    fails_with("a fence that was never made", signal(&fd, 77), libc::ENOENT)?;
    let fence = succeeds("DRM_IOCTL_VGEM_FENCE_ATTACH", attach(&fd, handle, WRITE))?;
    let other = render()?;
    fails_with("a fence of another file", signal(&other, fence), libc::ENOENT)?;
    succeeds("DRM_IOCTL_VGEM_FENCE_SIGNAL", signal(&fd, fence))?;
    fails_with("a fence that was signalled", signal(&fd, fence), libc::ENOENT)?;
    fails_with("a fence on no buffer", attach(&fd, 77, WRITE), libc::ENOENT)?;
    fails_with("a fence with unknown flags", attach(&fd, handle, 2), libc::EINVAL)
}

pub fn sync_file_follows_the_fence(_: &Context) -> CaseResult {
    let (fd, handle, dma) = shared()?;
    let fence = succeeds("DRM_IOCTL_VGEM_FENCE_ATTACH", attach(&fd, handle, WRITE))?;
    let mut words = [AFTER_ALL, 0];
    succeeds("DMA_BUF_IOCTL_EXPORT_SYNC_FILE", call(&dma, EXPORT_SYNC_FILE, &mut words))?;
    let sync = owned(words[1].into());
    check!(!ready(&sync, libc::POLLIN)?, "the sync file is ready before the fence");
    succeeds("DRM_IOCTL_VGEM_FENCE_SIGNAL", signal(&fd, fence))?;
    check!(ready(&sync, libc::POLLIN)?, "the sync file is not ready after the fence was signalled");
    for flags in [0, 4, 1 << 31] {
        let refused = call(&dma, EXPORT_SYNC_FILE, &mut [flags, 0]);
        fails_with(&format!("DMA_BUF_IOCTL_EXPORT_SYNC_FILE with flags {flags:#x}"), refused, libc::EINVAL)?;
    }
    Ok(())
}

pub fn sync_objects_are_there_when_promised(_: &Context) -> CaseResult {
    let fd = render()?;
    let mut words = [0, 0];
    if succeeds("DRM_CAP_SYNCOBJ", capability(&fd, CAP_SYNC_OBJECT))? == 0 {
        let refused = call(&fd, CREATE_SYNC_OBJECT, &mut words);
        return fails_with("a sync object of a device without", refused, libc::EOPNOTSUPP);
    }
    succeeds("DRM_IOCTL_SYNCOBJ_CREATE", call(&fd, CREATE_SYNC_OBJECT, &mut words))?;
    check!(words[0] != 0, "a sync object has handle 0");
    let mut destroy = [words[0], 0];
    succeeds("DRM_IOCTL_SYNCOBJ_DESTROY", call(&fd, DESTROY_SYNC_OBJECT, &mut destroy))?;
    check_eq!(
        call(&fd, DESTROY_SYNC_OBJECT, &mut destroy),
        Err(Errno(libc::EINVAL)),
        "its second destruction"
    );
    Ok(())
}
