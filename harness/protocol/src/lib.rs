//! What the host and the agent in the virtual machine say to each other.
//!
//! Both sides map one *shared region* (a memory backend of its own behind main RAM). The host writes one
//! [`Request`] into it before the guest runs; the agent answers with one [`Response`]. Kernels that forbid
//! `/dev/mem` carry the same messages in frames over the second serial port ([`frame`]).
//!
//! Architecture invariant: this crate depends on no other crate of ours, and nothing in it trusts bytes
//! that come from the guest: every offset and length is checked, and decoding never panics.

pub mod coverage;
pub mod flight;
pub mod frame;
pub mod hostfs;
pub mod mark;
pub mod message;
pub mod program;
pub mod region;
pub mod sparse;
pub mod stream;

pub use flight::{FlightRecord, Phase};
pub use message::{
    Attachment, CaseReport, CaseRequest, ChildExit, DiskRequest, ExecReport, ExecRequest, FuzzRequest, Hello,
    Outcome, Request, Response, WorkloadReport, WorkloadRequest,
};
pub use region::{AgentState, Layout};

/// Raised whenever the meaning of a message or the region's layout changes. Checked in the handshake, so that
/// a template made by another version is refused instead of misread.
pub const PROTOCOL_VERSION: u32 = 3;

/// One byte on the second serial port: "look at the region". Its value carries no meaning of its own.
pub const DOORBELL: u8 = b'!';

/// I/O port of QEMU's ISA pvpanic device. The agent writes [`PARK`] to it to stop the machine at a point
/// defined by the guest alone, which makes templates of exact mode identical from boot to boot.
/// Source: QEMU docs/specs/pvpanic.rst.
pub const PARK_PORT: u16 = 0x505;

/// The value that parks: `PVPANIC_PANICKED`, which QEMU answers with `GUEST_PANICKED` and a pause.
pub const PARK: u8 = 1;
