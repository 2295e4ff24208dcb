//! MFD_HUGETLB. But for the last case no huge page is ever touched, so none needs to be reserved.

use super::calls::*;
use crate::case::{exists, fails_with, setup, succeeds};
use crate::mapping::Mapping;
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, child, file, syscall};
use std::os::fd::OwnedFd;

/// A new file on huge pages and the size of one.
fn huge(flags: u32) -> Result<(OwnedFd, i64), Stop> {
    let fd = match exists("memfd_create", create(c"huge", CLOEXEC | HUGETLB | flags))? {
        Err(Errno(libc::ENODEV | libc::ENOENT | libc::EINVAL)) if no_huge_pages() => {
            return Err(Stop::Skip("missing hardware or symbol: huge pages".into()));
        }
        other => succeeds("memfd_create with MFD_HUGETLB", other)?,
    };
    let page = setup("fstat", file::status(&fd))?.st_blksize;
    Ok((fd, page))
}

fn no_huge_pages() -> bool {
    std::fs::read_dir("/sys/kernel/mm/hugepages").map_or(0, Iterator::count) == 0
}

pub fn huge_file_counts_in_huge_pages(_: &Context) -> CaseResult {
    let (fd, page) = huge(0)?;
    check!(page > 4096 && page & (page - 1) == 0, "block size of a huge memfd is {page}");
    check_eq!(file::size(&fd), Ok(0), "size of a new huge memfd");
    has_seals(&fd, SEAL_SEAL, "of a huge memfd made without MFD_ALLOW_SEALING")?;
    for wrong in [1, page - 1, page + 1] {
        fails_with(
            &format!("ftruncate of a huge memfd to {wrong}"),
            file::truncate(&fd, wrong),
            libc::EINVAL,
        )?;
        check_eq!(file::size(&fd), Ok(0), "size after a refused ftruncate");
    }
    succeeds("ftruncate to one huge page", file::truncate(&fd, page))?;
    check_eq!(file::size(&fd), Ok(page), "size of one huge page");
    fails_with("pwrite to a huge memfd", file::write_at(&fd, b"x", 0), libc::EINVAL)
}

pub fn size_seals_hold_on_huge_pages(_: &Context) -> CaseResult {
    let (fd, page) = huge(ALLOW_SEALING)?;
    has_seals(&fd, 0, "of a sealable huge memfd")?;
    succeeds("ftruncate to two huge pages", file::truncate(&fd, 2 * page))?;
    seal(&fd, SEAL_SHRINK)?;
    fails_with("ftruncate to one huge page less", file::truncate(&fd, page), libc::EPERM)?;
    succeeds("ftruncate to one huge page more", file::truncate(&fd, 3 * page))?;
    seal(&fd, SEAL_GROW)?;
    fails_with("ftruncate to one huge page more", file::truncate(&fd, 4 * page), libc::EPERM)?;
    let allocated = file::allocate(&fd, 0, 3 * page, page);
    fails_with("fallocate of one huge page more", allocated, libc::EPERM)?;
    fails_with("ftruncate to 0", file::truncate(&fd, 0), libc::EPERM)?;
    check_eq!(file::size(&fd), Ok(3 * page), "size under both seals");
    has_seals(&fd, SEAL_SHRINK | SEAL_GROW, "after both")
}

pub fn write_seal_holds_on_huge_pages(_: &Context) -> CaseResult {
    for (seals, name) in [(SEAL_WRITE, "F_SEAL_WRITE"), (SEAL_FUTURE_WRITE, "F_SEAL_FUTURE_WRITE")] {
        let (fd, page) = huge(ALLOW_SEALING)?;
        succeeds("ftruncate to one huge page", file::truncate(&fd, page))?;
        seal(&fd, seals)?;
        fails_with(&format!("fallocate(PUNCH_HOLE) under {name}"), file::punch(&fd, 0, page), libc::EPERM)?;
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_NORESERVE);
        let mapped = crate::mapping::Mapping::of(&fd, page as usize, access, flags);
        fails_with(&format!("mmap shared and writable under {name}"), mapped, libc::EPERM)?;
    }
    Ok(())
}

pub fn huge_page_size_that_does_not_exist_is_refused(_: &Context) -> CaseResult {
    huge(0)?;
    // Two to the 13: between a page and the smallest huge page of any architecture tested.
    for shift in [1, 13, 62] {
        let created = create(c"huge", CLOEXEC | HUGETLB | shift << 26);
        let what = format!("memfd_create with MFD_HUGETLB and pages of 2^{shift} bytes");
        fails_with(&what, created, libc::ENODEV)?;
    }
    Ok(())
}

const RESERVED: &str = "/proc/sys/vm/nr_hugepages";

/// Two huge pages for this machine.
fn reserve() -> CaseResult {
    child::needs_root()?;
    let reserved = std::fs::write(RESERVED, "2").and_then(|()| std::fs::read_to_string(RESERVED));
    match reserved.map(|text| text.trim().parse::<u32>().unwrap_or(0)) {
        Ok(2..) => Ok(()),
        Ok(n) => Err(Stop::Skip(format!("missing hardware: memory for two huge pages (there is for {n})"))),
        Err(error) => Err(Stop::Skip(format!("missing symbol: HUGETLBFS ({RESERVED}: {error})"))),
    }
}

/// As on small pages: what may be mapped, by whom, and that the bytes stay.
pub fn huge_file_keeps_its_bytes_when_sealed(_: &Context) -> CaseResult {
    reserve()?;
    const SIZE_2_MIB: u32 = 21 << 26;
    const READ: i32 = libc::PROT_READ;
    const WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
    let (fd, page) = huge(ALLOW_SEALING | SIZE_2_MIB)?;
    check_eq!(page, 2 << 20, "block size of a memfd made with MFD_HUGE_2MB");
    let (page, whole) = (page as usize, 2 * page as usize);
    succeeds("ftruncate to two huge pages", file::truncate(&fd, whole as i64))?;
    let mut before = succeeds("mmap of two huge pages", Mapping::of(&fd, whole, WRITE, libc::MAP_SHARED))?;
    before.poke(0, 0xaa);
    before.poke(page, 0xbb);
    let busy = add(&fd, SEAL_WRITE);
    fails_with("F_SEAL_WRITE with a writable shared mapping", busy, libc::EBUSY)?;
    seal(&fd, SEAL_FUTURE_WRITE | SEAL_SHRINK | SEAL_GROW)?;
    let after = Mapping::of(&fd, whole, WRITE, libc::MAP_SHARED);
    fails_with("mmap shared and writable under F_SEAL_FUTURE_WRITE", after, libc::EPERM)?;
    before.poke(1, 0xcc);
    fails_with("fallocate(PUNCH_HOLE) of a huge page", file::punch(&fd, 0, page as i64), libc::EPERM)?;
    // SAFETY: frees a page of the mapping, which is ours.
    let removed = unsafe { syscall!(libc::SYS_madvise, before.address(), page, libc::MADV_REMOVE) };
    fails_with("madvise(MADV_REMOVE) of a huge page", removed, libc::EPERM)?;
    drop(before);
    seal(&fd, SEAL_WRITE | SEAL_SEAL)?;
    let reader = setup("open for reading", file::reopen(&fd, libc::O_RDONLY))?;
    let shown = succeeds("mmap for reading", Mapping::of(&reader, whole, READ, libc::MAP_SHARED))?;
    let bytes = [0, 1, 2, page, page + 1].map(|at| shown.peek(at));
    check_eq!(bytes, [0xaa, 0xcc, 0, 0xbb, 0], "bytes of the sealed file");
    Ok(())
}
