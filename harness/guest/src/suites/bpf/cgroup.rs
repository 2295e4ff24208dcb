//! Programs attached to a cgroup decide for its members: sockets, addresses, packets, devices, sysctls, options.

use super::support::{accepted_load, as_member, in_group, rejected_load, returning};
use crate::bpf::{Attributes, Command, Condition, Instruction, Load, ProgramKind, Register::*, Width};
use crate::case::{fails_with, setup, succeeds};
use crate::socket::{INET, loopback};
use crate::sys::{Errno, check as result_of, owned};
use crate::{CaseResult, Context, Stop, check_eq, code, syscall};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

// enum bpf_attach_type
pub const INGRESS: u32 = 0;
pub const EGRESS: u32 = 1;
pub const SOCKET_CREATE: u32 = 2;
const DEVICE: u32 = 6;
const CONNECT4: u32 = 10;
const SYSCTL: u32 = 18;
const SET_SOCKET_OPTION: u32 = 22;

pub fn program(kind: ProgramKind, attach: u32, code: &[Instruction]) -> Result<OwnedFd, Stop> {
    let what = format!("a program for attach type {attach}");
    accepted_load(&what, &Load { attach, ..Load::new(kind, code) })
}

pub fn open(group: &Path) -> Result<OwnedFd, Stop> {
    let file = File::open(group).map(OwnedFd::from);
    file.map_err(|error| Stop::Broken(format!("{}: {error}", group.display())))
}

/// BPF_PROG_ATTACH.
pub fn attach(group: &OwnedFd, program: &OwnedFd, kind: u32, flags: u32) -> Result<i64, Errno> {
    Attributes::default().fd(0, group).fd(4, program).u32(8, kind).u32(12, flags).call(Command::ProgramAttach)
}

/// `r0 = 0` if the comparison of a word of the context holds, else 1.
fn refuse_if(offset: i16, value: i32) -> Vec<Instruction> {
    code![
        Instruction::load(Width::Word, R2, R1, offset),
        Instruction::mov(R0, 0),
        Instruction::jump(Condition::Eq, R2, value, 1),
        Instruction::mov(R0, 1),
        Instruction::exit(),
    ]
}

pub fn socket(family: i32, kind: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes no pointers.
    unsafe { syscall!(libc::SYS_socket, family, kind | libc::SOCK_CLOEXEC, 0) }.map(owned)
}

/// Attaches one program to a new cgroup and runs the body as a member; then once more with the program detached.
fn with_program(
    context: &Context,
    (kind, attach_type): (ProgramKind, u32),
    code: &[Instruction],
    body: impl Fn(bool) -> CaseResult,
) -> CaseResult {
    in_group(context, |path| {
        let group = open(path)?;
        let program = program(kind, attach_type, code)?;
        succeeds("BPF_PROG_ATTACH", attach(&group, &program, attach_type, 0))?;
        as_member(path, || body(true))?;
        // Not a member: the program says nothing about it.
        crate::child::isolated(|| body(false))?;
        let mut detach = Attributes::default().fd(0, &group).fd(4, &program).u32(8, attach_type);
        succeeds("BPF_PROG_DETACH", detach.call(Command::ProgramDetach))?;
        as_member(path, || body(false))
    })
}

fn expect<T>(what: &str, refused: bool, result: Result<T, Errno>) -> CaseResult {
    match refused {
        true => fails_with(&format!("{what}, which the cgroup's program refuses"), result, libc::EPERM),
        false => succeeds(&format!("{what}, about which no program has a say"), result).map(drop),
    }
}

/// `struct bpf_sock`: family at 4, type at 8.
pub fn socket_program_decides_about_new_sockets(context: &Context) -> CaseResult {
    let code = refuse_if(8, libc::SOCK_DGRAM);
    with_program(context, (ProgramKind::CgroupSocket, SOCKET_CREATE), &code, |active| {
        expect("an IPv4 datagram socket", active, socket(libc::AF_INET, libc::SOCK_DGRAM))?;
        expect("an IPv4 stream socket", false, socket(libc::AF_INET, libc::SOCK_STREAM))?;
        expect("a local datagram socket", false, socket(libc::AF_UNIX, libc::SOCK_DGRAM))
    })
}

