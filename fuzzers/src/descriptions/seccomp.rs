//! `seccomp(2)`: filters and their listeners.

use gauntlet_protocol::program::Tier;

use crate::description::{Description, Field, Kind, Type, number};

/// `struct sock_fprog` with the compiler's padding.
const PROGRAM: &[Field] = &[
    ("length", 2, Type::CountOf(3)),
    ("padding", 2, Type::Constant(0)),
    ("more_padding", 4, Type::Constant(0)),
    ("filter", 8, Type::Filter),
];
/// SECCOMP_FILTER_FLAG_TSYNC, LOG, SPEC_ALLOW, TSYNC_ESRCH, WAIT_KILLABLE_RECV.
const FLAGS: &[u64] = &[1, 2, 4, 0x10, 0x20];

const DESCRIPTION: Description =
    Description { number: number(libc::SYS_seccomp), tier: Tier::Task, ..Description::CALL };

pub(super) const CALLS: &[Description] = &[
    Description {
        name: "seccomp$filter",
        arguments: &[
            ("operation", Type::Constant(1)),
            ("flags", Type::Flags(FLAGS)),
            ("program", Type::Record(PROGRAM)),
        ],
        weight: 20,
        ..DESCRIPTION
    },
    Description {
        name: "seccomp$listener",
        arguments: &[
            ("operation", Type::Constant(1)),
            ("flags", Type::OneOf(&[8, 0x18, 0x28])),
            ("program", Type::Record(PROGRAM)),
        ],
        result: Some(Kind::SeccompListener),
        weight: 5,
        ..DESCRIPTION
    },
    Description {
        name: "seccomp$strict",
        arguments: &[
            ("operation", Type::Constant(0)),
            ("flags", Type::Constant(0)),
            ("nothing", Type::Constant(0)),
        ],
        weight: 1,
        ..DESCRIPTION
    },
    Description {
        name: "seccomp$action",
        arguments: &[
            ("operation", Type::Constant(2)),
            ("flags", Type::Constant(0)),
            ("action", Type::Bytes(4, 4)),
        ],
        weight: 3,
        ..DESCRIPTION
    },
    Description {
        name: "seccomp$sizes",
        arguments: &[
            ("operation", Type::Constant(3)),
            ("flags", Type::Constant(0)),
            ("sizes", Type::Output(8)),
        ],
        weight: 2,
        ..DESCRIPTION
    },
    Description {
        name: "ioctl$listener",
        number: number(libc::SYS_ioctl),
        // SECCOMP_IOCTL_NOTIF_SEND, ID_VALID, ADDFD. RECV would wait for a notification that never comes.
        arguments: &[
            ("fd", Type::Resource(Kind::SeccompListener)),
            ("request", Type::OneOf(&[0xc018_2101, 0x4008_2102, 0x4018_2103])),
            ("argument", Type::Bytes(24, 24)),
        ],
        weight: 4,
        ..DESCRIPTION
    },
    Description {
        name: "prctl$no_new_privs",
        number: number(libc::SYS_prctl),
        arguments: &[
            ("option", Type::Constant(38)),
            ("value", Type::Constant(1)),
            ("unused", Type::Constant(0)),
            ("unused", Type::Constant(0)),
            ("unused", Type::Constant(0)),
        ],
        weight: 3,
        ..DESCRIPTION
    },
];
