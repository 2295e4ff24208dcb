//! The kernel image: is it one that can boot here, whole, and which release is it? Decided from its header, before
//! anything boots.
//!
//! Offsets are those of Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".

use std::fmt;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// Boot sector plus the largest setup code (`setup_sects` is one byte, sectors are 512 bytes): everything we look at.
const HEAD: usize = 256 * 512;

const SETUP_SECTS: usize = 0x1f1;
const SYSSIZE: usize = 0x1f4;
const BOOT_FLAG: usize = 0x1fe;
const HEADER_MAGIC: usize = 0x202;
const PROTOCOL_VERSION: usize = 0x206;
const KERNEL_VERSION: usize = 0x20e;
const XLOADFLAGS: usize = 0x236;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;

/// `XLF_KERNEL_64`: the kernel has the 64-bit entry point.
const XLF_KERNEL_64: u16 = 1;
/// Protocol 2.12 (Linux 3.8) brought `xloadflags`.
const PROTOCOL_WITH_XLOADFLAGS: u16 = 0x020c;

/// What the header of a good image says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BzImage {
    /// `uname -r`: the first word of the version text.
    pub release: String,
    /// The whole version text, with builder and date.
    pub version: String,
    /// Boot protocol, as 0x020f for 2.15.
    pub protocol: u16,
}

/// Why an image cannot boot here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageProblem {
    Empty,
    /// A file of another kind; the texts say which, and what to name instead.
    Foreign {
        kind: &'static str,
        hint: &'static str,
    },
    /// No kernel that we can recognise.
    Unknown,
    /// Only the 32-bit entry point.
    NotSixtyFourBit,
    /// The file ends before the kernel does.
    Truncated {
        has: u64,
        needs: u64,
    },
}

impl fmt::Display for ImageProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageProblem::Empty => formatter.write_str("the file is empty"),
            ImageProblem::Foreign { kind, .. } => write!(formatter, "this is {kind}, not an x86 bzImage"),
            ImageProblem::Unknown => {
                formatter.write_str("this is no kernel image: it has no x86 setup header")
            }
            ImageProblem::NotSixtyFourBit => {
                formatter.write_str("this kernel is 32-bit; only x86-64 boots here")
            }
            ImageProblem::Truncated { has, needs } => {
                write!(formatter, "the image is truncated: {has} bytes of at least {needs}")
            }
        }
    }
}

impl ImageProblem {
    fn hint(&self) -> &'static str {
        match self {
            ImageProblem::Foreign { hint, .. } => hint,
            ImageProblem::Truncated { .. } => "copy or build it again; was the disk full?",
            ImageProblem::Empty | ImageProblem::Unknown | ImageProblem::NotSixtyFourBit => {
                "a build leaves the image in arch/x86/boot/bzImage; packages call it vmlinuz"
            }
        }
    }
}

/// Reads the header of a file.
pub fn read(path: &Path) -> Result<BzImage> {
    let unreadable =
        |error: std::io::Error| Error::usage(format!("kernel image {}", path.display())).because(error);
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut head = Vec::with_capacity(HEAD);
    Read::by_ref(&mut file).take(HEAD as u64).read_to_end(&mut head).map_err(unreadable)?;
    inspect(&head, length).map_err(|problem| {
        Error::usage(format!("kernel image {}: {problem}", path.display())).hint(problem.hint())
    })
}