/// Connects a datagram socket to a local port; the port it is then connected to.
fn connected_port(port: u16) -> Result<u16, Errno> {
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM)?;
    let (wanted, mut got, mut length) = (loopback(port), loopback(0), INET as u32);
    // SAFETY: addresses and length are ours.
    unsafe {
        syscall!(libc::SYS_connect, socket.as_raw_fd(), &raw const wanted, INET)?;
        syscall!(libc::SYS_getpeername, socket.as_raw_fd(), &raw mut got, &raw mut length)?;
    }
    Ok(u16::from_be(got.sin_port))
}

/// `struct bpf_sock_addr`: the port at 24, as in the packet. Port 1000 is refused, port 2000 becomes 3000.
pub fn address_program_refuses_and_redirects(context: &Context) -> CaseResult {
    let port = |number: u16| i32::from(number.to_be());
    let code = code![
        Instruction::load(Width::Word, R2, R1, 24),
        Instruction::mov(R0, 0),
        Instruction::jump(Condition::Eq, R2, port(1000), 4),
        Instruction::mov(R0, 1),
        Instruction::jump(Condition::Ne, R2, port(2000), 2),
        Instruction::mov(R3, port(3000)),
        Instruction::store(Width::Word, R1, 24, R3),
        Instruction::exit(),
    ];
    with_program(context, (ProgramKind::CgroupAddress, CONNECT4), &code, |active| {
        in_network(|| {
            expect("connection to port 1000", active, connected_port(1000))?;
            let redirected = if active { 3000 } else { 2000 };
            check_eq!(connected_port(2000), Ok(redirected), "port after connection to 2000");
            check_eq!(connected_port(4000), Ok(4000), "port after connection to 4000");
            Ok(())
        })
    })
}

