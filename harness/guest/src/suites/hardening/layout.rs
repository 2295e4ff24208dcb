//! Memory that is either written or executed, what of it may be seen, and where the kernel is in it.

use super::facts::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child::{self, needs_root};
use crate::mapping::{Mapping, PAGE};
use crate::{CaseResult, Context, Stop, check, check_eq, file, skip};

/// Where the direct map begins: the address of physical page 0, by the core file's program headers (elf(5)).
fn direct_map() -> Result<u64, Stop> {
    const LOAD: u32 = 1;
    let core = file::open_at(libc::AT_FDCWD, c"/proc/kcore", libc::O_RDONLY | libc::O_CLOEXEC, 0);
    let core = setup("open of /proc/kcore", core)?;
    let head = setup("read of /proc/kcore", file::read_at(&core, 4096, 0))?;
    let word = |at: usize| {
        head.get(at..at + 8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
    };
    let (start, count) = (word(32).unwrap_or(0) as usize, word(56).unwrap_or(0) as u16);
    for header in (0..usize::from(count)).map(|index| start.saturating_add(index * 56)) {
        let kind = word(header).unwrap_or(0) as u32;
        let (address, physical) = (word(header + 16).unwrap_or(0), word(header + 24).unwrap_or(u64::MAX));
        // The kernel's own text is there, too, at its physical place: far above.
        if kind == LOAD
            && (0xffff_8000_0000_0000..0xffff_ffff_8000_0000).contains(&address)
            && physical < 1 << 32
        {
            return Ok(address - physical);
        }
    }
    Err(Stop::Broken("/proc/kcore names no part of the direct map".into()))
}

/// One boot cannot show that a place is random. But the kernel says whether it chose, and that text and direct map
/// both lie where they would without choosing happens once in ten million boots.
pub fn kernel_is_where_it_was_not_linked(_: &Context) -> CaseResult {
    const LINKED: u64 = 0xffff_ffff_8100_0000;
    const DIRECT_MAP: u64 = 0xffff_8880_0000_0000;
    const DIRECT_MAP_5_LEVELS: u64 = 0xff11_0000_0000_0000;
    const LOADFLAGS: usize = 0x211;
    const KASLR_FLAG: u8 = 1 << 1;
    needs_root()?;
    if commanded("nokaslr") {
        skip!("nokaslr on the kernel command line");
    }
    let parameters = std::fs::read("/sys/kernel/boot_params/data")
        .map_err(|error| Stop::Broken(format!("/sys/kernel/boot_params/data: {error}")))?;
    let flags = parameters.get(LOADFLAGS).copied().unwrap_or(0);
    check!(flags & KASLR_FLAG != 0, "the boot parameters say that no place was chosen: loadflags {flags:#x}");
    let (text, map) = (symbol("_text")?, direct_map()?);
    check!(text % (2 << 20) == 0, "the kernel's text at {text:#x} is not aligned");
    check!(
        (0xffff_ffff_8000_0000..0xffff_ffff_c000_0000).contains(&text),
        "the kernel's text is at {text:#x}"
    );
    let unmoved = text == LINKED && [DIRECT_MAP, DIRECT_MAP_5_LEVELS].contains(&map);
    check!(!unmoved, "text at {text:#x} and direct map at {map:#x}: neither was moved");
    Ok(())
}

pub fn no_page_was_writable_and_executable_at_boot(_: &Context) -> CaseResult {
    needs_root()?;
    let log = log()?;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("Checked W+X mappings")).collect();
    check!(
        !lines.is_empty(),
        "the kernel did not look for pages that are writable and executable (rodata=off?)"
    );
    for line in lines {
        check!(line.contains("passed"), "{line}");
    }
    Ok(())
}

/// The kernel's page tables, as it prints them: no entry is RW without NX.
pub fn no_page_is_writable_and_executable(_: &Context) -> CaseResult {
    needs_root()?;
    let tables = read("/sys/kernel/debug/page_tables/kernel")?;
    check!(tables.lines().count() > 100, "the kernel prints no page tables:\n{tables}");
    let both = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.contains(&"RW") && words.contains(&"x")
    };
    check_eq!(tables.lines().find(both), None, "the first page that is writable and executable");
    Ok(())
}

