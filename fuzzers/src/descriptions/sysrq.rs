//! A crash on request: how the way from a panic to a C program is proved.
//! Source: Linux Documentation/admin-guide/sysrq.rst.

use gauntlet_protocol::program::PSEUDO_SYSRQ;

use crate::description::{Description, Type};

pub(super) const CALLS: &[Description] = &[Description {
    name: "sysrq$panic",
    number: PSEUDO_SYSRQ,
    arguments: &[("letter", Type::Constant(b'c' as u64))],
    weight: 2,
    dangerous: true,
    ..Description::CALL
}];
