//! Filters on sockets, classic and extended: how much of a datagram passes. A pair of local sockets is enough.

use super::support::{accepted, returning};
use crate::bpf::{Instruction, ProgramKind, Register::*, Width, test_run};
use crate::case::{fails_with, setup, succeeds};
use crate::sys::{Errno, check as result_of, owned};
use crate::{CaseResult, Context, Stop, check, check_eq, code};
use std::os::fd::{AsRawFd, OwnedFd};

const SO_ATTACH_FILTER: i32 = 26;
const SO_DETACH_FILTER: i32 = 27;
const SO_LOCK_FILTER: i32 = 44;
pub const SO_ATTACH_BPF: i32 = 50;

pub const MESSAGE: &[u8; 8] = b"gauntlet";

/// Two local sockets, the receiving one not blocking.
#[derive(Debug)]
pub struct Pair {
    sender: OwnedFd,
    receiver: OwnedFd,
}

impl Pair {
    pub fn new() -> Result<Pair, Stop> {
        let mut fds = [0; 2];
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK;
        // SAFETY: two descriptors are written into our array.
        let result = result_of(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) }.into());
        setup("socketpair", result)?;
        Ok(Pair { sender: owned(fds[0].into()), receiver: owned(fds[1].into()) })
    }

    pub fn option<T>(&self, option: i32, value: &T) -> Result<i64, Errno> {
        let (fd, length) = (self.receiver.as_raw_fd(), size_of::<T>() as libc::socklen_t);
        let value: *const T = value;
        // SAFETY: the value is as long as said.
        result_of(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, value.cast(), length) }.into())
    }

    /// Sends [`MESSAGE`]; what arrives, `None` for nothing.
    pub fn pass(&self) -> Result<Option<Vec<u8>>, Stop> {
        let fd = self.sender.as_raw_fd();
        // SAFETY: the buffers are ours and as long as said.
        let sent = result_of(unsafe { libc::send(fd, MESSAGE.as_ptr().cast(), MESSAGE.len(), 0) } as i64);
        check_eq!(succeeds("send to a filtered socket", sent)?, MESSAGE.len() as i64, "bytes sent");
        let mut buffer = [0u8; 64];
        let fd = self.receiver.as_raw_fd();
        // SAFETY: as above.
        match result_of(unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) } as i64) {
            Ok(length) => Ok(Some(buffer[..length as usize].to_vec())),
            Err(Errno(libc::EAGAIN)) => Ok(None),
            Err(errno) => Err(Stop::Fail(format!("recv: failed with {errno}"))),
        }
    }
}

fn classic(
    code: &[libc::sock_filter],
    attach: impl Fn(&libc::sock_fprog) -> Result<i64, Errno>,
) -> Result<i64, Errno> {
    let length = u16::try_from(code.len()).expect("programs are small");
    attach(&libc::sock_fprog { len: length, filter: code.as_ptr().cast_mut() })
}

fn statement(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf: 0, k }
}

/// Returned lengths and what is left of eight bytes.
const TRIMS: [(u32, usize); 6] = [(1, 1), (5, 5), (7, 7), (8, 8), (9, 8), (u32::MAX, 8)];

pub fn classic_filter_trims(_: &Context) -> CaseResult {
    for (length, left) in TRIMS {
        let pair = Pair::new()?;
        let attached = classic(&[statement(0x06, length)], |program| pair.option(SO_ATTACH_FILTER, program));
        succeeds("SO_ATTACH_FILTER", attached)?;
        check_eq!(pair.pass()?, Some(MESSAGE[..left].to_vec()), "a datagram trimmed to {length}");
    }
    let pair = Pair::new()?;
    succeeds(
        "SO_ATTACH_FILTER",
        classic(&[statement(0x06, 0)], |program| pair.option(SO_ATTACH_FILTER, program)),
    )?;
    check_eq!(pair.pass()?, None, "a datagram that the filter drops");
    succeeds("SO_DETACH_FILTER", pair.option(SO_DETACH_FILTER, &0i32))?;
    check_eq!(pair.pass()?, Some(MESSAGE[..].to_vec()), "a datagram after SO_DETACH_FILTER");
    fails_with("second SO_DETACH_FILTER", pair.option(SO_DETACH_FILTER, &0i32), libc::ENOENT)
}

