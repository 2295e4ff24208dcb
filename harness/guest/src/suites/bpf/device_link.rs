//! Links to a network device (BPF_LINK_CREATE): XDP and tcx programs on the loopback, which let long datagrams pass
//! and have something to say about short ones.

use super::attach::{REPLACE, attached_in_order, identifier, link_update};
use super::cgroup::program;
use super::crowd::on_cpu;
use super::support::{PATIENCE, accepted, eventually, returning};
use crate::bpf::{Attributes, Command, Condition, Instruction, ProgramKind, Register::*, Width, information};
use crate::case::{fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, code, file, interface, socket};
use std::os::fd::{AsRawFd, OwnedFd};

const LOOPBACK: u32 = 1;
pub const XDP: u32 = 37;
const TCX_INGRESS: u32 = 46;
/// Flags of BPF_LINK_CREATE that say where among the others a program is to run.
const BEFORE: u32 = 1 << 3;
const AFTER: u32 = 1 << 4;

const SHORT: &[u8] = b"short..";
pub const LONG: &[u8] = b"gauntlet";
/// Ethernet, IPv4 and UDP before the bytes of a datagram.
const HEADERS: i32 = 14 + 20 + 8;

/// One datagram socket connected to another.
#[derive(Debug)]
pub struct Wire {
    sender: OwnedFd,
    receiver: OwnedFd,
}

impl Wire {
    pub fn new() -> Result<Wire, Stop> {
        // Datagrams of one CPU stay in order.
        setup("sched_setaffinity", on_cpu(0))?;
        setup("SIOCSIFFLAGS of lo", interface::raise("lo"))?;
        let receiver = super::net_link::bound(libc::SOCK_DGRAM)?;
        let sender = setup("socket", socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0))?;
        setup("connect", super::net_link::connect(&sender, super::net_link::port(&receiver)?))?;
        Ok(Wire { sender, receiver })
    }

    pub fn send(&self, bytes: &[u8]) -> CaseResult {
        setup("send", socket::send(&self.sender, bytes, 0)).map(drop)
    }

    /// The next datagram, which must come.
    pub fn receive(&self) -> Result<Vec<u8>, Stop> {
        let ready = setup("poll", file::poll(&self.receiver, libc::POLLIN, PATIENCE))?;
        check!(ready != 0, "a datagram that no program drops does not arrive");
        setup("recv", socket::receive(&self.receiver, 64, 0))
    }

    /// Sends a short datagram and a long one; whether the long one is the first to arrive.
    fn drops_short(&self) -> Result<bool, Stop> {
        for bytes in [SHORT, LONG] {
            self.send(bytes)?;
        }
        let first = self.receive()?;
        if first == SHORT {
            check_eq!(self.receive()?, LONG, "the second datagram");
            return Ok(false);
        }
        check_eq!(first, LONG, "the datagram that arrives");
        Ok(true)
    }

    fn expect(&self, dropped: bool, when: &str) -> CaseResult {
        check_eq!(self.drops_short()?, dropped, "a short datagram is dropped {when}");
        Ok(())
    }

    fn passes_soon(&self, when: &str) -> CaseResult {
        eventually(&format!("a short datagram passes {when}"), || Ok(!self.drops_short()?))
    }
}

/// Drops short datagrams on their way in, and passes on all else.
fn xdp_dropping() -> Result<OwnedFd, Stop> {
    let code = code![
        Instruction::load(Width::Word, R2, R1, 0),
        Instruction::load(Width::Word, R3, R1, 4),
        Instruction::alu64(crate::bpf::Alu::Sub, R3, R2),
        Instruction::mov(R0, 2),
        Instruction::jump(Condition::Ne, R3, HEADERS + SHORT.len() as i32, 1),
        Instruction::mov(R0, 1),
        Instruction::exit(),
    ];
    program(ProgramKind::Xdp, XDP, &code)
}

pub fn on_loopback(program: &impl AsRawFd, kind: u32, flags: u32) -> Result<OwnedFd, Errno> {
    let mut request = Attributes::default().fd(0, program).u32(4, LOOPBACK).u32(8, kind).u32(12, flags);
    request.open(Command::LinkCreate)
}

fn words(link: &OwnedFd) -> Result<[u32; 8], Stop> {
    let mut info = [0u8; 32];
    succeeds("BPF_OBJ_GET_INFO_BY_FD of a link", information(link, &mut info))?;
    Ok(std::array::from_fn(|at| u32::from_ne_bytes(std::array::from_fn(|byte| info[4 * at + byte]))))
}