pub fn data_cannot_be_executed(_: &Context) -> CaseResult {
    const RETURN: u8 = 0xc3;
    let call = |mapping: &Mapping| {
        // SAFETY: one `ret`, which is a whole function; where it may not be executed, a signal ends this child.
        let function: extern "C" fn() = unsafe { std::mem::transmute(mapping.address()) };
        function();
        Ok(())
    };
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let mut mapping = Mapping::anonymous(PAGE, both)?;
    mapping.bytes()[0] = RETURN;
    child::killed_by("a call into a page that is not executable", libc::SIGSEGV, || call(&mapping))?;
    mapping.protect(both | libc::PROT_EXEC)?;
    child::isolated(|| call(&mapping))?;
    mapping.protect(libc::PROT_READ)?;
    child::killed_by("a call into a page that is not executable any more", libc::SIGSEGV, || call(&mapping))?;
    child::killed_by("a write to a page that is read-only", libc::SIGSEGV, || {
        // SAFETY: the page is ours; writing it ends this child.
        unsafe { std::ptr::write_volatile(mapping.address() as *mut u8, 0) };
        Ok(())
    })?;
    let maps = fresh_maps(0)?;
    let stack = maps.lines().find(|line| line.ends_with("[stack]")).unwrap_or_default();
    check!(stack.contains(" rw-p "), "the stack of a program: {stack}");
    Ok(())
}

/// /dev/mem shows devices, never memory that the kernel uses.
pub fn memory_of_the_system_is_closed_to_dev_mem(_: &Context) -> CaseResult {
    needs_root()?;
    let device = file::open_at(libc::AT_FDCWD, c"/dev/mem", libc::O_RDWR | libc::O_CLOEXEC, 0);
    let device = setup("open of /dev/mem", device)?;
    let resources = read("/proc/iomem")?;
    let text = resources.lines().find(|line| line.ends_with(": Kernel code"));
    let start = text.and_then(|line| u64::from_str_radix(line.trim().split('-').next()?, 16).ok());
    let start = start.ok_or_else(|| Stop::Broken(format!("no kernel code in /proc/iomem:\n{resources}")))?;
    fails_with(
        "read of the kernel's text through /dev/mem",
        file::read_at(&device, 16, start as i64),
        libc::EPERM,
    )?;
    fails_with(
        "write to the kernel's text through /dev/mem",
        file::write_at(&device, &[0x90; 1], start as i64),
        libc::EPERM,
    )?;
    for (access, what) in [(libc::PROT_READ, "reading"), (libc::PROT_READ | libc::PROT_WRITE, "writing")] {
        let mapped = map_device(&device, start, access);
        fails_with(&format!("mmap of the kernel's text for {what}"), mapped, libc::EPERM)?;
    }
    // The lowest megabyte may be read for old firmware's sake; what is memory there reads as zeros.
    let low = succeeds("read of page 1 through /dev/mem", file::read_at(&device, PAGE, PAGE as i64))?;
    let written = low.iter().position(|&byte| byte != 0);
    check_eq!(written, None, "first byte of memory that /dev/mem shows in page 1");
    Ok(())
}

fn map_device(fd: &std::os::fd::OwnedFd, offset: u64, access: i32) -> Result<(), crate::sys::Errno> {
    use std::os::fd::AsRawFd;
    // SAFETY: the kernel chooses the address; what is mapped is never touched and unmapped at once.
    unsafe {
        let address =
            crate::syscall!(libc::SYS_mmap, 0, PAGE, access, libc::MAP_SHARED, fd.as_raw_fd(), offset)?;
        crate::syscall!(libc::SYS_munmap, address, PAGE).map(drop)
    }
}

pub fn kernel_stacks_have_guard_pages(_: &Context) -> CaseResult {
    needs_root()?;
    let areas = read("/proc/vmallocinfo")?;
    // One in the other, as far as the compiler likes.
    let makers = ["alloc_thread_stack_node", "dup_task_struct", "copy_process", "kernel_clone"];
    let stacks: Vec<&str> =
        areas.lines().filter(|line| makers.iter().any(|maker| line.contains(maker))).collect();
    check!(stacks.len() > 1, "/proc/vmallocinfo has {} stacks of tasks", stacks.len());
    for stack in stacks {
        let words: Vec<&str> = stack.split_whitespace().collect();
        let size: u64 = words.get(1).and_then(|size| size.parse().ok()).unwrap_or(0);
        let pages = words.iter().find_map(|word| word.strip_prefix("pages=")?.parse::<u64>().ok());
        let guarded = pages.is_none_or(|pages| size == (pages + 1) * PAGE as u64);
        check!(guarded, "a stack without the one page more that nothing backs: {stack}");
    }
    Ok(())
}

pub fn fresh_memory_is_cleared_as_configured(_: &Context) -> CaseResult {
    needs_root()?;
    if commanded("init_on_alloc") {
        skip!("init_on_alloc on the kernel command line");
    }
    let log = log()?;
    let line = log.lines().find(|line| line.contains("mem auto-init: "));
    let line =
        line.ok_or_else(|| Stop::Fail("the kernel does not say what it clears (mem auto-init)".into()))?;
    check!(line.contains("heap alloc:on"), "the kernel says: {line}");
    Ok(())
}
