//! Checks that the compiler puts into the kernel, found in its code as it lies in memory: that they are made, not what
//! they do. What they do is shown by lkdtm, where that is.

use super::facts::*;
use crate::case::setup;
use crate::child::needs_root;
use crate::{CaseResult, Context, Stop, check, check_eq, file, skip};
use std::os::fd::OwnedFd;

/// Where in the core file an address is (elf(5)).
fn place(core: &OwnedFd, address: u64) -> Result<u64, Stop> {
    const LOAD: u32 = 1;
    let head = setup("read of /proc/kcore", file::read_at(core, 4096, 0))?;
    let word = |at: usize| {
        let bytes = head.get(at..at + 8).unwrap_or(&[0; 8]);
        u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
    };
    let (start, count) = (word(32) as usize, usize::from(word(56) as u16));
    for header in (0..count).map(|index| start.saturating_add(index * 56)) {
        let (offset, first, size) = (word(header + 8), word(header + 16), word(header + 40));
        if word(header) as u32 == LOAD && address >= first && address - first < size {
            return Ok(offset + (address - first));
        }
    }
    Err(Stop::Broken(format!("/proc/kcore has no {address:#x}")))
}

/// How many calls of the first of these functions that is there are in the kernel's text.
fn calls_of(names: &[&str]) -> Result<usize, Stop> {
    const PIECE: usize = 1 << 20;
    /// `call` and its distance.
    const CALL: u8 = 0xe8;
    const LENGTH: usize = 5;
    needs_root()?;
    let Some(target) = names.iter().find_map(|name| symbol(name).ok()) else {
        return Err(Stop::Fail(format!("the kernel has no {}", names.join(" or "))));
    };
    let (mut at, end) = (symbol("_stext")?, symbol("_etext")?);
    let core = file::open_at(libc::AT_FDCWD, c"/proc/kcore", libc::O_RDONLY | libc::O_CLOEXEC, 0);
    let core = setup("open of /proc/kcore", core)?;
    let offset = place(&core, at)?.wrapping_sub(at);
    let mut calls = 0;
    while at + (LENGTH as u64) < end {
        let length = PIECE.min((end - at) as usize);
        let bytes =
            setup("read of the kernel's text", file::read_at(&core, length, at.wrapping_add(offset) as i64))?;
        check!(bytes.len() > LENGTH, "/proc/kcore ends inside the kernel's text, at {at:#x}");
        for (index, code) in bytes.windows(LENGTH).enumerate().filter(|(_, code)| code[0] == CALL) {
            let distance = i32::from_le_bytes(code[1..].try_into().expect("four bytes"));
            let called = (at + (index + LENGTH) as u64).wrapping_add_signed(distance.into());
            // A direct call may leave out what is at the beginning for indirect ones.
            calls += usize::from(called.wrapping_sub(target) < 16);
        }
        at += (bytes.len() - LENGTH + 1) as u64;
    }
    Ok(calls)
}

/// Chance would have it less than once that four bytes in the text look so.
fn is_called_everywhere(names: &[&str], least: usize) -> CaseResult {
    let calls = calls_of(names)?;
    check!(calls >= least, "the kernel's text has {calls} calls of {}, expected {least} at least", names[0]);
    Ok(())
}

pub fn functions_check_their_stack(_: &Context) -> CaseResult {
    is_called_everywhere(&["__stack_chk_fail"], 100)
}

pub fn copies_from_and_to_programs_are_checked(_: &Context) -> CaseResult {
    is_called_everywhere(&["__check_object_size"], 20)
}

pub fn copies_of_known_size_are_checked(_: &Context) -> CaseResult {
    is_called_everywhere(&["__fortify_panic", "fortify_panic"], 5)
}

/// The caches say which part of their objects may be copied: of a program's memory map a little, of an open file
/// nothing, of what kmalloc gives all.
pub fn caches_say_what_may_be_copied(_: &Context) -> CaseResult {
    needs_root()?;
    let folder = |cache: &str, file: &str| format!("/sys/kernel/slab/{cache}/{file}");
    if !std::path::Path::new(&folder("mm_struct", "usersize")).exists() {
        skip!("this kernel's caches are not in /sys/kernel/slab");
    }
    let sizes = |cache: &str| -> Result<(u64, u64), Stop> {
        Ok((number(&folder(cache, "usersize"))?, number(&folder(cache, "object_size"))?))
    };
    let (part, whole) = sizes("mm_struct")?;
    check!((1..whole).contains(&part), "{part} of {whole} bytes of a memory map may be copied");
    check_eq!(sizes("filp")?.0, 0, "bytes of an open file that may be copied");
    let (part, whole) = sizes("kmalloc-64")?;
    check_eq!(part, whole, "bytes of what kmalloc gives that may be copied");
    Ok(())
}