pub fn xdp(_: &Context) -> CaseResult {
    const LINK_TYPE_XDP: u32 = 6;
    let (drop_short, pass) = (xdp_dropping()?, program(ProgramKind::Xdp, XDP, &returning(2))?);
    let filter = accepted("a filter", ProgramKind::SocketFilter, &returning(0))?;
    let wire = Wire::new()?;
    wire.expect(false, "on a device without a program")?;
    fails_with("BPF_LINK_CREATE with unknown flags", on_loopback(&pass, XDP, 1 << 31), libc::EINVAL)?;
    fails_with("BPF_LINK_CREATE of a filter", on_loopback(&filter, XDP, 0), libc::EINVAL)?;
    let mut nowhere = Attributes::default().fd(0, &pass).u32(4, 0x7fff_ffff).u32(8, XDP);
    check!(nowhere.call(Command::LinkCreate).is_err(), "a link to a device that is not there is made");
    let held = succeeds("BPF_LINK_CREATE on the loopback", on_loopback(&drop_short, XDP, 0))?;
    wire.expect(true, "by a linked program that drops it")?;
    fails_with("a second link to the device", on_loopback(&pass, XDP, 0), libc::EBUSY)?;
    let told = words(&held)?;
    let expected = [LINK_TYPE_XDP, identifier(&drop_short)?, LOOPBACK];
    check_eq!([told[0], told[2], told[4]], expected, "type, program and device of the link");
    fails_with("BPF_LINK_UPDATE to another kind", link_update(&held, &filter, 0, None), libc::EINVAL)?;
    let wrong = link_update(&held, &pass, REPLACE, Some(&pass));
    fails_with("BPF_LINK_UPDATE from what is not there", wrong, libc::EPERM)?;
    wire.expect(true, "after refused updates of the link")?;
    succeeds("BPF_LINK_UPDATE", link_update(&held, &pass, REPLACE, Some(&drop_short)))?;
    wire.expect(false, "by a link with a program that passes all")?;
    succeeds("BPF_LINK_UPDATE", link_update(&held, &drop_short, 0, None))?;
    succeeds("BPF_LINK_DETACH", Attributes::default().fd(0, &held).call(Command::LinkDetach))?;
    wire.expect(false, "after its link was detached")?;
    fails_with("BPF_LINK_UPDATE of a detached link", link_update(&held, &pass, 0, None), libc::ENOLINK)?;
    let again = succeeds("BPF_LINK_CREATE on the free device", on_loopback(&drop_short, XDP, 0))?;
    wire.expect(true, "by the program of the new link")?;
    drop(again);
    wire.passes_soon("after the link was closed")
}

/// Answers for a short packet; for all else, and where it says so, it leaves the answer to the next program.
fn classifier(short: i32) -> Result<OwnedFd, Stop> {
    let code = code![
        Instruction::load(Width::Word, R2, R1, 0),
        Instruction::mov(R0, -1),
        Instruction::jump(Condition::Ne, R2, HEADERS + SHORT.len() as i32, 1),
        Instruction::mov(R0, short),
        Instruction::exit(),
    ];
    accepted("a classifier", ProgramKind::Classifier, &code)
}

/// Identifiers of the programs on the loopback, in their order.
fn attached() -> Result<Vec<u32>, Stop> {
    attached_in_order(Attributes::default().u32(0, LOOPBACK), TCX_INGRESS)
}

/// Programs run in their order until one has an answer: TCX_PASS, TCX_DROP, not TCX_NEXT.
pub fn tcx(_: &Context) -> CaseResult {
    const NEXT: i32 = -1;
    const PASS: i32 = 0;
    const DROP: i32 = 2;
    let (next, pass, drop_short) = (classifier(NEXT)?, classifier(PASS)?, classifier(DROP)?);
    let wire = Wire::new()?;
    let dropping = on_loopback(&drop_short, TCX_INGRESS, 0);
    let dropping = succeeds("BPF_LINK_CREATE of a classifier on the loopback", dropping)?;
    wire.expect(true, "by the only program")?;
    let passing = succeeds("a link before the others", on_loopback(&pass, TCX_INGRESS, BEFORE))?;
    check_eq!(attached()?, [identifier(&pass)?, identifier(&drop_short)?], "programs in their order");
    wire.expect(false, "where the program before that one passes it")?;
    succeeds("BPF_LINK_UPDATE", link_update(&passing, &next, 0, None))?;
    wire.expect(true, "where the program before that one leaves the answer to it")?;
    drop(passing);
    wire.expect(true, "where the link before that one was closed")?;
    let passing = succeeds("a link after the others", on_loopback(&pass, TCX_INGRESS, AFTER))?;
    check_eq!(attached()?.last(), Some(&identifier(&pass)?), "the last program");
    wire.expect(true, "where a program after that one would pass it")?;
    succeeds("BPF_LINK_UPDATE", link_update(&dropping, &next, 0, None))?;
    wire.expect(false, "where the program before leaves the answer to it")?;
    let again = on_loopback(&next, TCX_INGRESS, 0);
    fails_with("a second link of an attached program", again, libc::EEXIST)?;
    drop(passing);
    succeeds("BPF_LINK_UPDATE", link_update(&dropping, &drop_short, 0, None))?;
    wire.expect(true, "by the program that is left")?;
    succeeds("BPF_LINK_DETACH", Attributes::default().fd(0, &dropping).call(Command::LinkDetach))?;
    wire.expect(false, "after its link was detached")?;
    let other = on_loopback(&xdp_dropping()?, TCX_INGRESS, 0);
    fails_with("a program of another kind", other, libc::EINVAL)
}