pub fn extended_filter_trims(_: &Context) -> CaseResult {
    for (length, left) in TRIMS {
        let pair = Pair::new()?;
        let program = accepted("a filter", ProgramKind::SocketFilter, &returning(length.cast_signed()))?;
        succeeds("SO_ATTACH_BPF", pair.option(SO_ATTACH_BPF, &program.as_raw_fd()))?;
        drop(program);
        check_eq!(pair.pass()?, Some(MESSAGE[..left].to_vec()), "a datagram trimmed to {length}");
    }
    let pair = Pair::new()?;
    let program = accepted("a filter", ProgramKind::SocketFilter, &returning(0))?;
    succeeds("SO_ATTACH_BPF", pair.option(SO_ATTACH_BPF, &program.as_raw_fd()))?;
    check_eq!(pair.pass()?, None, "a datagram that the filter drops");
    let other = accepted("an XDP program", ProgramKind::Xdp, &returning(2))?;
    fails_with(
        "SO_ATTACH_BPF of an XDP program",
        pair.option(SO_ATTACH_BPF, &other.as_raw_fd()),
        libc::EINVAL,
    )?;
    fails_with(
        "SO_ATTACH_BPF of a socket",
        pair.option(SO_ATTACH_BPF, &pair.sender.as_raw_fd()),
        libc::EINVAL,
    )?;
    check_eq!(pair.pass()?, None, "a datagram after refused replacements of the filter");
    Ok(())
}

/// SO_GET_FILTER, which has SO_ATTACH_FILTER's number: lengths count instructions, not bytes.
pub fn classic_filter_is_read_back(_: &Context) -> CaseResult {
    let pair = Pair::new()?;
    let mut words = [0u64; 4];
    let mut read = |count: u32| {
        let mut length = count;
        let (fd, value) = (pair.receiver.as_raw_fd(), words.as_mut_ptr().cast());
        // SAFETY: the buffer is ours and holds more instructions than are asked for.
        let got = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, SO_ATTACH_FILTER, value, &mut length) };
        (result_of(got.into()).map(|_| length), words)
    };
    check_eq!(read(4).0, Ok(0), "instructions of no filter");
    let code = [statement(0x30, 3), statement(0x06, 5)];
    succeeds("SO_ATTACH_FILTER", classic(&code, |program| pair.option(SO_ATTACH_FILTER, program)))?;
    check_eq!(read(0).0, Ok(2), "instructions when only their number is asked for");
    check_eq!(read(1).0, Err(Errno(libc::EINVAL)), "SO_GET_FILTER with room for 1 of 2 instructions");
    let (count, words) = read(4);
    check_eq!(count, Ok(2), "instructions read");
    let expected = [0x30 | 3 << 32, 0x06 | 5 << 32, 0, 0];
    check_eq!(words, expected, "the instructions, and the memory behind them");
    let program = accepted("a filter", ProgramKind::SocketFilter, &returning(-1))?;
    succeeds("SO_ATTACH_BPF", pair.option(SO_ATTACH_BPF, &program.as_raw_fd()))?;
    check_eq!(read(4).0, Err(Errno(libc::EACCES)), "SO_GET_FILTER where there is an extended filter");
    Ok(())
}

/// The filter sees the bytes: the first one decides.
pub fn classic_filter_reads_the_datagram(_: &Context) -> CaseResult {
    for (byte, expected) in [(b'g', Some(3)), (b'G', None)] {
        let pair = Pair::new()?;
        let code = [
            statement(0x30, 0),                                             // ldb [0]
            libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: byte.into() }, // jeq
            statement(0x06, 3),
            statement(0x06, 0),
        ];
        succeeds("SO_ATTACH_FILTER", classic(&code, |program| pair.option(SO_ATTACH_FILTER, program)))?;
        check_eq!(pair.pass()?.map(|bytes| bytes.len()), expected, "length passed when {byte:#x} is wanted");
    }
    // A load behind the last byte ends the filter with 0: the datagram is dropped.
    for (offset, passes) in [(7, true), (8, false), (1 << 20, false)] {
        let pair = Pair::new()?;
        let code = [statement(0x30, offset), statement(0x06, u32::MAX)];
        succeeds("SO_ATTACH_FILTER", classic(&code, |program| pair.option(SO_ATTACH_FILTER, program)))?;
        check_eq!(
            pair.pass()?.is_some(),
            passes,
            "a datagram of 8 bytes passes a filter that loads byte {offset}"
        );
    }
    Ok(())
}

pub fn locked_filter_stays(_: &Context) -> CaseResult {
    let pair = Pair::new()?;
    let attach =
        |length| classic(&[statement(0x06, length)], |program| pair.option(SO_ATTACH_FILTER, program));
    succeeds("SO_ATTACH_FILTER", attach(2))?;
    succeeds("SO_LOCK_FILTER", pair.option(SO_LOCK_FILTER, &1i32))?;
    fails_with("SO_ATTACH_FILTER on a locked socket", attach(8), libc::EPERM)?;
    fails_with("SO_DETACH_FILTER on a locked socket", pair.option(SO_DETACH_FILTER, &0i32), libc::EPERM)?;
    let program = accepted("a filter", ProgramKind::SocketFilter, &returning(-1))?;
    let extended = pair.option(SO_ATTACH_BPF, &program.as_raw_fd());
    fails_with("SO_ATTACH_BPF on a locked socket", extended, libc::EPERM)?;
    fails_with("SO_LOCK_FILTER off", pair.option(SO_LOCK_FILTER, &0i32), libc::EPERM)?;
    check_eq!(pair.pass()?, Some(MESSAGE[..2].to_vec()), "a datagram after all that");
    Ok(())
}

