//! Flags, descriptors, images and command lines that must be refused.

use super::support::{
    DEBUG, FORCE_DTB, NO_CMA, NO_FILE, NO_INITRAMFS, ON_CRASH, UNLOAD, available, file, header, image,
    is_loaded, kernel_says, load, load_alone, open, unload,
};
use crate::case::{fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, file as descriptor, syscall};
use libc::{EBADF, EFAULT, EFBIG, EINVAL, ENOEXEC, ETXTBSY};
use std::fs::File;
use std::os::fd::AsRawFd;

fn nothing_is_loaded() -> CaseResult {
    check!(!is_loaded()?, "kexec_loaded is 1 after refused calls");
    Ok(())
}

/// The bits that this release has no flag for. Those below 12 may get one after the last release looked at.
fn unknown_bits(release: (u32, u32)) -> impl Iterator<Item = u64> {
    const LATER: [(u64, (u32, u32)); 3] = [(DEBUG, (6, 7)), (NO_CMA, (6, 17)), (FORCE_DTB, (6, 18))];
    const LAST: (u32, u32) = (7, 2);
    (3..64).map(|bit| 1 << bit).filter(move |flag| match LATER.iter().find(|(known, _)| known == flag) {
        Some((_, since)) => release < *since,
        None => *flag >= 1 << 12 || release <= LAST,
    })
}

pub fn unknown_flags(_: &Context) -> CaseResult {
    available()?;
    for flag in unknown_bits(crate::sys::release()) {
        for known in [0, UNLOAD, NO_INITRAMFS, ON_CRASH] {
            let flags = known | flag;
            fails_with(&format!("flags {flags:#x}"), load(NO_FILE, NO_FILE, b"", flags), EINVAL)?;
        }
    }
    nothing_is_loaded()
}

/// Before 6.7 a flag like any other that is not known.
pub fn debug_flag_before_its_time(context: &Context) -> CaseResult {
    available()?;
    let kernel = open(&context.file("kernel"))?;
    let call = load(kernel.as_raw_fd(), NO_FILE, b"\0", NO_INITRAMFS | DEBUG);
    fails_with("KEXEC_FILE_DEBUG", call, EINVAL)?;
    nothing_is_loaded()
}

pub fn debug_flag(context: &Context) -> CaseResult {
    available()?;
    let kernel = open(&context.file("kernel"))?;
    // Messages of kexec's own begin with its name; others may have it in them, as a stack does.
    let load_with = |flags| -> Result<(bool, String), Stop> {
        let fd = kernel.as_raw_fd();
        let said = kernel_says(|| {
            succeeds("load", load(fd, NO_FILE, b"quiet\0", NO_INITRAMFS | flags))?;
            check_eq!(is_loaded()?, true, "kexec_loaded");
            succeeds("unload", unload(0)).map(drop)
        })?;
        let of_kexec =
            said.lines().any(|line| line.split(';').nth(1).is_some_and(|t| t.starts_with("kexec")));
        Ok((of_kexec, said))
    };
    let (told, said) = load_with(0)?;
    check!(!told, "a load without KEXEC_FILE_DEBUG says: {said}");
    let (told, said) = load_with(DEBUG)?;
    check!(told, "a load with KEXEC_FILE_DEBUG says nothing of itself: {said}");
    // And not for ever after.
    let (told, said) = load_with(0)?;
    check!(!told, "a load after one with KEXEC_FILE_DEBUG says: {said}");
    Ok(())
}

