use super::*;
use proptest::prelude::*;

const VERSION: &[u8] = b"6.1.0-56-cloud-amd64 (builder@host) #1 SMP Debian 6.1.192-2\0";

/// A small image, whole: 4 setup sectors and 0x1000 bytes of code.
pub(crate) fn bzimage() -> Vec<u8> {
    let mut image = vec![0u8; 5 * 512 + 0x1000];
    let mut put = |offset: usize, bytes: &[u8]| image[offset..offset + bytes.len()].copy_from_slice(bytes);
    put(SETUP_SECTS, &[4]);
    put(SYSSIZE, &0x100u32.to_le_bytes());
    put(BOOT_FLAG, &0xaa55u16.to_le_bytes());
    put(HEADER_MAGIC, b"HdrS");
    put(PROTOCOL_VERSION, &0x020fu16.to_le_bytes());
    put(KERNEL_VERSION, &0x400u16.to_le_bytes());
    put(XLOADFLAGS, &XLF_KERNEL_64.to_le_bytes());
    put(PAYLOAD_OFFSET, &0x100u32.to_le_bytes());
    put(PAYLOAD_LENGTH, &0xe00u32.to_le_bytes());
    put(0x600, VERSION);
    image
}

fn judge(image: &[u8]) -> std::result::Result<BzImage, ImageProblem> {
    inspect(&image[..image.len().min(HEAD)], image.len() as u64)
}

#[test]
fn a_good_image_tells_its_release() {
    let image = judge(&bzimage()).unwrap();
    assert_eq!(image.release, "6.1.0-56-cloud-amd64");
    assert_eq!(image.protocol, 0x020f);
    assert!(image.version.ends_with("6.1.192-2"));
}

#[test]
fn appended_signatures_do_no_harm() {
    let mut image = bzimage();
    image.extend([0xff; 1500]);
    assert!(judge(&image).is_ok());
}

#[test]
fn a_zero_sector_count_means_four() {
    let mut image = bzimage();
    image[SETUP_SECTS] = 0;
    assert!(judge(&image).is_ok());
}

#[test]
fn thirty_two_bits_are_refused() {
    let mut image = bzimage();
    image[XLOADFLAGS] = 0;
    assert_eq!(judge(&image), Err(ImageProblem::NotSixtyFourBit));
}

#[test]
fn foreign_files_are_called_by_their_name() {
    let mut arm = vec![0u8; 4096];
    arm[0x38..0x3c].copy_from_slice(b"ARM\x64");
    let cases: [(&[u8], &str); 6] = [
        (b"\x7fELF\x02\x01\x01", "ELF"),
        (&arm, "arm64"),
        (&[0x1f, 0x8b, 8, 0], "gzip"),
        (b"\xfd7zXZ\0\0", "xz data"),
        (b"!<arch>\ndebian-binary", "Debian package"),
        (b"MZ\0\0zimg", "EFI kernel"),
    ];
    for (bytes, expected) in cases {
        let problem = judge(bytes).unwrap_err().to_string();
        assert!(problem.contains(expected), "{expected}: {problem}");
    }
    assert_eq!(judge(b"hello"), Err(ImageProblem::Unknown));
    assert_eq!(judge(b""), Err(ImageProblem::Empty));
}

#[test]
fn a_file_error_names_the_file_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vmlinux");
    std::fs::write(&path, b"\x7fELF\x02\x01\x01").unwrap();
    let error = read(&path).unwrap_err();
    assert!(error.message.contains("vmlinux: this is an ELF file"), "{error}");
    assert!(error.hints[0].contains("arch/x86/boot/bzImage"));
}

proptest! {
    #[test]
    fn any_cut_inside_the_payload_is_noticed(cut in 0usize..5 * 512 + 0xf00) {
        prop_assert!(judge(&bzimage()[..cut]).is_err());
    }

    #[test]
    fn hostile_headers_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0x1f0..0x300), length in any::<u64>()) {
        let mut image = bzimage();
        image[0x1f0..0x1f0 + bytes.len()].copy_from_slice(&bytes);
        image[BOOT_FLAG..BOOT_FLAG + 2].copy_from_slice(&[0x55, 0xaa]);
        image[HEADER_MAGIC..HEADER_MAGIC + 4].copy_from_slice(b"HdrS");
        let _ = inspect(&image, length / 2);
    }
}