/// Judges an image by its beginning (128 KiB, or all of it) and its length in bytes.
pub fn inspect(head: &[u8], length: u64) -> std::result::Result<BzImage, ImageProblem> {
    if head.is_empty() {
        return Err(ImageProblem::Empty);
    }
    if head.get(HEADER_MAGIC..HEADER_MAGIC + 4) != Some(b"HdrS") || word(head, BOOT_FLAG) != Some(0xaa55) {
        return Err(foreign(head));
    }
    let truncated = ImageProblem::Truncated { has: length, needs: minimal_length(head).max(length + 1) };
    let protocol = word(head, PROTOCOL_VERSION).ok_or(truncated.clone())?;
    let flags = word(head, XLOADFLAGS).ok_or(truncated.clone())?;
    if protocol < PROTOCOL_WITH_XLOADFLAGS || flags & XLF_KERNEL_64 == 0 {
        return Err(ImageProblem::NotSixtyFourBit);
    }
    if length < minimal_length(head) {
        return Err(truncated);
    }
    let version = version_text(head).ok_or(truncated)?;
    let release = version.split(' ').next().unwrap_or_default().to_owned();
    Ok(BzImage { release, version, protocol })
}

/// Where setup code and protected-mode code end. `syssize` counts 16-byte paragraphs, rounded up, so the last one may
/// be partly missing; the compressed payload may not.
fn minimal_length(head: &[u8]) -> u64 {
    // "If this field contains 0, the real value is 4."
    let sectors = match head.get(SETUP_SECTS) {
        Some(0) | None => 4,
        Some(&sectors) => u64::from(sectors),
    };
    let setup = (sectors + 1) * 512;
    let code = u64::from(double_word(head, SYSSIZE).unwrap_or(0)) * 16;
    let payload = u64::from(double_word(head, PAYLOAD_OFFSET).unwrap_or(0))
        + u64::from(double_word(head, PAYLOAD_LENGTH).unwrap_or(0));
    setup + payload.max(code.saturating_sub(15))
}

/// `kernel_version` points, less 0x200, to a NUL-terminated text in the setup code.
fn version_text(head: &[u8]) -> Option<String> {
    let start = usize::from(word(head, KERNEL_VERSION)?).checked_add(0x200)?;
    let text = head.get(start..)?;
    let text = &text[..text.iter().position(|&byte| byte == 0)?];
    let text = std::str::from_utf8(text).ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn foreign(head: &[u8]) -> ImageProblem {
    const BUILD: &str = "name the bzImage: a build leaves it in arch/x86/boot/bzImage";
    const UNPACK: &str = "name the kernel image itself, not a compressed copy of it";
    const OTHER: &str = "only x86-64 kernels boot here";
    let is = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
    let (kind, hint) = if is(0, b"\x7fELF") {
        ("an ELF file (vmlinux or a module)", BUILD)
    } else if is(0x38, b"ARM\x64") {
        // Documentation/arch/arm64/booting.rst, "magic".
        ("an arm64 kernel", OTHER)
    } else if is(0x30, b"RISCV\0\0\0") || is(0x38, b"RSC\x05") {
        // Documentation/arch/riscv/boot-image-header.rst, "magic" and "magic2".
        ("a RISC-V kernel", OTHER)
    } else if is(4, b"zimg") {
        // drivers/firmware/efi/libstub/zboot-header.S.
        ("a compressed EFI kernel of another architecture", OTHER)
    } else if is(0, &[0x27, 0x05, 0x19, 0x56]) {
        ("a U-Boot image", OTHER)
    } else if is(0, &[0x1f, 0x8b]) {
        ("gzip data (perhaps Image.gz of another architecture)", UNPACK)
    } else if is(0, b"\xfd7zXZ\0") {
        ("xz data", UNPACK)
    } else if is(0, &[0x28, 0xb5, 0x2f, 0xfd]) {
        ("zstd data", UNPACK)
    } else if is(0, b"!<arch>\n") {
        ("an archive (a Debian package?)", "for a package write deb:PACKAGE")
    } else {
        return ImageProblem::Unknown;
    };
    ImageProblem::Foreign { kind, hint }
}

fn word(head: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_le_bytes(head.get(offset..offset + 2)?.try_into().ok()?))
}

fn double_word(head: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(head.get(offset..offset + 4)?.try_into().ok()?))
}

#[cfg(test)]
pub(crate) mod tests;