/// Descriptors of all sorts that no file can be read from, for either file.
pub fn unreadable_files(context: &Context) -> CaseResult {
    available()?;
    let kernel = open(&context.file("kernel"))?;
    let path = context.scratch.join("content");
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|error| Stop::Broken(error.to_string()))?;
    std::fs::write(&path, b"some content").map_err(|error| Stop::Broken(error.to_string()))?;
    let at = |flags| setup("open", descriptor::open_at(libc::AT_FDCWD, &name, flags | libc::O_CLOEXEC, 0));
    let (reader, _writer) = crate::child::pipe()?;
    let zero = setup("open", descriptor::open_at(libc::AT_FDCWD, c"/dev/zero", libc::O_RDONLY, 0))?;
    // Sparse, and larger than any kernel reads for this.
    let writer =
        setup("open", descriptor::open_at(libc::AT_FDCWD, c"huge", libc::O_RDWR | libc::O_CREAT, 0o600))?;
    setup("ftruncate", descriptor::truncate(&writer, 5 << 30))?;
    let huge = setup("open", descriptor::reopen(&writer, libc::O_RDONLY))?;
    drop(writer);
    for (what, file, errno) in [
        ("that is empty", file(context, "empty", b"")?.into(), EINVAL),
        ("open for writing only", at(libc::O_WRONLY)?, EBADF),
        ("opened with O_PATH", at(libc::O_PATH)?, EBADF),
        ("that is a pipe", reader, EINVAL),
        ("that is a device", zero, EINVAL),
        ("of 5 GiB", huge, EFBIG),
    ] {
        fails_with(&format!("a kernel {what}"), load(file.as_raw_fd(), NO_FILE, b"\0", NO_INITRAMFS), errno)?;
        let call = load(kernel.as_raw_fd(), file.as_raw_fd(), b"\0", 0);
        fails_with(&format!("an initrd {what}"), call, errno)?;
    }
    nothing_is_loaded()?;
    // A file that somebody may still write is none to start.
    let written = at(libc::O_RDWR)?;
    let read = at(libc::O_RDONLY)?;
    let call = load(kernel.as_raw_fd(), read.as_raw_fd(), b"\0", 0);
    fails_with("an initrd that is open for writing elsewhere", call, ETXTBSY)?;
    drop(written);
    succeeds("the same when it is not any more", load(kernel.as_raw_fd(), read.as_raw_fd(), b"\0", 0))?;
    succeeds("unload", unload(0)).map(drop)
}

/// KEXEC_FILE_UNLOAD looks at nothing but itself and KEXEC_FILE_ON_CRASH.
pub fn unload_ignores_the_rest(context: &Context) -> CaseResult {
    available()?;
    let kernel = open(&context.file("kernel"))?;
    for flags in [0, NO_INITRAMFS] {
        succeeds("load", load_alone(&kernel, b"\0"))?;
        // SAFETY: the address is not read.
        let unloaded =
            unsafe { syscall!(libc::SYS_kexec_file_load, 12_345, 12_346, 1u64 << 40, 8, UNLOAD | flags) };
        succeeds(&format!("unload with flags {flags:#x} and rubbish"), unloaded)?;
        nothing_is_loaded()?;
    }
    Ok(())
}

