//! `getrandom(2)`.

use crate::description::{Description, Type, number};

/// GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE.
const FLAGS: &[u64] = &[1, 2, 4];

pub(super) const CALLS: &[Description] = &[
    Description {
        name: "getrandom",
        number: number(libc::SYS_getrandom),
        arguments: &[
            ("buffer", Type::Output(4096)),
            ("length", Type::LengthOf(0)),
            ("flags", Type::Flags(FLAGS)),
        ],
        ..Description::CALL
    },
    Description {
        name: "getrandom$size",
        number: number(libc::SYS_getrandom),
        arguments: &[
            ("buffer", Type::Window),
            ("length", Type::Range(0, 1 << 17)),
            ("flags", Type::Flags(FLAGS)),
        ],
        weight: 3,
        ..Description::CALL
    },
];
