//! `renameat2(2)` and what makes, links and removes the names it works on, in the program's own directory.

use gauntlet_protocol::program::Tier;

use crate::description::{Description, Kind, Type, number};

const HERE: u64 = libc::AT_FDCWD as u64;
/// RENAME_NOREPLACE, EXCHANGE, WHITEOUT.
const FLAGS: &[u64] = &[1, 2, 4];
/// O_RDWR|O_CREAT, with O_EXCL, O_TRUNC, O_APPEND, O_TMPFILE, O_DIRECTORY, O_PATH, O_NOFOLLOW.
const OPEN: &[u64] = &[0x42, 0xc2, 0x242, 0x442, 0x41_0002, 0x1_0000, 0x20_0000, 0x2_0042, 0];
const MODES: &[u64] = &[0o600, 0o755, 0o444, 0o2770, 0];

const DESCRIPTION: Description = Description { tier: Tier::Task, ..Description::CALL };

pub(super) const CALLS: &[Description] = &[
    Description {
        name: "openat",
        number: number(libc::SYS_openat),
        arguments: &[
            ("directory", Type::Constant(HERE)),
            ("path", Type::Path),
            ("flags", Type::OneOf(OPEN)),
            ("mode", Type::OneOf(MODES)),
        ],
        result: Some(Kind::File),
        weight: 12,
        ..DESCRIPTION
    },
    Description {
        name: "openat$directory",
        number: number(libc::SYS_openat),
        arguments: &[
            ("directory", Type::Constant(HERE)),
            ("path", Type::Path),
            ("flags", Type::Constant(0x1_0000)),
        ],
        result: Some(Kind::Directory),
        weight: 4,
        ..DESCRIPTION
    },
    Description {
        name: "mkdirat",
        number: number(libc::SYS_mkdirat),
        arguments: &[("directory", Type::Constant(HERE)), ("path", Type::Path), ("mode", Type::OneOf(MODES))],
        ..DESCRIPTION
    },
    Description {
        name: "symlinkat",
        number: number(libc::SYS_symlinkat),
        arguments: &[("target", Type::Path), ("directory", Type::Constant(HERE)), ("path", Type::Path)],
        weight: 6,
        ..DESCRIPTION
    },
    Description {
        name: "linkat",
        number: number(libc::SYS_linkat),
        arguments: &[
            ("old_directory", Type::Constant(HERE)),
            ("old", Type::Path),
            ("new_directory", Type::Constant(HERE)),
            ("new", Type::Path),
            ("flags", Type::Flags(&[0x400, 0x1000])),
        ],
        weight: 6,
        ..DESCRIPTION
    },
    Description {
        name: "unlinkat",
        number: number(libc::SYS_unlinkat),
        arguments: &[
            ("directory", Type::Constant(HERE)),
            ("path", Type::Path),
            ("flags", Type::Flags(&[0x200])),
        ],
        weight: 6,
        ..DESCRIPTION
    },
    Description {
        name: "renameat2",
        number: number(libc::SYS_renameat2),
        arguments: &[
            ("old_directory", Type::Constant(HERE)),
            ("old", Type::Path),
            ("new_directory", Type::Constant(HERE)),
            ("new", Type::Path),
            ("flags", Type::Flags(FLAGS)),
        ],
        weight: 20,
        ..DESCRIPTION
    },
    Description {
        name: "renameat2$at",
        number: number(libc::SYS_renameat2),
        arguments: &[
            ("old_directory", Type::Resource(Kind::Directory)),
            ("old", Type::Path),
            ("new_directory", Type::Resource(Kind::Directory)),
            ("new", Type::Path),
            ("flags", Type::Flags(FLAGS)),
        ],
        weight: 10,
        ..DESCRIPTION
    },
];
