//! Making, copying and closing descriptors.

use crate::description::{Description, Field, Kind, Type, number};

/// `struct epoll_event`, packed on x86-64.
const EVENT: &[Field] = &[
    ("events", 4, Type::Flags(&[1, 4, 8, 0x10, 1 << 28, 1 << 29, 1 << 30, 1 << 31])),
    ("data", 8, Type::Any),
];
const TIME: &[u64] = &[0, 1, 1_000, 999_999_999, 1_000_000_000, u64::MAX];
/// `struct itimerspec`.
const TIMER: &[Field] = &[
    ("interval_seconds", 8, Type::OneOf(TIME)),
    ("interval_nanoseconds", 8, Type::OneOf(TIME)),
    ("value_seconds", 8, Type::OneOf(TIME)),
    ("value_nanoseconds", 8, Type::OneOf(TIME)),
];

pub(super) const CALLS: &[Description] = &[
    Description {
        name: "close",
        number: number(libc::SYS_close),
        arguments: &[("fd", Type::Resource(Kind::Descriptor))],
        ..Description::CALL
    },
    Description {
        name: "dup",
        number: number(libc::SYS_dup),
        arguments: &[("fd", Type::Resource(Kind::Descriptor))],
        result: Some(Kind::Descriptor),
        weight: 4,
        ..Description::CALL
    },
    Description {
        name: "dup3",
        number: number(libc::SYS_dup3),
        // Above every descriptor the executor holds, below the limit on open files.
        arguments: &[
            ("old", Type::Resource(Kind::Descriptor)),
            ("new", Type::Range(300, 310)),
            ("flags", Type::Flags(&[0x8_0000])),
        ],
        result: Some(Kind::Descriptor),
        weight: 3,
        ..Description::CALL
    },
    Description {
        name: "fcntl$getfl",
        number: number(libc::SYS_fcntl),
        arguments: &[
            ("fd", Type::Resource(Kind::Descriptor)),
            ("command", Type::OneOf(&[1, 3, 9, 1032, 1024])),
        ],
        weight: 2,
        ..Description::CALL
    },
    Description {
        name: "fcntl$setfl",
        number: number(libc::SYS_fcntl),
        arguments: &[
            ("fd", Type::Resource(Kind::Descriptor)),
            ("command", Type::OneOf(&[2, 4])),
            ("flags", Type::Flags(&[1, 0x400, 0x800, 0x2000, 0x4000])),
        ],
        weight: 3,
        ..Description::CALL
    },
    Description {
        name: "eventfd2",
        number: number(libc::SYS_eventfd2),
        // Always EFD_NONBLOCK: a read that blocks costs the batch an interruption.
        arguments: &[("count", Type::Any), ("flags", Type::OneOf(&[0x800, 0x801, 0x8_0800]))],
        result: Some(Kind::Eventfd),
        weight: 4,
        ..Description::CALL
    },
    Description {
        name: "timerfd_create",
        number: number(libc::SYS_timerfd_create),
        arguments: &[("clock", Type::OneOf(&[0, 1, 7, 8, 9, 2])), ("flags", Type::OneOf(&[0x800, 0x8_0800]))],
        result: Some(Kind::Timerfd),
        weight: 4,
        ..Description::CALL
    },
    Description {
        name: "timerfd_settime",
        number: number(libc::SYS_timerfd_settime),
        arguments: &[
            ("fd", Type::Resource(Kind::Timerfd)),
            ("flags", Type::Flags(&[1, 2])),
            ("new", Type::Record(TIMER)),
            ("old", Type::Output(32)),
        ],
        weight: 4,
        ..Description::CALL
    },
    Description {
        name: "epoll_create1",
        number: number(libc::SYS_epoll_create1),
        arguments: &[("flags", Type::OneOf(&[0, 0x8_0000, 1]))],
        result: Some(Kind::Epoll),
        weight: 4,
        ..Description::CALL
    },
    Description {
        name: "epoll_ctl",
        number: number(libc::SYS_epoll_ctl),
        arguments: &[
            ("epoll", Type::Resource(Kind::Epoll)),
            ("operation", Type::Range(0, 4)),
            ("fd", Type::Resource(Kind::Descriptor)),
            ("event", Type::Record(EVENT)),
        ],
        weight: 8,
        ..Description::CALL
    },
    Description {
        name: "epoll_wait",
        number: number(libc::SYS_epoll_wait),
        arguments: &[
            ("epoll", Type::Resource(Kind::Epoll)),
            ("events", Type::Output(240)),
            ("count", Type::Range(0, 20)),
            ("milliseconds", Type::Constant(0)),
        ],
        weight: 4,
        ..Description::CALL
    },
];