/// kexec_load(2) without segments empties the same slot.
pub fn old_call_unloads(context: &Context) -> CaseResult {
    available()?;
    let kernel = open(&context.file("kernel"))?;
    succeeds("load", load_alone(&kernel, b"\0"))?;
    // SAFETY: there are no segments.
    match unsafe { syscall!(libc::SYS_kexec_load, 0, 0, 0, 0) } {
        Err(Errno(libc::ENOSYS)) => Err(Stop::Skip("missing syscall: kexec_load".into())),
        other => {
            succeeds("kexec_load without segments", other)?;
            nothing_is_loaded()
        }
    }
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

/// No document says that a load looks at what lies behind the header. But it is told apart: an image that is refused is
/// of no known format, and one that is not refused is loaded.
pub fn image_without_its_end(context: &Context) -> CaseResult {
    available()?;
    let image = image(context)?;
    let setup = setup_length(&image);
    for length in [setup, image.len() - 1] {
        let kernel = file(context, "cut", &image[..length])?;
        let what = format!("an image cut to {length} of {} bytes", image.len());
        match load_alone(&kernel, b"\0") {
            Ok(_) => {
                check_eq!(is_loaded()?, true, "kexec_loaded after {what} was accepted");
                succeeds("unload", unload(0))?;
            }
            refused => fails_with(&what, refused, ENOEXEC)?,
        }
        nothing_is_loaded()?;
    }
    Ok(())
}

pub fn wrong_header(context: &Context) -> CaseResult {
    available()?;
    let image = image(context)?;
    // Nothing but what the name says: a kernel that misses it must not find another cause.
    let without = |offset: usize, bit: u8| image[offset] & !bit;
    for (what, offset, value) in [
        ("no HdrS magic", header::MAGIC, b'h'),
        ("no boot flag", header::BOOT_FLAG, 0),
        ("a boot protocol before 2.12", header::VERSION, 0x0b),
        ("no LOADED_HIGH", header::LOAD_FLAGS, without(header::LOAD_FLAGS, 1)),
        ("no 64-bit entry", header::EXTENDED_LOAD_FLAGS, without(header::EXTENDED_LOAD_FLAGS, 1)),
        ("no place above 4 GiB", header::EXTENDED_LOAD_FLAGS, without(header::EXTENDED_LOAD_FLAGS, 2)),
    ] {
        let mut wrong = image.clone();
        wrong[offset] = value;
        let kernel = file(context, "wrong", &wrong)?;
        fails_with(&format!("an image with {what}"), load_alone(&kernel, b"\0"), ENOEXEC)?;
    }
    nothing_is_loaded()
}

/// The longest command line that an image says it takes, without the NUL.
fn command_line_size(image: &[u8]) -> Result<usize, Stop> {
    let field = image.get(header::COMMAND_LINE_SIZE..header::COMMAND_LINE_SIZE + 4);
    match field.and_then(|field| field.try_into().ok()).map_or(0, u32::from_le_bytes) {
        0 => Err(Stop::Broken("the supplied image has no cmdline_size".into())),
        size => Ok(size as usize),
    }
}

/// A line of so many bytes, of which the last is the NUL.
fn line(length: usize) -> Vec<u8> {
    [&vec![b'a'; length - 1][..], b"\0"].concat()
}

/// One byte more than the image takes is refused, and what surely fits is not.
fn limit_is_obeyed(kernel: &File, limit: usize) -> CaseResult {
    let refused = load_alone(kernel, &line(limit + 1));
    fails_with(&format!("a line one byte too long for an image that takes {limit}"), refused, EINVAL)?;
    nothing_is_loaded()?;
    // A crash kernel's line gets `elfcorehdr=` and an address behind it: some releases keep these 30 bytes free always.
    let length = limit - 30;
    succeeds(&format!("a line of {length} bytes"), load_alone(kernel, &line(length)))?;
    check_eq!(is_loaded()?, true, "kexec_loaded");
    succeeds("unload", unload(0)).map(drop)
}

pub fn command_line_limits(context: &Context) -> CaseResult {
    available()?;
    let bytes = image(context)?;
    let kernel = open(&context.file("kernel"))?;
    fails_with("a line without NUL", load_alone(&kernel, b"quiet"), EINVAL)?;
    fails_with("a line of two pages", load_alone(&kernel, &line(8192)), EINVAL)?;
    // SAFETY: the kernel refuses the address; nothing is read.
    let unmapped =
        unsafe { syscall!(libc::SYS_kexec_file_load, kernel.as_raw_fd(), NO_FILE, 8, 8, NO_INITRAMFS) };
    fails_with("a line at no address", unmapped, EFAULT)?;
    limit_is_obeyed(&kernel, command_line_size(&bytes)?)?;
    for short in [&b""[..], b"\0"] {
        succeeds(&format!("a line of {} bytes", short.len()), load_alone(&kernel, short))?;
        succeeds("unload", unload(0))?;
    }
    Ok(())
}

/// The limit is the image's, which is another one than the running kernel's.
pub fn command_line_limit_of_the_image(context: &Context) -> CaseResult {
    const LIMIT: u32 = 255;
    available()?;
    let mut bytes = image(context)?;
    command_line_size(&bytes)?;
    bytes[header::COMMAND_LINE_SIZE..][..4].copy_from_slice(&LIMIT.to_le_bytes());
    limit_is_obeyed(&file(context, "limited", &bytes)?, LIMIT as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_unknown_until_its_release() {
        let below_12 = |major, minor| unknown_bits((major, minor)).filter(|bit| *bit < 1 << 12).sum::<u64>();
        assert_eq!(below_12(6, 6), 0xff8);
        assert_eq!(below_12(6, 7), 0xff0);
        assert_eq!(below_12(6, 17), 0xfe0);
        assert_eq!(below_12(7, 2), 0xfc0);
        assert_eq!(below_12(7, 3), 0);
        assert_eq!(unknown_bits((7, 3)).fold(0, |all, bit| all | bit), u64::MAX << 12);
    }
}
