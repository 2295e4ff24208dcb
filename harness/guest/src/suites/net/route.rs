//! Interfaces, addresses and routes over rtnetlink, and network namespaces.

use super::address::*;
use super::netlink::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child::{self, isolated, needs_root};
use crate::{CaseResult, Context, Stop, check, check_eq, interface, socket, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const GETADDR: u16 = 22;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
/// Attributes of links, addresses and routes.
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;

fn open() -> Result<Netlink, Stop> {
    Netlink::open(libc::NETLINK_ROUTE)
}

/// `struct ifinfomsg`: family, type, index, flags, change.
fn link_body(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut body = [0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    body[8..12].copy_from_slice(&flags.to_ne_bytes());
    body[12..16].copy_from_slice(&change.to_ne_bytes());
    body
}

/// Index and name of every interface.
fn links(netlink: &mut Netlink) -> Result<Vec<(u32, String)>, Stop> {
    let replies = netlink.dump(GETLINK, &link_body(0, 0, 0))?;
    let link = |reply: &Reply| {
        let index = u32::from_ne_bytes(reply.body.get(4..8)?.try_into().ok()?);
        let name = attribute(reply.body.get(16..)?, IFLA_IFNAME)?;
        Some((index, String::from_utf8_lossy(name.strip_suffix(&[0]).unwrap_or(name)).into_owned()))
    };
    Ok(replies.iter().filter_map(link).collect())
}

fn index_of(netlink: &mut Netlink, name: &str) -> Result<u32, Stop> {
    let all = links(netlink)?;
    let found = all.iter().find(|(_, other)| other == name);
    found.map(|(index, _)| *index).ok_or_else(|| Stop::Fail(format!("no interface {name} among {all:?}")))
}

fn up(netlink: &mut Netlink, name: &str) -> CaseResult {
    const UP: u32 = libc::IFF_UP as u32;
    let body = link_body(index_of(netlink, name)?, UP, UP);
    succeeds(
        &format!("RTM_NEWLINK that sets {name} up"),
        netlink.ask(NEWLINK, 0, &body, &Attributes::default()),
    )
}

/// RTM_NEWADDR of an IPv4 address with its prefix.
fn assign(netlink: &mut Netlink, name: &str, ip: [u8; 4], prefix: u8) -> Result<(), Stop> {
    let mut body = vec![libc::AF_INET as u8, prefix, 0, 0];
    body.extend(index_of(netlink, name)?.to_ne_bytes());
    let attributes = Attributes::default().bytes(IFA_LOCAL, &ip);
    succeeds("RTM_NEWADDR", netlink.ask(NEWADDR, CREATE | EXCL, &body, &attributes))?;
    let again = netlink.ask(NEWADDR, CREATE | EXCL, &body, &attributes);
    fails_with("RTM_NEWADDR of an address that is there", again, libc::EEXIST)
}

/// A veth pair whose second end starts in the namespace of this descriptor.
fn veth(netlink: &mut Netlink, names: [&str; 2], into: &OwnedFd) -> Result<(), crate::sys::Errno> {
    let peer = Attributes::default().text(IFLA_IFNAME, names[1]).u32(IFLA_NET_NS_FD, into.as_raw_fd() as u32);
    let data = [&link_body(0, 0, 0)[..], &peer.0].concat();
    let data = Attributes::default().bytes(VETH_INFO_PEER, &data);
    let info = Attributes::default().text(IFLA_INFO_KIND, "veth").nested(IFLA_INFO_DATA, data);
    let attributes = Attributes::default().text(IFLA_IFNAME, names[0]).nested(IFLA_LINKINFO, info);
    netlink.ask(NEWLINK, CREATE | EXCL, &link_body(0, 0, 0), &attributes)
}

fn namespace() -> Result<OwnedFd, Stop> {
    let opened =
        crate::file::open_at(libc::AT_FDCWD, c"/proc/self/ns/net", libc::O_RDONLY | libc::O_CLOEXEC, 0);
    setup("open of /proc/self/ns/net", opened)
}

fn enter(namespace: &OwnedFd) -> CaseResult {
    // SAFETY: takes no pointers.
    setup("setns", unsafe { syscall!(libc::SYS_setns, namespace.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop)
}

pub fn new_namespace_has_a_loopback_that_is_down(_: &Context) -> CaseResult {
    needs_root()?;
    isolated(|| {
        enter_namespace()?;
        let mut netlink = open()?;
        // Tunnels that modules bring along show up in every namespace.
        let all = links(&mut netlink)?;
        check_eq!(all.first().cloned(), Some((1, "lo".to_owned())), "first interface of a new namespace");
        let (server, client) =
            (setup("socket", socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0))?, loopback(9));
        fails_with(
            "connect over a loopback that is down",
            socket::connect(&server, &client, INET),
            libc::ENETUNREACH,
        )?;
        check!(netlink.dump(GETADDR, &[0; 8])?.is_empty(), "a new namespace has addresses");
        up(&mut netlink, "lo")?;
        succeeds("connect over a loopback that is up", socket::connect(&server, &client, INET))?;
        let count = netlink.dump(GETADDR, &[libc::AF_INET as u8, 0, 0, 0, 0, 0, 0, 0])?.len();
        check_eq!(count, 1, "IPv4 addresses of a loopback that is up");
        Ok(())
    })
}

/// Ports, names and connections of one namespace are nothing to another.
pub fn namespaces_do_not_see_each_other(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (listener, port) = bound(libc::SOCK_STREAM)?;
        setup("listen", socket::listen(&listener, 1))?;
        let (address, length) = abstract_name(b"gauntlet namespace");
        let local = setup("socket", socket::new(libc::AF_UNIX, libc::SOCK_STREAM, 0))?;
        setup("bind", socket::bind(&local, &address, length))?;
        setup("listen", socket::listen(&local, 1))?;
        isolated(|| {
            enter_namespace()?;
            setup("SIOCSIFFLAGS of lo", interface::raise("lo"))?;
            let client = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
            let other = socket::connect(&client, &loopback(port), INET);
            fails_with("connect to a port of another namespace", other, libc::ECONNREFUSED)?;
            let second = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
            succeeds(
                "bind to a port that another namespace uses",
                socket::bind(&second, &loopback(port), INET),
            )?;
            setup("listen", socket::listen(&second, 1))?;
            let client = setup("socket", socket::new(libc::AF_UNIX, libc::SOCK_STREAM, 0))?;
            let other = socket::connect(&client, &address, length);
            fails_with("connect to an abstract name of another namespace", other, libc::ECONNREFUSED)?;
            let table = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap_or_default();
            check_eq!(table.lines().count(), 2, "lines of /proc/net/tcp: a heading and one's own socket");
            Ok(())
        })?;
        let (client, mine) =
            (setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?, loopback(port));
        succeeds("connect inside the namespace", socket::connect(&client, &mine, INET)).map(drop)
    })
}

/// A socket belongs to the namespace it was made in, wherever its holder goes.
pub fn socket_stays_in_its_namespace(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (server, port) = bound(libc::SOCK_DGRAM)?;
        let client = setup("socket", socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0))?;
        enter_namespace()?;
        succeeds("connect in the socket's namespace", socket::connect(&client, &loopback(port), INET))?;
        setup("send", socket::send(&client, b"there", 0))?;
        check_eq!(receive_exactly(&server, 5)?, b"there", "a datagram in the namespace that was left");
        Ok(())
    })
}

