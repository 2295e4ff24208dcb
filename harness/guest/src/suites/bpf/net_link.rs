//! Links to a network namespace (BPF_LINK_CREATE): programs that look up the socket of a packet
//! (Documentation/bpf/prog_sk_lookup.rst).

use super::attach::{REPLACE, attached_in_order, identifier, link, link_update};
use super::cgroup::program;
use super::support::{accepted, create, eventually, look_up_first, returning};
use crate::bpf::{
    Attributes, Command, Condition, Instruction, Map, MapKind, MapSpec, ProgramKind, Register::*,
    information, update,
};
use crate::case::{fails_with, setup, succeeds};
use crate::socket::{INET, loopback};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check_eq, code, interface, socket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

const SOCKET_LOOKUP: u32 = 36;
const NAMESPACE: &str = "/proc/self/ns/net";
const DROP: i32 = 0;
const PASS: i32 = 1;

/// A socket of this kind, bound on the loopback.
pub fn bound(kind: i32) -> Result<OwnedFd, Stop> {
    let fd = setup("socket", socket::new(libc::AF_INET, kind, 0))?;
    setup("bind", socket::bind(&fd, &loopback(0), INET))?;
    Ok(fd)
}

pub fn port(fd: &OwnedFd) -> Result<u16, Stop> {
    setup("getsockname", socket::name(fd, loopback(0))).map(|name| u16::from_be(name.sin_port))
}

pub fn connect(fd: &OwnedFd, port: u16) -> Result<i64, Errno> {
    socket::connect(fd, &loopback(port), INET)
}

/// A port where somebody listens, and one where nobody does.
struct Ports {
    listener: OwnedFd,
    open: u16,
    /// Holds the second port.
    _silent: OwnedFd,
    closed: u16,
}

impl Ports {
    fn new() -> Result<Ports, Stop> {
        setup("SIOCSIFFLAGS of lo", interface::raise("lo"))?;
        let (listener, silent) = (bound(libc::SOCK_STREAM)?, bound(libc::SOCK_STREAM)?);
        setup("listen", socket::listen(&listener, 64))?;
        Ok(Ports { open: port(&listener)?, closed: port(&silent)?, listener, _silent: silent })
    }

    /// Whether a connection to this port is accepted, by whoever listens.
    fn answers(&self, port: u16) -> Result<bool, Stop> {
        let client = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
        match connect(&client, port) {
            Ok(_) => setup("accept", socket::accept(&self.listener, libc::SOCK_CLOEXEC)).map(|_| true),
            Err(Errno(libc::ECONNREFUSED)) => Ok(false),
            Err(errno) => Err(Stop::Fail(format!("connect: failed with {errno}"))),
        }
    }

    fn expect(&self, port: u16, answers: bool, when: &str) -> CaseResult {
        let name = if port == self.open { "open" } else { "closed" };
        check_eq!(self.answers(port)?, answers, "the {name} port answers {when}");
        Ok(())
    }
}

fn namespace() -> Result<OwnedFd, Stop> {
    let file = std::fs::File::open(NAMESPACE);
    file.map(OwnedFd::from).map_err(|error| Stop::Skip(format!("no {NAMESPACE}: {error}")))
}

fn lookup(code: &[Instruction]) -> Result<OwnedFd, Stop> {
    program(ProgramKind::SocketLookup, SOCKET_LOOKUP, code)
}

fn queried(namespace: &OwnedFd) -> Result<Vec<u32>, Stop> {
    attached_in_order(Attributes::default().fd(0, namespace), SOCKET_LOOKUP)
}