/// The checks of `bpf_check_classic()`: each program is refused and leaves the socket unfiltered.
pub fn ill_formed_classic_filters(_: &Context) -> CaseResult {
    let ret = statement(0x06, 1);
    let jump = |jt, jf| libc::sock_filter { code: 0x15, jt, jf, k: 0 };
    let bad: [(&str, Vec<libc::sock_filter>); 12] = [
        ("no instruction", vec![]),
        ("no return at the end", vec![statement(0x00, 1)]),
        ("an unknown instruction", vec![statement(0xffff, 0), ret]),
        ("a jump behind the end when true", vec![jump(1, 0), ret]),
        ("a jump behind the end when false", vec![jump(0, 1), ret]),
        ("a long jump behind the end", vec![statement(0x05, 1), ret]),
        ("a division by the constant 0", vec![statement(0x34, 0), ret]),
        ("a modulo by the constant 0", vec![statement(0x94, 0), ret]),
        ("a shift by 32", vec![statement(0x64, 32), ret]),
        ("a store into memory word 16", vec![statement(0x02, 16), ret]),
        ("a load of memory never stored", vec![statement(0x60, 0), ret]),
        ("more than 4096 instructions", vec![ret; 4097]),
    ];
    let pair = Pair::new()?;
    for (what, code) in bad {
        let attached = classic(&code, |program| pair.option(SO_ATTACH_FILTER, program));
        fails_with(&format!("SO_ATTACH_FILTER with {what}"), attached, libc::EINVAL)?;
        check_eq!(pair.pass()?, Some(MESSAGE[..].to_vec()), "a datagram after {what} was refused");
    }
    // 4096 instructions are taken; where they exceed net.core.optmem_max, as by default before 6.8, for another reason not.
    let longest = classic(&vec![ret; 4096], |program| pair.option(SO_ATTACH_FILTER, program));
    check!(
        matches!(longest, Ok(_) | Err(Errno(libc::ENOMEM))),
        "SO_ATTACH_FILTER of 4096 instructions: {longest:?}"
    );
    let good = [
        vec![statement(0x64, 31), ret],
        vec![statement(0x02, 15), statement(0x60, 15), ret],
        vec![jump(0, 1), ret, ret],
    ];
    for code in good {
        let attached = classic(&code, |program| pair.option(SO_ATTACH_FILTER, program));
        succeeds(&format!("SO_ATTACH_FILTER of {} good instructions", code.len()), attached)?;
    }
    Ok(())
}

/// BPF_PROG_TEST_RUN hands the packet through: a program that changes byte 13 changes the output there only.
pub fn test_run_returns_the_packet(_: &Context) -> CaseResult {
    let program = accepted(
        "an XDP program that writes",
        ProgramKind::Xdp,
        &code![
            Instruction::load(Width::Word, R2, R1, 0),
            Instruction::load(Width::Word, R3, R1, 4),
            Instruction::mov(R4, R2),
            Instruction::add(R4, 14),
            Instruction::jump(crate::bpf::Condition::Gt, R4, R3, 3),
            Instruction::store(Width::Byte, R2, 13, 0x99),
            returning(2),
            returning(1),
        ],
    )?;
    let packet: Vec<u8> = (0..60).collect();
    let mut expected = packet.clone();
    expected[13] = 0x99;
    let run = test_run(&program, &packet, 60);
    succeeds("BPF_PROG_TEST_RUN", run.result)?;
    check_eq!(run.value, 2, "return value");
    check_eq!(run.output_size, 60, "data_size_out");
    check_eq!(run.output, expected, "the packet after the run");
    check_eq!(packet[13], 13, "the caller's own packet");

    let short = test_run(&program, &packet, 20);
    check_eq!(short.result, Err(Errno(libc::ENOSPC)), "BPF_PROG_TEST_RUN with room for 20 of 60 bytes");
    check_eq!(short.output_size, 60, "data_size_out without room");
    check_eq!(short.output, expected[..20], "the part of the packet that has room");
    // An Ethernet header is the least (for XDP programs since 5.11 only).
    let filter = accepted("a filter", ProgramKind::SocketFilter, &returning(0))?;
    succeeds("BPF_PROG_TEST_RUN on 14 bytes", test_run(&filter, &packet[..14], 0).result)?;
    fails_with("BPF_PROG_TEST_RUN on 13 bytes", test_run(&filter, &packet[..13], 0).result, libc::EINVAL)
}
