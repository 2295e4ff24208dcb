//! `execveat(2)` of files that the program itself writes.

use gauntlet_protocol::program::Tier;

use crate::description::{Description, Kind, Type, number};

/// AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, AT_EXECVE_CHECK.
const FLAGS: &[u64] = &[0x1000, 0x100, 0x1_0000];

pub(super) const CALLS: &[Description] = &[
    Description {
        name: "write$executable",
        number: number(libc::SYS_write),
        arguments: &[
            ("fd", Type::Resource(Kind::Memfd)),
            ("data", Type::Executable),
            ("length", Type::LengthOf(1)),
        ],
        weight: 6,
        ..Description::CALL
    },
    Description {
        name: "fchmod",
        number: number(libc::SYS_fchmod),
        arguments: &[
            ("fd", Type::Resource(Kind::Descriptor)),
            ("mode", Type::OneOf(&[0o755, 0o111, 0, 0o6755])),
        ],
        weight: 3,
        ..Description::CALL
    },
    Description {
        name: "execveat$descriptor",
        number: number(libc::SYS_execveat),
        arguments: &[
            ("fd", Type::Resource(Kind::Memfd)),
            ("path", Type::Bytes(1, 1)),
            ("arguments", Type::Strings(4)),
            ("environment", Type::Strings(2)),
            ("flags", Type::Constant(0x1000)),
        ],
        tier: Tier::Task,
        weight: 8,
        ..Description::CALL
    },
    Description {
        name: "execveat",
        number: number(libc::SYS_execveat),
        arguments: &[
            ("directory", Type::Resource(Kind::Descriptor)),
            ("path", Type::Path),
            ("arguments", Type::Strings(4)),
            ("environment", Type::Strings(4)),
            ("flags", Type::Flags(FLAGS)),
        ],
        tier: Tier::Task,
        weight: 4,
        ..Description::CALL
    },
];