pub fn namespace_needs_privilege(_: &Context) -> CaseResult {
    child::unprivileged(|| {
        // SAFETY: takes no pointers.
        let made = unsafe { syscall!(libc::SYS_unshare, libc::CLONE_NEWNET) };
        fails_with("unshare(CLONE_NEWNET) without CAP_SYS_ADMIN", made, libc::EPERM)?;
        let mut netlink = open()?;
        check!(!links(&mut netlink)?.is_empty(), "nobody may read the interfaces");
        let body = link_body(1, 0, libc::IFF_UP as u32);
        let down = netlink.ask(NEWLINK, 0, &body, &Attributes::default());
        fails_with("RTM_NEWLINK without CAP_NET_ADMIN", down, libc::EPERM)?;
        let raw = socket::new(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP);
        fails_with("a raw socket without CAP_NET_RAW", raw, libc::EPERM)?;
        let packet = socket::new(libc::AF_PACKET, libc::SOCK_RAW, 0);
        // A kernel without CONFIG_PACKET knows no such family, whoever asks.
        if packet.as_ref().is_err_and(|error| error.0 == libc::EAFNOSUPPORT) {
            return Ok(());
        }
        fails_with("a packet socket without CAP_NET_RAW", packet, libc::EPERM)
    })
}

/// Two namespaces, one wire: what goes in at one end comes out at the other.
pub fn veth_joins_two_namespaces(_: &Context) -> CaseResult {
    needs_root()?;
    isolated(|| {
        enter_namespace()?;
        let (near, mut here) = (namespace()?, open()?);
        enter_namespace()?;
        let (far, mut there) = (namespace()?, open()?);
        succeeds("RTM_NEWLINK of a veth pair", veth(&mut here, ["near", "far"], &far))?;
        fails_with(
            "RTM_NEWLINK of a name that is there",
            veth(&mut here, ["near", "other"], &far),
            libc::EEXIST,
        )?;
        check!(
            !links(&mut here)?.iter().any(|(_, name)| name == "far"),
            "the far end is in the near namespace"
        );
        for (netlink, name, ip) in [(&mut here, "near", [10, 9, 8, 1]), (&mut there, "far", [10, 9, 8, 2])] {
            assign(netlink, name, ip, 24)?;
            up(netlink, name)?;
        }
        let server = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
        setup("bind", socket::bind(&server, &address([10, 9, 8, 2], 7777), INET))?;
        setup("listen", socket::listen(&server, 1))?;
        enter(&near)?;
        let client = setup("socket", socket::new(libc::AF_INET, libc::SOCK_STREAM, 0))?;
        succeeds(
            "connect over the veth pair",
            socket::connect(&client, &address([10, 9, 8, 2], 7777), INET),
        )?;
        let server = setup("accept", socket::accept(&server, 0))?;
        let bytes = [0x5a; 20_000];
        check_eq!(socket::send(&client, &bytes, 0), Ok(20_000), "send over the veth pair");
        check!(receive_exactly(&server, 20_000)? == bytes, "bytes over the veth pair arrive changed");
        // One end gone, both gone.
        let body = link_body(index_of(&mut here, "near")?, 0, 0);
        succeeds("RTM_DELLINK", here.ask(DELLINK, 0, &body, &Attributes::default()))?;
        check!(
            !links(&mut there)?.iter().any(|(_, name)| name == "far"),
            "the far end outlives the near one"
        );
        Ok(())
    })
}

