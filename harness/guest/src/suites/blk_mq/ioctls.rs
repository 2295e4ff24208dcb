//! The ioctls of block devices (include/uapi/linux/fs.h, include/uapi/linux/blkpg.h).

use super::data::{DISCARD, on_range};
use super::device::*;
use crate::case::{exists, fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, child, file, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

const SET_READ_ONLY: u32 = 0x125d;
const GET_READ_ONLY: u32 = 0x125e;
const GET_SIZE: u32 = 0x1260;
const FLUSH_BUFFERS: u32 = 0x1261;
const SET_READ_AHEAD: u32 = 0x1262;
const GET_READ_AHEAD: u32 = 0x1263;
const LOGICAL_BLOCK: u32 = 0x1268;
const PARTITION: u32 = 0x1269;
const GET_SIZE_64: u32 = 0x8008_1272;
const PHYSICAL_BLOCK: u32 = 0x127b;
const DISK_SEQUENCE: u32 = 0x8008_1280;

/// An ioctl that reads or writes one number through a pointer.
fn through(fd: &OwnedFd, request: u32, value: &mut u64) -> Result<i64, Errno> {
    // SAFETY: eight bytes of ours, as many as any of these requests touches.
    unsafe { syscall!(libc::SYS_ioctl, fd.as_raw_fd(), request, value as *mut u64) }
}

/// An ioctl whose argument is a number.
fn with(fd: &OwnedFd, request: u32, value: u64) -> Result<i64, Errno> {
    // SAFETY: the requests used with this take no pointers.
    unsafe { syscall!(libc::SYS_ioctl, fd.as_raw_fd(), request, value) }
}

fn number(fd: &OwnedFd, request: u32, what: &str) -> Result<u64, Stop> {
    let mut value = 0;
    succeeds(what, through(fd, request, &mut value))?;
    Ok(value)
}

pub fn size_is_the_same_everywhere(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let fd = device.open(libc::O_RDONLY)?;
    check_eq!(number(&fd, GET_SIZE_64, "BLKGETSIZE64")?, 8 * MIB, "BLKGETSIZE64");
    check_eq!(number(&fd, GET_SIZE, "BLKGETSIZE")?, 8 * MIB / SECTOR, "BLKGETSIZE");
    check_eq!(device.number("size")?, 8 * MIB / SECTOR, "size in sysfs, in sectors");
    // SAFETY: no pointers.
    let end = unsafe { syscall!(libc::SYS_lseek, fd.as_raw_fd(), 0, libc::SEEK_END) };
    check_eq!(succeeds("lseek", end)? as u64, 8 * MIB, "the end that lseek finds");
    Ok(())
}

pub fn block_sizes_are_what_was_asked_for(_: &Context) -> CaseResult {
    for size in ["512", "1024", "2048", "4096"] {
        let device = Device::new(&format!("block{size}"), &[("blocksize", size), ("size", "8")])?;
        let fd = device.open(libc::O_RDONLY)?;
        check_eq!(number(&fd, LOGICAL_BLOCK, "BLKSSZGET")?.to_string(), size, "BLKSSZGET");
        check_eq!(device.attribute("queue/logical_block_size")?, size, "logical_block_size");
        let physical = number(&fd, PHYSICAL_BLOCK, "BLKPBSZGET")?;
        check_eq!(device.number("queue/physical_block_size")?, physical, "physical_block_size");
        check!(physical.to_string().len() >= size.len(), "a physical block of {physical} is smaller");
    }
    Ok(())
}

pub fn read_only_device_refuses_writes_until_it_is_not(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let fd = device.direct()?;
    succeeds("write", write(&fd, &[1; 4096], 0))?;
    let mut on = 1;
    succeeds("BLKROSET", through(&fd, SET_READ_ONLY, &mut on))?;
    check_eq!(number(&fd, GET_READ_ONLY, "BLKROGET")?, 1, "BLKROGET");
    check_eq!(device.attribute("ro")?, "1", "ro in sysfs");
    fails_with("write to a read-only device", write(&fd, &[2; 4096], 0), libc::EPERM)?;
    holds(&fd, &[1; 4096], 0, "after a refused write")?;
    let mut off = 0;
    succeeds("BLKROSET", through(&fd, SET_READ_ONLY, &mut off))?;
    succeeds("write again", write(&fd, &[3; 4096], 0))?;
    holds(&fd, &[3; 4096], 0, "after BLKROSET 0")
}

pub fn read_ahead_is_one_setting_with_two_faces(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let fd = device.open(libc::O_RDONLY)?;
    succeeds("BLKRASET", with(&fd, SET_READ_AHEAD, 64))?;
    check_eq!(device.attribute("queue/read_ahead_kb")?, "32", "read_ahead_kb after BLKRASET of 64 sectors");
    succeeds("read_ahead_kb", device.set("queue/read_ahead_kb", "128"))?;
    check_eq!(number(&fd, GET_READ_AHEAD, "BLKRAGET")?, 256, "BLKRAGET after read_ahead_kb of 128");
    Ok(())
}

pub fn unknown_request_is_enotty(_: &Context) -> CaseResult {
    let fd = Device::memory()?.open(libc::O_RDONLY)?;
    [0x12ff, 0x5401].into_iter().try_for_each(|request| {
        fails_with(&format!("ioctl {request:#x}"), with(&fd, request, 0), libc::ENOTTY)
    })
}

pub fn settings_of_the_device_need_privilege(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let fd = device.open(libc::O_RDWR)?;
    child::unprivileged(|| {
        let mut value = 1;
        fails_with("BLKROSET", through(&fd, SET_READ_ONLY, &mut value), libc::EACCES)?;
        fails_with("BLKRASET", with(&fd, SET_READ_AHEAD, 64), libc::EACCES)?;
        fails_with("BLKFLSBUF", with(&fd, FLUSH_BUFFERS, 0), libc::EACCES)?;
        fails_with("BLKPG", partition(&fd, ADD, 1, 0..MIB), libc::EACCES)
    })?;
    check_eq!(number(&fd, GET_READ_ONLY, "BLKROGET")?, 0, "BLKROGET after a refused BLKROSET");
    succeeds("BLKFLSBUF of root", with(&fd, FLUSH_BUFFERS, 0)).map(drop)
}

pub fn exclusive_open_excludes_the_next(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let holder = device.open(libc::O_RDWR | libc::O_EXCL)?;
    fails_with("the second O_EXCL", device.try_open(libc::O_RDWR | libc::O_EXCL), libc::EBUSY)?;
    succeeds("open without O_EXCL", device.try_open(libc::O_RDONLY))?;
    drop(holder);
    succeeds("O_EXCL after the holder closed", device.try_open(libc::O_RDWR | libc::O_EXCL)).map(drop)
}

pub fn disk_sequence_grows_with_every_disk(_: &Context) -> CaseResult {
    let sequence = |name: &str| -> Result<u64, Stop> {
        let device = Device::new(name, MEMORY)?;
        let mut value = 0;
        let fd = device.open(libc::O_RDONLY)?;
        succeeds("BLKGETDISKSEQ", exists("BLKGETDISKSEQ", through(&fd, DISK_SEQUENCE, &mut value))?)?;
        check_eq!(device.number("diskseq")?, value, "diskseq in sysfs");
        Ok(value)
    };
    let (first, second) = (sequence("first")?, sequence("second")?);
    check!(second > first, "the second disk has number {second}, the first {first}");
    Ok(())
}

const ADD: i32 = 1;
const DELETE: i32 = 2;

/// `struct blkpg_partition`.
#[repr(C)]
struct Partition {
    start: i64,
    length: i64,
    number: i32,
    names: [u8; 128],
}

/// `struct blkpg_ioctl_arg`.
#[repr(C)]
struct PartitionRequest {
    operation: i32,
    flags: i32,
    length: i32,
    data: *const Partition,
}

fn partition(fd: &OwnedFd, operation: i32, number: i32, range: std::ops::Range<u64>) -> Result<i64, Errno> {
    let (start, length) = (range.start as i64, (range.end - range.start) as i64);
    let data = Partition { start, length, number, names: [0; 128] };
    let request =
        PartitionRequest { operation, flags: 0, length: size_of::<Partition>() as i32, data: &data };
    // SAFETY: both structures live through the call; the kernel only reads them.
    unsafe { syscall!(libc::SYS_ioctl, fd.as_raw_fd(), PARTITION, &raw const request) }
}

pub fn partition_maps_its_part_of_the_disk(_: &Context) -> CaseResult {
    let device = Device::memory()?;
    let fd = device.direct()?;
    match partition(&fd, ADD, 1, MIB..3 * MIB) {
        Err(Errno(libc::EINVAL)) => {
            return Err(Stop::Skip("null_blk of this kernel has no partitions".into()));
        }
        other => succeeds("BLKPG_ADD_PARTITION", other)?,
    };
    let name = device.node.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let digit = name.ends_with(|last: char| last.is_ascii_digit());
    let node = device.node.with_file_name(format!("{name}{}1", if digit { "p" } else { "" }));
    let part = Device { node, folder: device.folder.clone(), sysfs: device.sysfs.clone() }.direct()?;
    check_eq!(number(&part, GET_SIZE_64, "BLKGETSIZE64")?, 2 * MIB, "size of the partition");
    succeeds("write to the partition", write(&part, &[4; 4096], 0))?;
    holds(&fd, &[4; 4096], MIB, "on the disk, where the partition starts")?;
    fails_with("write behind the partition", write(&part, &[4; 4096], 2 * MIB), libc::ENOSPC)?;
    fails_with("a partition across it", partition(&fd, ADD, 2, 2 * MIB..4 * MIB), libc::EBUSY)?;
    fails_with("removal of a partition in use", partition(&fd, DELETE, 1, 0..0), libc::EBUSY)?;
    drop(part);
    succeeds("removal of the partition", partition(&fd, DELETE, 1, 0..0))?;
    fails_with("its second removal", partition(&fd, DELETE, 1, 0..0), libc::ENXIO)
}

pub fn flushed_buffers_are_read_anew(_: &Context) -> CaseResult {
    let device = Device::new("discard", &[("memory_backed", "1"), ("size", "8"), ("discard", "1")])?;
    let fd = device.open(libc::O_RDWR)?;
    setup("write", file::write_at(&fd, &[6; 4096], 0))?;
    succeeds("BLKFLSBUF", with(&fd, FLUSH_BUFFERS, 0))?;
    holds(&device.direct()?, &[6; 4096], 0, "on the device after BLKFLSBUF")?;
    setup("BLKDISCARD", on_range(&fd, DISCARD, 0, 4096))?;
    holds(&fd, &[0; 4096], 0, "after BLKDISCARD")
}
