//! Dumb buffers and their handles.

use super::device::*;
use crate::case::{fails_with, succeeds};
use crate::mapping::PAGE;
use crate::{CaseResult, Context, check, check_eq};

pub fn dumb_buffer_is_large_enough_and_empty(_: &Context) -> CaseResult {
    let fd = primary()?;
    for (width, height, bits) in [(1, 1, 8), (63, 7, 8), (100, 100, 16), (640, 480, 32), (1, 4096, 24)] {
        let what = format!("{width}×{height} of {bits} bits");
        let buffer = succeeds(&what, create(&fd, width, height, bits))?;
        check!(buffer.pitch >= width * bits / 8, "{what}: a line has {} bytes", buffer.pitch);
        let needed = u64::from(buffer.pitch) * u64::from(height);
        check!(buffer.size >= needed, "{what}: {} bytes, needed are {needed}", buffer.size);
        check!(buffer.size.is_multiple_of(PAGE as u64), "{what}: {} bytes are no whole pages", buffer.size);
        holds(&map(&fd, &buffer)?, buffer.size, 0, &format!("{what}, new"))?;
    }
    Ok(())
}

pub fn dumb_buffer_keeps_what_is_written(_: &Context) -> CaseResult {
    let fd = primary()?;
    let (first, second) = (small(&fd)?, small(&fd)?);
    check!(first.handle != second.handle, "two buffers have one handle");
    mark(&mut map(&fd, &first)?, first.size, 1);
    mark(&mut map(&fd, &second)?, second.size, 2);
    holds(&map(&fd, &first)?, first.size, 1, "the first buffer, mapped anew")?;
    holds(&map(&fd, &second)?, second.size, 2, "the second buffer, mapped anew")
}

pub fn dumb_buffer_of_no_size_or_too_much_is_refused(_: &Context) -> CaseResult {
    let fd = primary()?;
    for (width, height, bits) in [
        (0, 1, 32),
        (1, 0, 32),
        (1, 1, 0),
        (0x4000_0000, 1, 32),
        (0x1_0000, 0x1_0000, 32),
        (u32::MAX, u32::MAX, u32::MAX),
    ] {
        fails_with(
            &format!("{width}×{height} of {bits} bits"),
            create(&fd, width, height, bits),
            libc::EINVAL,
        )?;
    }
    Ok(())
}

pub fn unknown_handles_are_refused(_: &Context) -> CaseResult {
    let fd = primary()?;
    for handle in [0, 77, u32::MAX] {
        fails_with(&format!("DRM_IOCTL_GEM_CLOSE of {handle}"), close(&fd, handle), libc::EINVAL)?;
        let destroyed = call(&fd, DESTROY_DUMB, &mut [handle]);
        fails_with(&format!("DRM_IOCTL_MODE_DESTROY_DUMB of {handle}"), destroyed, libc::EINVAL)?;
        let mapped = call(&fd, MAP_DUMB, &mut [handle, 0, 0, 0]);
        fails_with(&format!("DRM_IOCTL_MODE_MAP_DUMB of {handle}"), mapped, libc::ENOENT)?;
        fails_with(
            &format!("DRM_IOCTL_PRIME_HANDLE_TO_FD of {handle}"),
            export(&fd, handle, 0),
            libc::ENOENT,
        )?;
        let named = call(&fd, NAME, &mut [handle, 0]);
        fails_with(&format!("DRM_IOCTL_GEM_FLINK of {handle}"), named, libc::ENOENT)?;
    }
    fails_with("DRM_IOCTL_GEM_OPEN of no name", call(&fd, OPEN, &mut [77, 0, 0, 0]), libc::ENOENT)
}

pub fn closed_handle_is_unknown(_: &Context) -> CaseResult {
    let fd = primary()?;
    let buffer = small(&fd)?;
    succeeds("DRM_IOCTL_GEM_CLOSE", close(&fd, buffer.handle))?;
    fails_with("DRM_IOCTL_GEM_CLOSE again", close(&fd, buffer.handle), libc::EINVAL)?;
    fails_with("export of a closed handle", export(&fd, buffer.handle, 0), libc::ENOENT)?;
    let second = small(&fd)?;
    succeeds("DRM_IOCTL_MODE_DESTROY_DUMB", call(&fd, DESTROY_DUMB, &mut [second.handle]))?;
    fails_with(
        "DRM_IOCTL_MODE_DESTROY_DUMB again",
        call(&fd, DESTROY_DUMB, &mut [second.handle]),
        libc::EINVAL,
    )
}

pub fn handle_belongs_to_its_file(_: &Context) -> CaseResult {
    let (first, second) = (primary()?, primary()?);
    let buffer = small(&first)?;
    fails_with("export through another file", export(&second, buffer.handle, 0), libc::ENOENT)?;
    fails_with("DRM_IOCTL_GEM_CLOSE through another file", close(&second, buffer.handle), libc::EINVAL)?;
    succeeds("DRM_IOCTL_GEM_CLOSE through its own", close(&first, buffer.handle)).map(drop)
}

pub fn mapping_outlives_the_handle(_: &Context) -> CaseResult {
    let fd = primary()?;
    let buffer = small(&fd)?;
    let mut mapping = map(&fd, &buffer)?;
    mark(&mut mapping, buffer.size, 9);
    succeeds("DRM_IOCTL_GEM_CLOSE", close(&fd, buffer.handle))?;
    holds(&mapping, buffer.size, 9, "after the handle was closed")?;
    drop(fd);
    holds(&mapping, buffer.size, 9, "after the file was closed")?;
    mark(&mut mapping, buffer.size, 10);
    holds(&mapping, buffer.size, 10, "written after the file was closed")
}

pub fn closing_the_file_frees_its_buffers(_: &Context) -> CaseResult {
    // Together more than the memory of the usual machine.
    for round in 0..20 {
        let fd = primary()?;
        let buffer = succeeds(&format!("a buffer of 16 MiB, round {round}"), create(&fd, 2048, 2048, 32))?;
        let mut mapping = map(&fd, &buffer)?;
        for page in (0..buffer.size as usize).step_by(PAGE) {
            mapping.poke(page, 1);
        }
    }
    Ok(())
}

pub fn global_name_opens_the_same_buffer(_: &Context) -> CaseResult {
    let (first, second) = (primary()?, primary()?);
    let buffer = small(&first)?;
    mark(&mut map(&first, &buffer)?, buffer.size, 5);
    let mut named = [buffer.handle, 0];
    succeeds("DRM_IOCTL_GEM_FLINK", call(&first, NAME, &mut named))?;
    let mut again = [buffer.handle, 0];
    succeeds("DRM_IOCTL_GEM_FLINK again", call(&first, NAME, &mut again))?;
    check_eq!(again[1], named[1], "the name, asked for twice");
    let mut opened = [named[1], 0, 0, 0];
    succeeds("DRM_IOCTL_GEM_OPEN", call(&second, OPEN, &mut opened))?;
    check_eq!(u64::from(opened[2]), buffer.size, "size of the buffer that was opened");
    let same = Buffer { handle: opened[1], ..buffer };
    holds(&map(&second, &same)?, same.size, 5, "through the global name")?;
    succeeds("close of the first handle", close(&first, buffer.handle))?;
    holds(&map(&second, &same)?, same.size, 5, "after the first handle was closed")?;
    succeeds("close of the last handle", close(&second, same.handle))?;
    fails_with("DRM_IOCTL_GEM_OPEN of a name that is free", call(&second, OPEN, &mut opened), libc::ENOENT)
}