pub fn interface_changes_are_told_and_bad_ones_refused(_: &Context) -> CaseResult {
    in_namespace(|| {
        let mut netlink = open()?;
        let set = |netlink: &mut Netlink, index: u32, attributes: &Attributes| {
            netlink.ask(NEWLINK, 0, &link_body(index, 0, 0), attributes)
        };
        let none = Attributes::default();
        fails_with("RTM_NEWLINK of an index that nothing has", set(&mut netlink, 9999, &none), libc::ENODEV)?;
        let mtu = Attributes::default().u32(IFLA_MTU, 1400);
        succeeds("RTM_NEWLINK with IFLA_MTU", set(&mut netlink, 1, &mtu))?;
        let told = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
        check!(told.contains("lo:"), "/proc/net/dev has no lo:\n{told}");
        let mut request = interface::request("lo");
        setup("SIOCGIFMTU", interface::ask(libc::SIOCGIFMTU, &mut request))?;
        // SAFETY: the kernel has just filled it in.
        check_eq!(unsafe { request.ifr_ifru.ifru_mtu }, 1400, "SIOCGIFMTU after RTM_NEWLINK");
        let short = Attributes::default().bytes(IFLA_MTU, &[1, 2]);
        let refused = set(&mut netlink, 1, &short);
        check!(refused.is_err(), "IFLA_MTU of two bytes was accepted");
        let long = Attributes::default().text(IFLA_IFNAME, "a_name_of_16_ch!");
        check!(set(&mut netlink, 1, &long).is_err(), "a name of 16 characters was accepted");
        let unknown = Attributes::default().text(IFLA_INFO_KIND, "nonsense");
        let unknown = Attributes::default().nested(IFLA_LINKINFO, unknown);
        let made = netlink.ask(NEWLINK, CREATE | EXCL, &link_body(0, 0, 0), &unknown);
        fails_with("RTM_NEWLINK of an unknown kind", made, libc::EOPNOTSUPP)?;
        fails_with("an unknown message", netlink.ask(999, 0, &[0; 16], &none), libc::EOPNOTSUPP)?;
        let gone = netlink.ask(DELLINK, 0, &link_body(1, 0, 0), &none);
        fails_with("RTM_DELLINK of lo", gone, libc::EOPNOTSUPP)
    })
}

