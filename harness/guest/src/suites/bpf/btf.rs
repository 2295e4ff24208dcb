//! BTF: the kernel's own, and blobs that must be refused (Documentation/bpf/btf.rst).

use crate::bpf::{Attributes, Command, id_list, information, object_by_id};
use crate::case::{exists, fails_with, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, check, check_eq, skip};
use std::os::fd::OwnedFd;

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
const HEADER: usize = 24;
const MAGIC: u16 = 0xeb9f;

fn half(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

fn word(bytes: &[u8], offset: usize) -> usize {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes")) as usize
}

pub fn kernel_types_are_well_formed(_: &Context) -> CaseResult {
    let Ok(blob) = std::fs::read(VMLINUX) else { skip!("no {VMLINUX}: CONFIG_DEBUG_INFO_BTF is not set") };
    check!(blob.len() > HEADER, "{VMLINUX} has {} bytes", blob.len());
    check_eq!(half(&blob, 0), MAGIC, "magic");
    check_eq!(blob[2], 1, "version");
    check_eq!(word(&blob, 4), HEADER, "hdr_len");
    let (types, type_length) = (HEADER + word(&blob, 8), word(&blob, 12));
    let (strings, string_length) = (HEADER + word(&blob, 16), word(&blob, 20));
    check_eq!(types, HEADER, "start of the types");
    check!(types + type_length <= strings, "types and strings overlap");
    check_eq!(strings + string_length, blob.len(), "end of the strings");
    let text = &blob[strings..];
    check_eq!((text.first(), text.last()), (Some(&0), Some(&0)), "first and last byte of the strings");
    check!(text.split(|&byte| byte == 0).any(|name| name == b"task_struct"), "no type is called task_struct");
    let metadata = std::fs::metadata(VMLINUX).map(|metadata| metadata.len() as usize);
    check_eq!(metadata.ok(), Some(blob.len()), "size of {VMLINUX} in stat");
    Ok(())
}

/// A blob with one type, `int` of 4 bytes: name_off, info (BTF_KIND_INT = 1), size, encoding (signed, 32 bits).
fn integer() -> Vec<u8> {
    blob(&[1, 1 << 24, 4, 1 << 24 | 32], b"\0int\0")
}

/// Header, types and names.
pub fn blob(types: &[u32], names: &[u8]) -> Vec<u8> {
    let mut blob = vec![];
    blob.extend(MAGIC.to_le_bytes());
    blob.extend([1, 0]);
    let length = 4 * types.len() as u32;
    for field in [HEADER as u32, 0, length, length, names.len() as u32].iter().chain(types) {
        blob.extend(field.to_le_bytes());
    }
    blob.extend(names);
    blob
}

pub fn load(blob: &[u8]) -> Result<OwnedFd, Errno> {
    Attributes::default().input(0, blob).u32(16, blob.len() as u32).open(Command::BtfLoad)
}

pub fn object_is_found_by_its_identifier(_: &Context) -> CaseResult {
    let object = succeeds("BPF_BTF_LOAD of one int", exists("bpf", load(&integer()))?)?;
    let mut info = [0u8; 16];
    succeeds("BPF_OBJ_GET_INFO_BY_FD", information(&object, &mut info))?;
    let id = word(&info, 12) as u32;
    check!(id != 0, "the identifier is 0");
    let ids = succeeds("BPF_BTF_GET_NEXT_ID", id_list(Command::BtfNextId))?;
    check!(ids.contains(&id), "object {id} is not listed: {ids:?}");
    let again = succeeds("BPF_BTF_GET_FD_BY_ID", object_by_id(Command::BtfById, id))?;
    drop(object);
    succeeds("BPF_BTF_GET_FD_BY_ID of an object that is still open", object_by_id(Command::BtfById, id))?;
    drop(again);
    fails_with("BPF_BTF_GET_FD_BY_ID after the last close", object_by_id(Command::BtfById, id), libc::ENOENT)
}

pub fn blobs_are_checked(_: &Context) -> CaseResult {
    let good = integer();
    let object = succeeds("BPF_BTF_LOAD of one int", exists("bpf", load(&good))?)?;
    let mut back = vec![0xa5u8; good.len()];
    let mut info = [0u8; 16];
    info[..8].copy_from_slice(&(back.as_mut_ptr() as u64).to_le_bytes());
    info[8..12].copy_from_slice(&(back.len() as u32).to_le_bytes());
    succeeds("BPF_OBJ_GET_INFO_BY_FD", information(&object, &mut info))?;
    check_eq!(word(&info, 8), good.len(), "btf_size");
    check_eq!(back, good, "the blob as the kernel gives it back");

    for (what, offset, value) in [
        ("another magic", 0, 0u8),
        ("types that begin behind the blob", 9, 1),
        ("types of no length", 12, 0),
        ("types of odd length", 12, 15),
        ("strings that leave bytes behind them", 20, 4),
        ("strings longer than the blob", 20, 6),
        ("a name behind the strings", 24, 5),
        ("a name that starts amid nothing", 24, 200),
        ("an unknown kind", 31, 31),
        ("an int with members", 28, 1),
        ("an int of 3 bytes", 32, 3),
        ("an int of 33 bits in 4 bytes", 36, 33),
        ("strings without a NUL in front", 40, b'x'),
        ("strings without a NUL at the end", 44, b'x'),
    ] {
        let mut bad = good.clone();
        bad[offset] = value;
        fails_with(&format!("BPF_BTF_LOAD with {what}"), load(&bad), libc::EINVAL)?;
    }
    // For these the kernel has its internal ENOTSUPP.
    for (what, offset, value) in [("version 2", 2, 2), ("unknown flags", 3, 1)] {
        let mut other = good.clone();
        other[offset] = value;
        check!(load(&other).is_err(), "BPF_BTF_LOAD takes {what}");
    }
    for length in [0, 3, HEADER - 1, good.len() - 1] {
        check!(load(&good[..length]).is_err(), "BPF_BTF_LOAD takes a blob cut to {length} bytes");
    }
    Ok(())
}
