//! Ill-formed descriptions of types, of every kind, and what the kernel says about them (btf.rst, section 2.2).

use super::btf::{blob, load};
use crate::bpf::{Attributes, Command};
use crate::case::{exists, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, check};
use libc::EINVAL;

const fn info(kind: u32, vlen: u32) -> u32 {
    kind << 24 | vlen
}

const KIND_FLAG: u32 = 1 << 31;
const NO_KIND: u32 = info(0, 0);
const INT: u32 = info(1, 0);
const POINTER: u32 = info(2, 0);
const ARRAY: u32 = info(3, 0);
const STRUCTURE: u32 = info(4, 0);
const UNION: u32 = info(5, 0);
const ENUM: u32 = info(6, 0);
const FORWARD: u32 = info(7, 0);
const TYPEDEF: u32 = info(8, 0);
const VOLATILE: u32 = info(9, 0);
const CONST: u32 = info(10, 0);
const FUNCTION: u32 = info(12, 0);
const PROTOTYPE: u32 = info(13, 0);
const VARIABLE: u32 = info(14, 0);
const SECTION: u32 = info(15, 0);

/// Type 1 of every blob; those of the cases are 2 and what follows.
const INTEGER: [u32; 4] = [1, INT, 4, 1 << 24 | 32];
const NAMES: &[u8] = b"\0int\0name\0bad-name\0";
const NAME: u32 = 5;
const BAD_NAME: u32 = 10;
const NO_NAME: u32 = 0;
const NOWHERE: u32 = 99;
const VOID: u32 = 0;
/// An identifier that no type of a case has.
const MISSING: u32 = 9;

fn with_integer(types: &[u32]) -> Vec<u8> {
    blob(&[&INTEGER, types].concat(), NAMES)
}

