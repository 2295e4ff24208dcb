//! Executables and kernel images: whole where it counts, wrong in one place now and then.

use super::Choices;

/// `mov edi, 0; mov eax, 60; syscall`: exit(0).
const EXIT: [u8; 12] = [0xbf, 0, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
const BASE: u64 = 0x40_0000;
const ELF_HEAD: u64 = 64;
const PROGRAM_HEAD: u64 = 56;

/// A static ELF file that exits at once, or a script.
pub(super) fn executable(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut bytes = match choices.below(8) {
        0 => b"#!a\n".to_vec(),
        _ => elf(),
    };
    spoil(choices, &mut bytes, 3);
    bytes
}

/// Source of the layout: System V ABI, ELF-64 object file format, figures 2 and 6.
fn elf() -> Vec<u8> {
    let size = ELF_HEAD + PROGRAM_HEAD + EXIT.len() as u64;
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |value: u16, bytes: &mut Vec<u8>| bytes.extend_from_slice(&value.to_le_bytes());
    half(2, &mut bytes);
    half(62, &mut bytes);
    bytes.extend_from_slice(&1u32.to_le_bytes());
    for word in [BASE + ELF_HEAD + PROGRAM_HEAD, ELF_HEAD, 0] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&0u32.to_le_bytes());
    for value in [ELF_HEAD as u16, PROGRAM_HEAD as u16, 1, 0, 0, 0] {
        half(value, &mut bytes);
    }
    bytes.extend_from_slice(&1u32.to_le_bytes());
    bytes.extend_from_slice(&5u32.to_le_bytes());
    for word in [0, BASE, BASE, size, size, 0x1000] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&EXIT);
    bytes
}

/// The head of a bzImage, as `bzImage64_probe` of the kernel looks at it, and some pages behind it.
/// Source: Linux Documentation/arch/x86/boot.rst.
pub(super) fn kernel_image(choices: &mut Choices<'_>) -> Vec<u8> {
    let setup_sectors = 1 + choices.below(4) as u8;
    let mut image = vec![0; 512 * (usize::from(setup_sectors) + 1) + 1024];
    image[0x1f1] = setup_sectors;
    image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    image[0x200..0x202].copy_from_slice(&[0xeb, 0x6a]);
    image[0x202..0x206].copy_from_slice(b"HdrS");
    // Protocol 2.15.
    image[0x206..0x208].copy_from_slice(&[0x0f, 0x02]);
    // LOADED_HIGH, and XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G | XLF_5LEVEL.
    image[0x211] = 1;
    image[0x236] = 0x23;
    image[0x22c..0x230].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    image[0x230..0x234].copy_from_slice(&0x20_0000u32.to_le_bytes());
    image[0x234] = 1;
    image[0x238..0x23c].copy_from_slice(&0x7ffu32.to_le_bytes());
    image[0x258..0x260].copy_from_slice(&0x100_0000u64.to_le_bytes());
    image[0x260..0x264].copy_from_slice(&0x10_0000u32.to_le_bytes());
    spoil(choices, &mut image, 2);
    image
}

/// One time in `of`, breaks a byte or cuts the end off.
fn spoil(choices: &mut Choices<'_>, bytes: &mut Vec<u8>, of: usize) {
    if !choices.chance(1, of) {
        return;
    }
    let at = choices.below(bytes.len());
    match choices.below(3) {
        0 => bytes.truncate(at),
        _ => bytes[at] = choices.below(256) as u8,
    }
}