pub fn lookup_program_can_be_changed_and_detached(_: &Context) -> CaseResult {
    const LINK_TYPE_NETNS: u32 = 5;
    let (drop_all, pass) = (lookup(&returning(DROP))?, lookup(&returning(PASS))?);
    let filter = accepted("a filter", ProgramKind::SocketFilter, &returning(0))?;
    let (ports, net) = (Ports::new()?, namespace()?);
    ports.expect(ports.open, true, "without a program")?;
    let flagged = link(&pass, &net, SOCKET_LOOKUP, 1);
    fails_with("BPF_LINK_CREATE with an unknown flag", flagged, libc::EINVAL)?;
    fails_with("BPF_LINK_CREATE to a program", link(&pass, &pass, SOCKET_LOOKUP, 0), libc::EINVAL)?;
    fails_with("BPF_LINK_CREATE of a filter", link(&filter, &net, SOCKET_LOOKUP, 0), libc::EINVAL)?;
    let held = succeeds("BPF_LINK_CREATE to the namespace", link(&drop_all, &net, SOCKET_LOOKUP, 0))?;
    ports.expect(ports.open, false, "with a linked program that drops all")?;
    let mut info = [0u8; 32];
    succeeds("BPF_OBJ_GET_INFO_BY_FD of a link", information(&held, &mut info))?;
    let word = |at: usize| u32::from_ne_bytes(info[at..at + 4].try_into().expect("four bytes"));
    let inode = std::fs::metadata(NAMESPACE).map(|metadata| metadata.ino() as u32).ok();
    let expected = [LINK_TYPE_NETNS, identifier(&drop_all)?, SOCKET_LOOKUP];
    check_eq!([word(0), word(8), word(20)], expected, "type, program and attach type of the link");
    check_eq!(Some(word(16)), inode, "inode of the namespace in the link");
    check_eq!(queried(&net)?, [identifier(&drop_all)?], "programs of the namespace");
    fails_with("BPF_LINK_UPDATE to another kind", link_update(&held, &filter, 0, None), libc::EINVAL)?;
    let wrong = link_update(&held, &pass, REPLACE, Some(&pass));
    fails_with("BPF_LINK_UPDATE from what is not there", wrong, libc::EPERM)?;
    ports.expect(ports.open, false, "after refused updates of the link")?;
    succeeds("BPF_LINK_UPDATE", link_update(&held, &pass, REPLACE, Some(&drop_all)))?;
    ports.expect(ports.open, true, "with a program that passes all")?;
    succeeds("BPF_LINK_UPDATE", link_update(&held, &drop_all, 0, None))?;
    succeeds("BPF_LINK_DETACH", Attributes::default().fd(0, &held).call(Command::LinkDetach))?;
    ports.expect(ports.open, true, "after the link was detached")?;
    check_eq!(queried(&net)?, Vec::<u32>::new(), "programs of the namespace then");
    fails_with("BPF_LINK_UPDATE of a detached link", link_update(&held, &pass, 0, None), libc::ENOLINK)?;
    let again = succeeds("BPF_LINK_CREATE", link(&drop_all, &net, SOCKET_LOOKUP, 0))?;
    ports.expect(ports.open, false, "with a new link")?;
    drop(again);
    eventually("the open port answers after the link was closed", || ports.answers(ports.open))
}

/// Selects the socket in the map, and passes.
fn selecting(map: &Map) -> Result<OwnedFd, Stop> {
    const RELEASE: i32 = 86;
    const ASSIGN: i32 = 124;
    lookup(&code![
        Instruction::mov(R6, R1),
        look_up_first(map),
        Instruction::jump(Condition::Ne, R0, 0, 2),
        returning(DROP),
        Instruction::mov(R7, R0),
        Instruction::mov(R1, R6),
        Instruction::mov(R2, R7),
        Instruction::mov(R3, 0),
        Instruction::call(ASSIGN),
        Instruction::mov(R1, R7),
        Instruction::call(RELEASE),
        returning(PASS),
    ])
}

/// The socket that a program selects counts, whatever programs without a selection say.
pub fn lookup_program_selects_the_socket(_: &Context) -> CaseResult {
    let (ports, net) = (Ports::new()?, namespace()?);
    let map = create(MapSpec::new(MapKind::SocketMap, 4, 8, 1))?;
    let listener = i64::from(ports.listener.as_raw_fd()).to_ne_bytes();
    setup("a listener in a map of sockets", map.update(&[0; 4], &listener, update::ANY))?;
    let attach = |program: &OwnedFd| {
        succeeds("BPF_LINK_CREATE to the namespace", link(program, &net, SOCKET_LOOKUP, 0))
    };
    ports.expect(ports.closed, false, "without a program")?;
    let (pass, drop_all, select) = (lookup(&returning(PASS))?, lookup(&returning(DROP))?, selecting(&map)?);
    let _passing = attach(&pass)?;
    ports.expect(ports.closed, false, "when all programs pass and none selects a socket")?;
    ports.expect(ports.open, true, "when all programs pass and none selects a socket")?;
    let selection = attach(&select)?;
    ports.expect(ports.closed, true, "when a program selects a listener")?;
    let _dropping = attach(&drop_all)?;
    let order = [identifier(&pass)?, identifier(&select)?, identifier(&drop_all)?];
    check_eq!(queried(&net)?, order, "programs in the order of their attachment");
    ports.expect(ports.closed, true, "when a program selects a listener and the next one drops")?;
    succeeds("BPF_LINK_DETACH", Attributes::default().fd(0, &selection).call(Command::LinkDetach))?;
    ports.expect(ports.open, false, "when one program passes, one drops and none selects a socket")
}
