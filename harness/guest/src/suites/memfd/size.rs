//! F_SEAL_SHRINK and F_SEAL_GROW.

use super::calls::*;
use crate::case::{fails_with, setup, succeeds};
use crate::mapping::PAGE;
use crate::{CaseResult, Context, check, check_eq, file};

/// Around the limits of a page, and inside one.
const SIZES: [i64; 4] = [1, PAGE as i64 - 1, PAGE as i64, PAGE as i64 + 1];

pub fn shrink_seal_refuses_every_shrinking(_: &Context) -> CaseResult {
    for size in SIZES {
        let bytes = pattern(size as usize);
        let fd = holding(&bytes)?;
        seal(&fd, SEAL_SHRINK)?;
        for target in [size - 1, 0] {
            fails_with(
                &format!("ftruncate from {size} to {target}"),
                file::truncate(&fd, target),
                libc::EPERM,
            )?;
        }
        let cut = file::reopen(&fd, libc::O_RDWR | libc::O_TRUNC);
        fails_with(&format!("open with O_TRUNC of {size} bytes"), cut, libc::EPERM)?;
        still_holds(&fd, &bytes, "after refused truncations")?;
    }
    Ok(())
}

pub fn shrink_seal_refuses_nothing_else(_: &Context) -> CaseResult {
    let fd = holding(&pattern(PAGE))?;
    seal(&fd, SEAL_SHRINK)?;
    let size = PAGE as i64;
    succeeds("ftruncate to the same size", file::truncate(&fd, size))?;
    succeeds("ftruncate to one byte more", file::truncate(&fd, size + 1))?;
    fails_with("ftruncate back by one byte", file::truncate(&fd, size), libc::EPERM)?;
    check_eq!(file::write_at(&fd, b"end", size), Ok(3), "pwrite that grows the file");
    succeeds("fallocate beyond the end", file::allocate(&fd, 0, 0, 2 * size))?;
    succeeds("fallocate(PUNCH_HOLE), which keeps the size", file::punch(&fd, 0, size))?;
    let mut expected = vec![0; 2 * PAGE];
    expected[PAGE..PAGE + 3].copy_from_slice(b"end");
    still_holds(&fd, &expected, "after everything F_SEAL_SHRINK leaves free")
}

pub fn grow_seal_refuses_every_growing(_: &Context) -> CaseResult {
    for size in SIZES {
        let bytes = pattern(size as usize);
        let fd = holding(&bytes)?;
        seal(&fd, SEAL_GROW)?;
        for target in [size + 1, size + PAGE as i64, 1 << 40] {
            fails_with(
                &format!("ftruncate from {size} to {target}"),
                file::truncate(&fd, target),
                libc::EPERM,
            )?;
        }
        fails_with("fallocate of one byte more", file::allocate(&fd, 0, 0, size + 1), libc::EPERM)?;
        fails_with("pwrite at the end", file::write_at(&fd, b"x", size), libc::EPERM)?;
        fails_with("pwrite behind the end", file::write_at(&fd, b"x", size + PAGE as i64), libc::EPERM)?;
        let appender = setup("open to append", file::reopen(&fd, libc::O_WRONLY | libc::O_APPEND))?;
        fails_with("write to a descriptor that appends", file::write(&appender, b"x"), libc::EPERM)?;
        still_holds(&fd, &bytes, "after refused growing")?;
    }
    Ok(())
}

/// The page leaves open whether what fits is written; that the file does not grow, it does not.
pub fn grow_seal_holds_against_a_write_across_the_end(_: &Context) -> CaseResult {
    for size in SIZES {
        let fd = holding(&pattern(size as usize))?;
        seal(&fd, SEAL_GROW)?;
        let crossing = pattern(2 * PAGE);
        match file::write_at(&fd, &crossing, size - 1) {
            Ok(n) => check!(n == 1, "pwrite of {} bytes one byte before the end wrote {n}", crossing.len()),
            refused => fails_with("pwrite across the end", refused, libc::EPERM)?,
        }
        check_eq!(file::size(&fd), Ok(size), "size after a pwrite across the end");
    }
    Ok(())
}

pub fn grow_seal_refuses_nothing_else(_: &Context) -> CaseResult {
    let size = PAGE as i64 + 1;
    let fd = holding(&pattern(size as usize))?;
    seal(&fd, SEAL_GROW)?;
    check_eq!(file::write_at(&fd, b"L", size - 1), Ok(1), "pwrite of the last byte");
    let whole = vec![b'w'; size as usize];
    check_eq!(file::write_at(&fd, &whole, 0), Ok(size), "pwrite of the whole file");
    succeeds("fallocate up to the end", file::allocate(&fd, 0, 0, size))?;
    succeeds("ftruncate to the same size", file::truncate(&fd, size))?;
    still_holds(&fd, &whole, "after everything inside the size")?;
    succeeds("ftruncate to one byte less", file::truncate(&fd, size - 1))?;
    fails_with("ftruncate back by one byte", file::truncate(&fd, size), libc::EPERM)?;
    still_holds(&fd, &whole[1..], "after a truncation to one byte less")
}

pub fn empty_sealed_file_stays_empty(_: &Context) -> CaseResult {
    let fd = holding(b"")?;
    seal(&fd, SEAL_SHRINK | SEAL_GROW)?;
    succeeds("ftruncate of an empty file to 0", file::truncate(&fd, 0))?;
    fails_with("ftruncate of an empty file to 1", file::truncate(&fd, 1), libc::EPERM)?;
    fails_with("pwrite to an empty file", file::write_at(&fd, b"x", 0), libc::EPERM)?;
    check_eq!(file::write_at(&fd, b"", 0), Ok(0), "pwrite of nothing");
    succeeds("open with O_TRUNC of an empty file", file::reopen(&fd, libc::O_RDWR | libc::O_TRUNC))?;
    still_holds(&fd, b"", "after everything")
}
