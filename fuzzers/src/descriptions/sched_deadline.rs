//! `sched_setattr(2)` with SCHED_DEADLINE and the policies beside it.

use gauntlet_protocol::program::Tier;

use crate::description::{Description, Field, Type, number};

/// Nanoseconds: below the kernel's least (1024), ordinary, above its most (2^63).
const TIMES: &[u64] = &[1_000_000, 10_000_000, 1_024, 1_023, 0, 100_000, 1 << 22, 1 << 63, u64::MAX];
/// SCHED_FLAG_RESET_ON_FORK, RECLAIM, DL_OVERRUN, KEEP_POLICY, KEEP_PARAMS, UTIL_CLAMP_MIN, UTIL_CLAMP_MAX.
const FLAGS: &[u64] = &[1, 2, 4, 8, 0x10, 0x20, 0x40];
/// `struct sched_attr`.
const ATTRIBUTES: &[Field] = &[
    ("size", 4, Type::OneOf(&[48, 56, 0, 47, 64])),
    // NORMAL, FIFO, RR, BATCH, IDLE, DEADLINE.
    ("policy", 4, Type::OneOf(&[6, 6, 0, 1, 2, 3, 5, 7])),
    ("flags", 8, Type::Flags(FLAGS)),
    ("nice", 4, Type::OneOf(&[0, 19, 0xffff_ffec, 0xffff_ffeb])),
    ("priority", 4, Type::OneOf(&[0, 1, 99, 100])),
    ("runtime", 8, Type::OneOf(TIMES)),
    ("deadline", 8, Type::OneOf(TIMES)),
    ("period", 8, Type::OneOf(TIMES)),
    ("clamp_low", 4, Type::OneOf(&[0, 1024, 1025, 0xffff_ffff])),
    ("clamp_high", 4, Type::OneOf(&[0, 1024, 1025, 0xffff_ffff])),
];
/// A reservation that admission control takes.
const RESERVATION: &[Field] = &[
    ("size", 4, Type::Constant(48)),
    ("policy", 4, Type::Constant(6)),
    ("flags", 8, Type::Flags(&[1, 2, 4])),
    ("nice", 4, Type::Constant(0)),
    ("priority", 4, Type::Constant(0)),
    ("runtime", 8, Type::OneOf(&[1_000_000, 2_000_000, 500_000])),
    ("deadline", 8, Type::OneOf(&[5_000_000, 10_000_000])),
    ("period", 8, Type::OneOf(&[10_000_000, 0, 20_000_000])),
];

const DESCRIPTION: Description = Description { tier: Tier::Task, ..Description::CALL };

pub(super) const CALLS: &[Description] = &[
    Description {
        name: "sched_setattr",
        number: number(libc::SYS_sched_setattr),
        arguments: &[
            ("pid", Type::Constant(0)),
            ("attributes", Type::Record(ATTRIBUTES)),
            ("flags", Type::Range(0, 1)),
        ],
        weight: 8,
        ..DESCRIPTION
    },
    Description {
        name: "sched_setattr$deadline",
        number: number(libc::SYS_sched_setattr),
        arguments: &[
            ("pid", Type::Constant(0)),
            ("attributes", Type::Record(RESERVATION)),
            ("flags", Type::Constant(0)),
        ],
        weight: 6,
        ..DESCRIPTION
    },
    Description {
        name: "sched_getattr",
        number: number(libc::SYS_sched_getattr),
        arguments: &[
            ("pid", Type::Constant(0)),
            ("attributes", Type::Output(64)),
            ("size", Type::OneOf(&[48, 56, 0, 4096])),
            ("flags", Type::Range(0, 1)),
        ],
        weight: 3,
        ..DESCRIPTION
    },
    Description {
        name: "sched_setaffinity",
        number: number(libc::SYS_sched_setaffinity),
        arguments: &[("pid", Type::Constant(0)), ("size", Type::LengthOf(2)), ("mask", Type::Bytes(1, 16))],
        weight: 2,
        ..DESCRIPTION
    },
    Description { name: "sched_yield", number: number(libc::SYS_sched_yield), weight: 3, ..DESCRIPTION },
];
