//! What a clone's QEMU loads in place of kernel and initial RAM disk.
//!
//! The guest's memory is in the template, so a clone never loads either. But QEMU wants a `-kernel`, because the
//! machine's option ROM depends on it, and reading 14 MB of kernel and 5 MB of RAM disk for nothing took 20 of
//! the 55 ms of CPU that starting it took (QEMU 7.2). The setup code and one page are enough of a kernel for QEMU to accept it.

use crate::argv::Boot;
use crate::descriptor::anonymous_copy;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Kernel bytes kept after the setup code.
const KEPT: usize = 4096;
const SECTOR: usize = 512;
/// "If the setup_sects field contains 0, the real value is 4."
const SECTORS_WHEN_ZERO: usize = 4;
/// No stub has more bytes.
const LONGEST: u64 = 256 * SECTOR as u64 + KEPT as u64;

/// A boot that only a clone can be started with; `None` for an image that QEMU must load whole. The file is behind
/// the descriptor in it: keep it.
///
/// # Errors
/// When the kernel cannot be read.
pub fn boot(kernel: &Path, command_line: &str) -> Result<Option<(Boot, File)>> {
    let what = || Error::io(format!("cannot read the kernel {}", kernel.display()));
    let mut start = Vec::new();
    let mut image = File::open(kernel).map_err(what())?.take(LONGEST);
    image.read_to_end(&mut start).map_err(what())?;
    let Some(length) = stub_length(&start) else { return Ok(None) };
    let stub = anonymous_copy("gauntlet-stub", &start[..length])?;
    let initrd = stub.as_raw_fd();
    let kernel = PathBuf::from(format!("/dev/fd/{initrd}"));
    Ok(Some((Boot { kernel, initrd, command_line: command_line.to_owned() }, stub)))
}

/// How much of a bzImage QEMU needs to see; `None` for any other image or one that is cut short.
/// Source: Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
fn stub_length(start: &[u8]) -> Option<usize> {
    const SETUP_SECTS: usize = 0x1f1;
    const MAGIC: std::ops::Range<usize> = 0x202..0x206;
    (start.get(MAGIC)? == b"HdrS").then_some(())?;
    let sectors = match usize::from(start[SETUP_SECTS]) {
        0 => SECTORS_WHEN_ZERO,
        sectors => sectors,
    };
    let length = (sectors + 1) * SECTOR + KEPT;
    (start.len() >= length).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(sectors: u8, length: usize) -> Vec<u8> {
        let mut image = vec![0; length];
        image[0x1f1] = sectors;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image
    }

    #[test]
    fn the_setup_code_and_a_page_are_kept() {
        assert_eq!(stub_length(&image(39, 200_000)), Some(40 * 512 + 4096));
        assert_eq!(stub_length(&image(0, 200_000)), Some(5 * 512 + 4096));
        assert_eq!(stub_length(&image(255, 256 * 512 + 4096)), Some(256 * 512 + 4096));
    }

    #[test]
    fn another_kind_of_image_is_loaded_whole() {
        assert_eq!(stub_length(&image(39, 10_000)), None);
        assert_eq!(stub_length(b"\x7fELF"), None);
        assert_eq!(stub_length(&[0; 200_000]), None);
    }

    #[test]
    fn a_stub_stands_for_kernel_and_disk() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("bzImage");
        std::fs::write(&kernel, image(39, 2_000_000)).unwrap();
        let (boot, stub) = boot(&kernel, "quiet").unwrap().expect("a bzImage");
        assert_eq!(boot.initrd, stub.as_raw_fd());
        assert_eq!(std::fs::metadata(&boot.kernel).unwrap().len(), 40 * 512 + 4096);
        assert_eq!(boot.command_line, "quiet");
    }
}
