//! `kexec_file_load(2)`: loading images, good and broken, without rebooting into them.

use crate::description::{Description, Kind, Type, number};

/// KEXEC_FILE_UNLOAD, ON_CRASH, NO_INITRAMFS, DEBUG.
const FLAGS: &[u64] = &[1, 2, 4, 8];

pub(super) const CALLS: &[Description] = &[
    Description {
        name: "write$kernel",
        number: number(libc::SYS_write),
        arguments: &[
            ("fd", Type::Resource(Kind::Memfd)),
            ("data", Type::KernelImage),
            ("length", Type::LengthOf(1)),
        ],
        weight: 5,
        ..Description::CALL
    },
    Description {
        name: "kexec_file_load",
        number: number(libc::SYS_kexec_file_load),
        arguments: &[
            ("kernel", Type::Resource(Kind::Descriptor)),
            ("initrd", Type::Resource(Kind::Descriptor)),
            ("length", Type::LengthOf(3)),
            ("command_line", Type::Bytes(1, 64)),
            ("flags", Type::Flags(FLAGS)),
        ],
        weight: 5,
        ..Description::CALL
    },
    Description {
        name: "kexec_file_load$image",
        number: number(libc::SYS_kexec_file_load),
        arguments: &[
            ("kernel", Type::Resource(Kind::Memfd)),
            ("initrd", Type::Constant(u64::MAX)),
            ("length", Type::LengthOf(3)),
            ("command_line", Type::Bytes(1, 64)),
            ("flags", Type::OneOf(&[4, 4, 6, 12])),
        ],
        weight: 5,
        ..Description::CALL
    },
];
