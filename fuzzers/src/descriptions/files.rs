//! Reading, writing and asking about files, for what other interfaces open.

use crate::description::{Description, Kind, Type, number};

/// SEEK_SET, CUR, END, DATA, HOLE, and one too many.
const WHENCE: &[u64] = &[0, 1, 2, 3, 4, 5];
const OFFSETS: &[u64] = &[0, 1, 0xfff, 0x1000, 1 << 32, i64::MAX as u64, u64::MAX];

pub(super) const CALLS: &[Description] = &[
    Description {
        name: "read",
        number: number(libc::SYS_read),
        arguments: &[
            ("fd", Type::Resource(Kind::Descriptor)),
            ("buffer", Type::Output(4096)),
            ("length", Type::LengthOf(1)),
        ],
        ..Description::CALL
    },
    Description {
        name: "write",
        number: number(libc::SYS_write),
        arguments: &[
            ("fd", Type::Resource(Kind::Descriptor)),
            ("data", Type::Bytes(0, 64)),
            ("length", Type::LengthOf(1)),
        ],
        ..Description::CALL
    },
    Description {
        name: "pread64",
        number: number(libc::SYS_pread64),
        arguments: &[
            ("fd", Type::Resource(Kind::Descriptor)),
            ("buffer", Type::Output(512)),
            ("length", Type::LengthOf(1)),
            ("offset", Type::OneOf(OFFSETS)),
        ],
        weight: 4,
        ..Description::CALL
    },
    Description {
        name: "lseek",
        number: number(libc::SYS_lseek),
        arguments: &[
            ("fd", Type::Resource(Kind::Descriptor)),
            ("offset", Type::OneOf(OFFSETS)),
            ("whence", Type::OneOf(WHENCE)),
        ],
        weight: 4,
        ..Description::CALL
    },
    Description {
        name: "fstat",
        number: number(libc::SYS_fstat),
        arguments: &[("fd", Type::Resource(Kind::Descriptor)), ("status", Type::Output(144))],
        weight: 2,
        ..Description::CALL
    },
    Description {
        name: "copy_file_range",
        number: number(libc::SYS_copy_file_range),
        arguments: &[
            ("from", Type::Resource(Kind::Descriptor)),
            ("from_offset", Type::Bytes(8, 8)),
            ("to", Type::Resource(Kind::Descriptor)),
            ("to_offset", Type::Bytes(8, 8)),
            ("length", Type::Range(0, 0x1_0000)),
            ("flags", Type::Range(0, 1)),
        ],
        weight: 4,
        ..Description::CALL
    },
    Description {
        name: "sendfile",
        number: number(libc::SYS_sendfile),
        arguments: &[
            ("to", Type::Resource(Kind::Descriptor)),
            ("from", Type::Resource(Kind::Descriptor)),
            ("offset", Type::Bytes(8, 8)),
            ("count", Type::Range(0, 0x1_0000)),
        ],
        weight: 4,
        ..Description::CALL
    },
];