/// A network of one's own whose loopback is up.
fn in_network(body: impl FnOnce() -> CaseResult) -> CaseResult {
    crate::child::isolated(|| {
        // SAFETY: takes no pointers.
        match unsafe { syscall!(libc::SYS_unshare, libc::CLONE_NEWNET) } {
            Err(Errno(libc::EINVAL)) => crate::skip!("missing symbol: NET_NS"),
            other => setup("unshare(CLONE_NEWNET)", other)?,
        };
        let control = setup("socket", socket(libc::AF_INET, libc::SOCK_DGRAM))?;
        // SAFETY: an all-zero request is valid.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name[..2].copy_from_slice(&[b'l' as libc::c_char, b'o' as libc::c_char]);
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
        // SAFETY: the request is ours.
        let up =
            unsafe { syscall!(libc::SYS_ioctl, control.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
        setup("SIOCSIFFLAGS of lo", up)?;
        body()
    })
}

/// Sends a datagram to oneself over IPv4: what send gave, and whether it arrived.
fn to_oneself() -> Result<(Result<i64, Errno>, bool), Stop> {
    let socket = setup("socket", socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK))?;
    let (fd, mut own, mut length) = (socket.as_raw_fd(), loopback(0), INET as u32);
    let mut byte = [0u8];
    // SAFETY: addresses and buffers are ours and as long as said.
    unsafe {
        setup("bind", syscall!(libc::SYS_bind, fd, &raw const own, INET))?;
        setup("getsockname", syscall!(libc::SYS_getsockname, fd, &raw mut own, &raw mut length))?;
        let sent = syscall!(libc::SYS_sendto, fd, b"x".as_ptr(), 1, 0, &raw const own, INET);
        let received = syscall!(libc::SYS_recvfrom, fd, byte.as_mut_ptr(), 1, 0, 0, 0);
        Ok((sent, received == Ok(1)))
    }
}

pub fn packet_program_drops_packets(context: &Context) -> CaseResult {
    for (direction, sent) in [(EGRESS, Err(Errno(libc::EPERM))), (INGRESS, Ok(1))] {
        with_program(context, (ProgramKind::CgroupPacket, direction), &returning(0), |active| {
            in_network(|| {
                let expected = if active { (sent, false) } else { (Ok(1), true) };
                check_eq!(
                    to_oneself()?,
                    expected,
                    "send, and arrival, with a program for attach type {direction}"
                );
                Ok(())
            })
        })?;
        with_program(context, (ProgramKind::CgroupPacket, direction), &returning(1), |_| {
            in_network(|| {
                check_eq!(to_oneself()?, (Ok(1), true), "send, and arrival, with a program that lets pass");
                Ok(())
            })
        })?;
    }
    // 2 and 3 are congestion notification on the way out, and nothing on the way in.
    let wrong = returning(2);
    let request = Load { attach: INGRESS, ..Load::new(ProgramKind::CgroupPacket, &wrong) };
    rejected_load(
        "an ingress program that returns 2",
        &request,
        libc::EINVAL,
        &["At program exit the register R0"],
    )
}

/// `struct bpf_cgroup_dev_ctx`: major number at 4, minor at 8.
pub fn device_program_decides_about_devices(context: &Context) -> CaseResult {
    let make = |name: &str, minor: u32| {
        let path = context.scratch.join(name);
        let text = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).expect("no NUL");
        let number = libc::makedev(1, minor);
        // SAFETY: the path lives through the call.
        let made = unsafe { libc::mknod(text.as_ptr(), libc::S_IFCHR | 0o666, number) };
        setup("mknod", result_of(made.into())).map(|_| path)
    };
    crate::child::needs_root()?;
    let (null, zero) = (make("null", 3)?, make("zero", 5)?);
    let open = |path: &Path| File::open(path).map_err(|error| Errno(error.raw_os_error().unwrap_or(0)));
    if let Err(errno) = open(&null) {
        crate::skip!("the scratch directory has no devices: {errno}");
    }
    with_program(context, (ProgramKind::CgroupDevice, DEVICE), &refuse_if(8, 3), |active| {
        expect("open of the null device", active, open(&null))?;
        expect("open of the zero device", false, open(&zero))
    })
}

/// `struct bpf_sysctl`: 1 at 0 for a write.
pub fn sysctl_program_decides_about_writes(context: &Context) -> CaseResult {
    const KNOB: &str = "/proc/sys/kernel/core_pattern";
    let errno = |error: std::io::Error| Errno(error.raw_os_error().unwrap_or(0));
    let Ok(value) = std::fs::read(KNOB) else { crate::skip!("no {KNOB}: CONFIG_SYSCTL is not set") };
    with_program(context, (ProgramKind::CgroupSysctl, SYSCTL), &refuse_if(0, 1), |active| {
        expect(&format!("read of {KNOB}"), false, std::fs::read(KNOB).map_err(errno))?;
        expect(&format!("write of {KNOB}"), active, std::fs::write(KNOB, &value).map_err(errno))
    })
}

/// `struct bpf_sockopt`: the option's name at 28.
pub fn option_program_decides_about_options(context: &Context) -> CaseResult {
    let code = refuse_if(28, libc::SO_PRIORITY);
    with_program(context, (ProgramKind::CgroupSocketOption, SET_SOCKET_OPTION), &code, |active| {
        let socket = setup("socket", socket(libc::AF_INET, libc::SOCK_DGRAM))?;
        let set = |option: i32| {
            let value = 1i32;
            // SAFETY: the value is ours and as long as said.
            unsafe {
                syscall!(
                    libc::SYS_setsockopt,
                    socket.as_raw_fd(),
                    libc::SOL_SOCKET,
                    option,
                    &raw const value,
                    4
                )
            }
        };
        expect("SO_PRIORITY", active, set(libc::SO_PRIORITY))?;
        expect("SO_REUSEADDR", false, set(libc::SO_REUSEADDR))
    })
}
