//! `memfd_create(2)`, its seals (`fcntl(2)`, F_ADD_SEALS) and what they forbid.

use crate::description::{Description, Kind, Type, number};

/// MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_HUGETLB, MFD_NOEXEC_SEAL, MFD_EXEC, a huge page size.
const CREATE: &[u64] = &[1, 2, 4, 8, 0x10, 21 << 26];
/// F_SEAL_SEAL, SHRINK, GROW, WRITE, FUTURE_WRITE, EXEC.
const SEALS: &[u64] = &[1, 2, 4, 8, 0x10, 0x20];
/// PROT_READ, PROT_WRITE, PROT_EXEC.
const PROTECTION: &[u64] = &[1, 2, 4];
/// MAP_SHARED, MAP_PRIVATE or MAP_SHARED_VALIDATE, always with MAP_FIXED: programs map over their window only.
const MAPPING: &[u64] = &[0x11, 0x12, 0x13, 0x8011, 0x4011];
/// MADV_DONTNEED, REMOVE, HUGEPAGE, WILLNEED, FREE, COLD, PAGEOUT, POPULATE_READ, POPULATE_WRITE.
const ADVICE: &[u64] = &[4, 9, 14, 3, 8, 20, 21, 22, 23];
/// FALLOC_FL_KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE, INSERT_RANGE, UNSHARE_RANGE.
const FALLOCATE: &[u64] = &[1, 2, 8, 0x10, 0x20, 0x40];
const SIZES: &[u64] = &[0, 1, 0xfff, 0x1000, 0x1001, 0x10000, 0x20_0000, 1 << 40, i64::MAX as u64, u64::MAX];
const PAGES: &[u64] = &[0, 1, 0x1000, 0x2000, 0x10000];

pub(super) const CALLS: &[Description] = &[
    Description {
        name: "memfd_create",
        number: number(libc::SYS_memfd_create),
        arguments: &[("name", Type::Path), ("flags", Type::Flags(CREATE))],
        result: Some(Kind::Memfd),
        ..Description::CALL
    },
    Description {
        name: "memfd_create$sealable",
        number: number(libc::SYS_memfd_create),
        arguments: &[("name", Type::Path), ("flags", Type::Constant(2))],
        result: Some(Kind::Memfd),
        ..Description::CALL
    },
    Description {
        name: "fcntl$add_seals",
        number: number(libc::SYS_fcntl),
        arguments: &[
            ("fd", Type::Resource(Kind::Memfd)),
            ("command", Type::Constant(libc::F_ADD_SEALS as u64)),
            ("seals", Type::Flags(SEALS)),
        ],
        ..Description::CALL
    },
    Description {
        name: "fcntl$get_seals",
        number: number(libc::SYS_fcntl),
        arguments: &[
            ("fd", Type::Resource(Kind::Descriptor)),
            ("command", Type::Constant(libc::F_GET_SEALS as u64)),
        ],
        weight: 3,
        ..Description::CALL
    },
    Description {
        name: "ftruncate",
        number: number(libc::SYS_ftruncate),
        arguments: &[("fd", Type::Resource(Kind::Descriptor)), ("length", Type::OneOf(SIZES))],
        ..Description::CALL
    },
    Description {
        name: "fallocate",
        number: number(libc::SYS_fallocate),
        arguments: &[
            ("fd", Type::Resource(Kind::Descriptor)),
            ("mode", Type::Flags(FALLOCATE)),
            ("offset", Type::OneOf(PAGES)),
            // Small on purpose: memory files are real memory of a small machine.
            ("length", Type::Range(0, 0x4_0000)),
        ],
        ..Description::CALL
    },
    Description {
        name: "write$memfd",
        number: number(libc::SYS_write),
        arguments: &[
            ("fd", Type::Resource(Kind::Memfd)),
            ("data", Type::Bytes(0, 256)),
            ("length", Type::LengthOf(1)),
        ],
        ..Description::CALL
    },
    Description {
        name: "mmap$memfd",
        number: number(libc::SYS_mmap),
        arguments: &[
            ("address", Type::Window),
            ("length", Type::OneOf(&[0x1000, 0x2000, 0x1_0000, 0])),
            ("protection", Type::Flags(PROTECTION)),
            ("flags", Type::OneOf(MAPPING)),
            ("fd", Type::Resource(Kind::Memfd)),
            ("offset", Type::OneOf(PAGES)),
        ],
        ..Description::CALL
    },
    Description {
        name: "mprotect",
        number: number(libc::SYS_mprotect),
        arguments: &[
            ("address", Type::Window),
            ("length", Type::OneOf(&[0x1000, 0x2000, 0x1_0000, 0])),
            ("protection", Type::Flags(PROTECTION)),
        ],
        weight: 4,
        ..Description::CALL
    },
    Description {
        name: "madvise",
        number: number(libc::SYS_madvise),
        arguments: &[
            ("address", Type::Window),
            ("length", Type::OneOf(&[0x1000, 0x2000, 0x1_0000, 0])),
            ("advice", Type::OneOf(ADVICE)),
        ],
        weight: 6,
        ..Description::CALL
    },
    Description {
        name: "mremap",
        number: number(libc::SYS_mremap),
        arguments: &[
            ("old", Type::Window),
            ("old_length", Type::OneOf(&[0, 0x1000, 0x2000])),
            ("new_length", Type::OneOf(&[0x1000, 0x2000, 0x4000])),
            // MREMAP_MAYMOVE | MREMAP_FIXED, with and without MREMAP_DONTUNMAP: never to a place of the kernel's choice.
            ("flags", Type::OneOf(&[3, 7, 0])),
            ("new", Type::Window),
        ],
        weight: 4,
        ..Description::CALL
    },
    Description {
        name: "msync",
        number: number(libc::SYS_msync),
        arguments: &[
            ("address", Type::Window),
            ("length", Type::OneOf(&[0, 0x1000, 0x2000])),
            ("flags", Type::Flags(&[1, 2, 4])),
        ],
        weight: 2,
        ..Description::CALL
    },
];