/// `struct rtmsg`: family, dst_len, src_len, tos, table, protocol, scope, type, flags.
fn route_body(prefix: u8, kind: u8) -> [u8; 12] {
    const MAIN: u8 = 254;
    const STATIC: u8 = 4;
    const LINK: u8 = 253;
    [libc::AF_INET as u8, prefix, 0, 0, MAIN, STATIC, LINK, kind, 0, 0, 0, 0]
}

pub fn routes_decide_where_packets_go(_: &Context) -> CaseResult {
    in_namespace(|| {
        let mut netlink = open()?;
        let client = setup("socket", socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0))?;
        let reach = |ip| socket::connect(&client, &address(ip, 9), INET);
        fails_with("connect without route", reach([203, 0, 113, 7]), libc::ENETUNREACH)?;
        let route = |ip: [u8; 4]| Attributes::default().bytes(RTA_DST, &ip).u32(RTA_OIF, 1);
        let (unicast, unreachable, blackhole, prohibit) = (1, 7, 6, 8);
        let mut add = |ip, prefix, kind| {
            netlink.ask(
                NEWROUTE,
                CREATE | EXCL,
                &route_body(prefix, kind),
                &match kind {
                    1 => route(ip),
                    _ => Attributes::default().bytes(RTA_DST, &ip),
                },
            )
        };
        succeeds("RTM_NEWROUTE", add([203, 0, 113, 0], 24, unicast))?;
        succeeds("connect with a route", reach([203, 0, 113, 7]))?;
        fails_with(
            "RTM_NEWROUTE of a route that is there",
            add([203, 0, 113, 0], 24, unicast),
            libc::EEXIST,
        )?;
        // The longest prefix wins; each kind of refusal has its error.
        succeeds("an unreachable route", add([203, 0, 113, 128], 25, unreachable))?;
        succeeds("a prohibited route", add([203, 0, 113, 192], 26, prohibit))?;
        succeeds("a blackhole", add([203, 0, 113, 224], 27, blackhole))?;
        succeeds("connect beside the longer prefix", reach([203, 0, 113, 127]))?;
        fails_with("connect over an unreachable route", reach([203, 0, 113, 128]), libc::EHOSTUNREACH)?;
        fails_with("connect over a prohibited route", reach([203, 0, 113, 192]), libc::EACCES)?;
        fails_with("connect into a blackhole", reach([203, 0, 113, 224]), libc::EINVAL)?;
        let delete = |netlink: &mut Netlink| {
            let attributes = route([203, 0, 113, 0]);
            netlink.ask(DELROUTE, 0, &route_body(24, unicast), &attributes)
        };
        succeeds("RTM_DELROUTE", delete(&mut netlink))?;
        fails_with("connect after its route was deleted", reach([203, 0, 113, 7]), libc::ENETUNREACH)?;
        fails_with("RTM_DELROUTE of a route that is not there", delete(&mut netlink), libc::ESRCH)
    })
}
