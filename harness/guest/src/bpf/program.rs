//! Programs through bpf(2): load, verifier log, test run.

use super::map::lift_memory_lock_limit;
use super::{Attributes, Command, Instruction};
use crate::sys::Errno;
use std::os::fd::{AsRawFd, OwnedFd};

/// `enum bpf_prog_type`, those the cases use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum ProgramKind {
    SocketFilter = 1,
    Kprobe = 2,
    Classifier = 3,
    Tracepoint = 5,
    Xdp = 6,
    CgroupPacket = 8,
    CgroupSocket = 9,
    CgroupDevice = 15,
    RawTracepoint = 17,
    CgroupAddress = 18,
    PortReuse = 21,
    CgroupSysctl = 23,
    CgroupSocketOption = 25,
    SocketLookup = 30,
}

/// A load to be done.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    pub kind: u32,
    pub code: &'a [Instruction],
    /// The number of instructions to claim; the real one when `None`.
    pub count: Option<u32>,
    pub gpl: bool,
    pub flags: u32,
    pub name: &'a [u8],
    /// `enum bpf_attach_type` that the program is for, where its kind has several.
    pub attach: u32,
    /// Types, and where the functions of the program start: instruction, and identifier of the function's type.
    pub functions: Option<(&'a OwnedFd, &'a [[u32; 2]])>,
}

impl<'a> Load<'a> {
    pub fn new(kind: ProgramKind, code: &'a [Instruction]) -> Load<'a> {
        Load {
            kind: kind as u32,
            code,
            count: None,
            gpl: true,
            flags: 0,
            name: b"",
            attach: 0,
            functions: None,
        }
    }
}

/// A refused program and what the verifier wrote about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub errno: Errno,
    pub log: String,
}

/// Loads without a log first, and again with one only if that was refused: a log buffer of the wrong size is a
/// reason of its own for a refusal.
///
/// # Errors
/// The first refusal's error with the second one's log.
pub fn load(request: &Load<'_>) -> Result<OwnedFd, Rejection> {
    lift_memory_lock_limit();
    let license: &[u8] = if request.gpl { b"GPL\0" } else { b"Proprietary\0" };
    let count = request.count.unwrap_or(u32::try_from(request.code.len()).expect("programs are small"));
    let mut attributes = Attributes::default()
        .u32(0, request.kind)
        .u32(4, count)
        .input(8, request.code)
        .input(16, license)
        .u32(44, request.flags)
        .name(48, request.name)
        .u32(68, request.attach);
    if let Some((types, functions)) = request.functions {
        attributes = attributes.fd(72, types).u32(76, 8).input(80, functions).u32(88, functions.len() as u32);
    }
    attributes.clone().open(Command::ProgramLoad).map_err(|errno| {
        let mut log = vec![0u8; 1 << 16];
        // A program accepted only the second time still was refused once; the log then says nothing.
        let _ = attributes.u32(24, 1).u32(28, 1 << 16).output(32, &mut log).open(Command::ProgramLoad);
        let length = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
        Rejection { errno, log: String::from_utf8_lossy(&log[..length]).into_owned() }
    })
}

/// What BPF_PROG_TEST_RUN answered.
#[derive(Debug)]
pub struct TestRun {
    pub result: Result<i64, Errno>,
    /// What the program returned.
    pub value: u32,
    /// The packet after the run, as much as fitted.
    pub output: Vec<u8>,
    /// Length of the packet after the run, as the kernel wrote it back.
    pub output_size: u32,
}

/// Runs a program once on a packet, with room for `room` bytes of result.
pub fn test_run(program: &impl AsRawFd, packet: &[u8], room: usize) -> TestRun {
    let mut output = vec![0xa5; room];
    let mut attributes = Attributes::default()
        .fd(0, program)
        .u32(8, u32::try_from(packet.len()).expect("packets are small"))
        .u32(12, u32::try_from(room).expect("packets are small"))
        .input(16, packet)
        .u32(32, 1);
    if room > 0 {
        attributes = attributes.output(24, &mut output);
    }
    let result = attributes.call(Command::TestRun);
    TestRun { result, value: attributes.get_u32(4), output, output_size: attributes.get_u32(12) }
}