/// What is wrong, the types behind the integer, and what the kernel says.
type Bad = (&'static str, &'static [u32], &'static str);

/// The blob must be refused with one of these errors and this text.
fn refused((what, types, text): Bad, errnos: &[i32]) -> CaseResult {
    let blob = with_integer(types);
    let mut log = vec![0u8; 1 << 14];
    let mut request = Attributes::default().input(0, &blob).u32(16, blob.len() as u32);
    request = request.output(8, &mut log).u32(20, 1 << 14).u32(24, 1);
    let got = exists("bpf", request.open(Command::BtfLoad))?;
    let log = String::from_utf8_lossy(&log).trim_end_matches('\0').to_owned();
    check!(matches!(got, Err(Errno(errno)) if errnos.contains(&errno)), "{what}: {got:?}; log: {log}");
    check!(log.contains(text), "{what}: the log does not say {text:?}: {log}");
    let quiet = load(&blob).map(drop);
    check!(quiet == got.map(drop), "{what}: without a log {quiet:?}");
    Ok(())
}

/// Each as near to a good one as can be.
const BAD: [Bad; 42] = [
    ("kind 0", &[NO_NAME, NO_KIND, 0], "Invalid kind:0"),
    ("a name behind the strings", &[NOWHERE, TYPEDEF, 1], "Invalid name_offset:99"),
    ("two words of a type", &[NO_NAME, POINTER], "meta_left:8 meta_needed:12"),
    ("a pointer to a missing type", &[NO_NAME, POINTER, MISSING], "Invalid type_id"),
    ("a pointer with a name", &[NAME, POINTER, 1], "Invalid name"),
    ("a pointer with a member", &[NO_NAME, POINTER | 1, 1], "vlen != 0"),
    ("a pointer with kind_flag", &[NO_NAME, POINTER | KIND_FLAG, 1], "Invalid btf_info kind_flag"),
    ("an int with kind_flag", &[NAME, INT | KIND_FLAG, 4, 32], "Invalid btf_info kind_flag"),
    ("an int without its last word", &[NAME, INT, 4], "meta_left:0 meta_needed:4"),
    ("an int of 129 bits", &[NAME, INT, 16, 129], "nr_bits exceeds"),
    ("an int that is shifted out", &[NAME, INT, 4, 8 << 16 | 32], "nr_bits exceeds type_size"),
    ("a typedef without a name", &[NO_NAME, TYPEDEF, 1], "Invalid name"),
    ("a typedef with an odd name", &[BAD_NAME, TYPEDEF, 1], "Invalid name"),
    ("a const of a missing type", &[NO_NAME, CONST, MISSING], "Invalid type_id"),
    ("an array with a name", &[NAME, ARRAY, 0, 1, 1, 1], "Invalid name"),
    ("an array with a size", &[NO_NAME, ARRAY, 4, 1, 1, 1], "size != 0"),
    ("an array with a member", &[NO_NAME, ARRAY | 1, 0, 1, 1, 1], "vlen != 0"),
    ("an array of void", &[NO_NAME, ARRAY, 0, VOID, 1, 1], "Invalid elem"),
    ("an array indexed by void", &[NO_NAME, ARRAY, 0, 1, VOID, 1], "Invalid index"),
    ("an array indexed by a pointer", &[NO_NAME, POINTER, 1, NO_NAME, ARRAY, 0, 1, 2, 1], "Invalid index"),
    ("an array of 4 GiB", &[NO_NAME, ARRAY, 0, 1, 1, 1 << 30], "Array size overflows U32_MAX"),
    ("a member behind the structure", &[NAME, STRUCTURE | 1, 4, NAME, 1, 32], "Member exceeds struct_size"),
    ("a member of void", &[NAME, STRUCTURE | 1, 4, NAME, VOID, 0], "Invalid type_id"),
    ("members in no order", &[NAME, STRUCTURE | 2, 8, NAME, 1, 32, NAME, 1, 0], "Invalid member bits_offset"),
    ("a union with an offset", &[NAME, UNION | 1, 8, NAME, 1, 32], "Invalid member bits_offset"),
    (
        "a structure without its second member",
        &[NAME, STRUCTURE | 2, 8, NAME, 1, 0],
        "meta_left:12 meta_needed:24",
    ),
    (
        "a member's name behind the strings",
        &[NAME, STRUCTURE | 1, 4, NOWHERE, 1, 0],
        "Invalid member name_offset:99",
    ),
    ("an enum of 3 bytes", &[NAME, ENUM | 1, 3, NAME, 1], "Unexpected size"),
    ("an enum whose value has no name", &[NAME, ENUM | 1, 4, NO_NAME, 1], "Invalid name"),
    ("an announcement without a name", &[NO_NAME, FORWARD, 0], "Invalid name"),
    ("an announcement with a type", &[NAME, FORWARD, 1], "type != 0"),
    ("a function of type int", &[NAME, FUNCTION, 1], "Invalid type_id"),
    ("a function without a name", &[NO_NAME, PROTOTYPE, VOID, NO_NAME, FUNCTION, 2], "Invalid name"),
    (
        "a function of unknown linkage",
        &[NO_NAME, PROTOTYPE, VOID, NAME, FUNCTION | 3, 2],
        "Invalid func linkage",
    ),
    ("a prototype with a name", &[NAME, PROTOTYPE, VOID], "Invalid name"),
    ("a prototype that returns a missing type", &[NO_NAME, PROTOTYPE, MISSING], "Invalid return type"),
    ("a prototype with a missing argument", &[NO_NAME, PROTOTYPE | 1, 1, NAME, MISSING], "Invalid arg#1"),
    ("a variable of void", &[NAME, VARIABLE, VOID, 0], "Invalid type_id"),
    ("a variable of unknown linkage", &[NAME, VARIABLE, 1, 7], "Linkage not supported"),
    ("a section of no bytes", &[NAME, VARIABLE, 1, 0, NAME, SECTION | 1, 0, 2, 0, 4], "size == 0"),
    ("a section with an int", &[NAME, SECTION | 1, 4, 1, 0, 4], "Not a VAR kind member"),
    (
        "a variable behind its section",
        &[NAME, VARIABLE, 1, 0, NAME, SECTION | 1, 4, 2, 1, 4],
        "Invalid offset+size",
    ),
];

pub fn every_kind_has_rules(_: &Context) -> CaseResult {
    BAD.into_iter().try_for_each(|bad| refused(bad, &[EINVAL]))
}

/// A type that contains itself has no size; one that points to itself is a list. The kernel has called this EEXIST
/// so far.
pub fn loops_are_found(_: &Context) -> CaseResult {
    let endless: [Bad; 4] = [
        ("a const of itself", &[NO_NAME, CONST, 2], "Loop detected"),
        ("a const volatile of itself", &[NO_NAME, CONST, 3, NO_NAME, VOLATILE, 2], "Loop detected"),
        ("a structure inside itself", &[NAME, STRUCTURE | 1, 8, NAME, 2, 0], "Loop detected"),
        ("an array of itself", &[NO_NAME, ARRAY, 0, 2, 1, 1], "Loop detected"),
    ];
    for bad in endless {
        refused(bad, &[libc::EEXIST, EINVAL, libc::ELOOP])?;
    }
    let list = with_integer(&[NAME, STRUCTURE | 1, 8, NAME, 3, 0, NO_NAME, POINTER, 2]);
    succeeds("a structure with a pointer to itself", load(&list)).map(drop)
}

/// Next to what is refused: one good type of each kind.
pub fn good_kinds_are_taken(_: &Context) -> CaseResult {
    let good: [(&str, &[u32]); 12] = [
        ("a pointer to void", &[NO_NAME, POINTER, VOID]),
        ("an array of no elements", &[NO_NAME, ARRAY, 0, 1, 1, 0]),
        ("a structure without members", &[NAME, STRUCTURE, 0]),
        ("a structure without a name", &[NO_NAME, STRUCTURE | 1, 4, NO_NAME, 1, 0]),
        ("a union of two members", &[NAME, UNION | 2, 4, NAME, 1, 0, NAME, 1, 0]),
        ("an enum of one byte", &[NAME, ENUM | 1, 1, NAME, 1]),
        ("an announcement of a structure", &[NAME, FORWARD, 0]),
        ("an announcement of a union", &[NAME, FORWARD | KIND_FLAG, 0]),
        (
            "a typedef of a const of a volatile int",
            &[NAME, TYPEDEF, 3, NO_NAME, CONST, 4, NO_NAME, VOLATILE, 1],
        ),
        ("a prototype with any arguments", &[NO_NAME, PROTOTYPE | 1, 1, NO_NAME, VOID]),
        ("a function", &[NO_NAME, PROTOTYPE | 1, 1, NAME, 1, NAME, FUNCTION, 2]),
        ("a section with a variable", &[NAME, VARIABLE, 1, 0, NAME, SECTION | 1, 4, 2, 0, 4]),
    ];
    for (what, types) in good {
        succeeds(&format!("BPF_BTF_LOAD of {what}"), exists("bpf", load(&with_integer(types)))?)?;
    }
    Ok(())
}
