//! Flags, descriptors, images and command lines that must be refused.

use super::support::{
    NO_FILE, NO_INITRAMFS, ON_CRASH, UNLOAD, available, file, header, image, is_loaded, load, load_alone,
    open, unload,
};
use crate::case::{fails_with, succeeds};
use crate::{CaseResult, Context, Stop, check, check_eq, syscall};
use libc::{EBADF, EFAULT, EINVAL, ENOEXEC};
use std::os::fd::AsRawFd;

fn nothing_is_loaded() -> CaseResult {
    check!(!is_loaded()?, "kexec_loaded is 1 after refused calls");
    Ok(())
}

pub fn unknown_flags(_: &Context) -> CaseResult {
    available()?;
    for flag in [1 << 12, 1 << 20, 1 << 31, 1 << 32, 1 << 63] {
        for known in [0, UNLOAD, NO_INITRAMFS, ON_CRASH] {
            let flags = known | flag;
            fails_with(&format!("flags {flags:#x}"), load(NO_FILE, NO_FILE, b"", flags), EINVAL)?;
        }
    }
    nothing_is_loaded()
}

pub fn bad_kernel_descriptor(context: &Context) -> CaseResult {
    available()?;
    for kernel in [NO_FILE, 0x7fff_ffff, i32::MIN] {
        let call = load(kernel, NO_FILE, b"\0", NO_INITRAMFS);
        fails_with(&format!("kernel_fd {kernel}"), call, EBADF)?;
    }
    let folder = open(&context.scratch)?;
    fails_with("a directory for a kernel", load_alone(&folder, b"\0"), EINVAL)?;
    let empty = file(context, "empty", b"")?;
    fails_with("an empty file for a kernel", load_alone(&empty, b"\0"), EINVAL)?;
    nothing_is_loaded()
}

pub fn bad_initrd_descriptor(context: &Context) -> CaseResult {
    available()?;
    let kernel = open(&context.file("kernel"))?;
    for initrd in [NO_FILE, 0x7fff_ffff] {
        let call = load(kernel.as_raw_fd(), initrd, b"\0", 0);
        fails_with(&format!("initrd_fd {initrd}"), call, EBADF)?;
    }
    nothing_is_loaded()?;
    succeeds("the same with KEXEC_FILE_NO_INITRAMFS", load_alone(&kernel, b"\0"))?;
    succeeds("unload", unload(0)).map(drop)
}

pub fn no_kernel(context: &Context) -> CaseResult {
    available()?;
    let text = b"This is not a kernel.\n".repeat(200);
    let zeroes = vec![0u8; 64 << 10];
    let elf = [&b"\x7fELF\x02\x01\x01\0"[..], &[0; 4096]].concat();
    for (name, bytes) in [("text", &text[..]), ("zeroes", &zeroes), ("elf", &elf), ("short", b"x")] {
        let kernel = file(context, name, bytes)?;
        fails_with(&format!("a file of {name} for a kernel"), load_alone(&kernel, b"\0"), ENOEXEC)?;
    }
    nothing_is_loaded()
}

/// Bytes of the image's real-mode part: setup sectors and the boot sector, 512 bytes each; 0 stands for 4.
fn setup_length(image: &[u8]) -> usize {
    let sectors = usize::from(image[header::SETUP_SECTORS]);
    (if sectors == 0 { 4 } else { sectors } + 1) * 512
}

pub fn cut_image(context: &Context) -> CaseResult {
    available()?;
    let image = image(context)?;
    let setup = setup_length(&image);
    check!(image.len() > setup && setup > 1024, "the supplied image has {} bytes", image.len());
    for length in [1, 512, 1023, 1024, setup - 1] {
        let kernel = file(context, "cut", &image[..length])?;
        let what = format!("an image cut to {length} of {setup} header bytes");
        fails_with(&what, load_alone(&kernel, b"\0"), ENOEXEC)?;
    }
    nothing_is_loaded()
}

pub fn wrong_header(context: &Context) -> CaseResult {
    available()?;
    let image = image(context)?;
    for (what, offset, value) in [
        ("no HdrS magic", header::MAGIC, b'h'),
        ("no boot flag", header::BOOT_FLAG, 0),
        ("a boot protocol before 2.12", header::VERSION, 0x0b),
        ("no LOADED_HIGH", header::LOAD_FLAGS, 0),
        ("no 64-bit entry", header::EXTENDED_LOAD_FLAGS, 0),
    ] {
        let mut wrong = image.clone();
        wrong[offset] = value;
        let kernel = file(context, "wrong", &wrong)?;
        fails_with(&format!("an image with {what}"), load_alone(&kernel, b"\0"), ENOEXEC)?;
    }
    nothing_is_loaded()
}

pub fn command_line_limits(context: &Context) -> CaseResult {
    available()?;
    let bytes = image(context)?;
    let field = bytes.get(header::COMMAND_LINE_SIZE..header::COMMAND_LINE_SIZE + 4);
    let limit = field.and_then(|field| field.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    if limit == 0 {
        return Err(Stop::Broken("the supplied image has no cmdline_size".into()));
    }
    let kernel = open(&context.file("kernel"))?;
    // The length counts the NUL.
    let line = |length: usize| [&vec![b'a'; length - 1][..], b"\0"].concat();
    fails_with("a line without NUL", load_alone(&kernel, b"quiet"), EINVAL)?;
    fails_with("a line one byte too long", load_alone(&kernel, &line(limit + 1)), EINVAL)?;
    fails_with("a line of two pages", load_alone(&kernel, &line(8192)), EINVAL)?;
    // SAFETY: the kernel refuses the address; nothing is read.
    let unmapped =
        unsafe { syscall!(libc::SYS_kexec_file_load, kernel.as_raw_fd(), NO_FILE, 8, 8, NO_INITRAMFS) };
    fails_with("a line at no address", unmapped, EFAULT)?;
    nothing_is_loaded()?;
    // A crash kernel's line gets `elfcorehdr=` and an address behind it: some releases keep these 30 bytes free always.
    for length in [1, limit - 30] {
        succeeds(&format!("a line of {length} bytes"), load_alone(&kernel, &line(length)))?;
        check_eq!(is_loaded()?, true, "kexec_loaded");
        succeeds("unload", unload(0))?;
    }
    succeeds("no line at all", load_alone(&kernel, b""))?;
    succeeds("unload", unload(0)).map(drop)
}
