//! nf_tables over netlink: tables, chains, rules and sets that decide over packets.

use super::address::*;
use super::netlink::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child;
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, interface, socket};
use std::os::fd::OwnedFd;

/// Messages of include/uapi/linux/netfilter/nf_tables.h.
const NEWTABLE: u16 = 0;
const GETTABLE: u16 = 1;
const DELTABLE: u16 = 2;
const NEWCHAIN: u16 = 3;
const DELCHAIN: u16 = 5;
const NEWRULE: u16 = 6;
const NEWSET: u16 = 9;
const NEWSETELEM: u16 = 12;
const DELSETELEM: u16 = 14;
const SUBSYSTEM: u16 = 10;
const APPEND: u16 = 0x800;

/// Verdicts.
const DROP: i32 = 0;
const ACCEPT: i32 = 1;
const JUMP: i32 = -3;

const REGISTER: u32 = 1;
const TABLE: &str = "gauntlet";
const UDP: u8 = libc::IPPROTO_UDP as u8;

/// `struct nfgenmsg`: family, version, resource in network order.
fn general(resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [libc::AF_INET as u8, 0, high, low]
}

/// One message of a transaction.
type Step = (u16, u16, Attributes);

struct Firewall(Netlink);

impl Firewall {
    fn open() -> Result<Firewall, Stop> {
        Netlink::open(libc::NETLINK_NETFILTER).map(Firewall)
    }

    /// Sends the steps as one transaction; the kernel's word on each.
    fn try_transaction(&self, steps: &[Step]) -> Result<Vec<Result<(), Errno>>, Stop> {
        const BEGIN: u16 = 0x10;
        const END: u16 = 0x11;
        let none = Attributes::default();
        let mut bytes = message(BEGIN, 0, 0, &general(SUBSYSTEM), &none);
        for (index, (kind, flags, attributes)) in steps.iter().enumerate() {
            let kind = SUBSYSTEM << 8 | kind;
            bytes.extend(message(kind, flags | ACK, index as u32 + 1, &general(0), attributes));
        }
        bytes.extend(message(END, 0, 0, &general(SUBSYSTEM), &none));
        setup("send of a transaction", socket::send(&self.0.fd, &bytes, 0))?;
        // A transaction that fails when it is carried out has its word on the whole first, under the sequence number
        // of its begin; the steps' own words then say that they were well formed.
        let (mut whole, mut words) = (Ok(()), Vec::new());
        while words.len() < steps.len() {
            for reply in setup("recv of the kernel's word", self.0.receive())? {
                match (reply.sequence, error_of(&reply)) {
                    (0, word) => whole = word,
                    (_, word) => words.push(word),
                }
            }
        }
        Ok(words.into_iter().map(|word| word.and(whole)).collect())
    }

    /// A transaction that must succeed.
    fn transaction(&self, steps: &[Step]) -> CaseResult {
        for (index, result) in self.try_transaction(steps)?.into_iter().enumerate() {
            if result == Err(Errno(libc::EOPNOTSUPP)) {
                return Err(Stop::Skip("missing config symbol: CONFIG_NF_TABLES_IPV4".into()));
            }
            succeeds(&format!("step {index} of a transaction"), result)?;
        }
        Ok(())
    }

    /// The names of this namespace's tables.
    fn tables(&mut self) -> Result<Vec<String>, Stop> {
        let replies = self.0.dump(SUBSYSTEM << 8 | GETTABLE, &general(0))?;
        let name = |reply: &Reply| {
            let name = attribute(reply.body.get(4..)?, 1)?;
            Some(String::from_utf8_lossy(name.strip_suffix(&[0]).unwrap_or(name)).into_owned())
        };
        Ok(replies.iter().filter_map(name).collect())
    }
}

fn table() -> Step {
    (NEWTABLE, CREATE | EXCL, Attributes::default().text(1, TABLE))
}

fn delete_table() -> Step {
    (DELTABLE, 0, Attributes::default().text(1, TABLE))
}

/// A chain at the input hook with a policy.
fn input_chain(policy: i32) -> Step {
    const LOCAL_IN: u32 = 1;
    let hook = Attributes::default().be32(1, LOCAL_IN).be32(2, 0);
    let chain = Attributes::default().text(1, TABLE).text(3, "input").nested(4, hook);
    (NEWCHAIN, CREATE | EXCL, chain.be32(5, policy as u32).text(7, "filter"))
}

/// A chain that only others lead to.
fn plain_chain(name: &str) -> Step {
    (NEWCHAIN, CREATE | EXCL, Attributes::default().text(1, TABLE).text(3, name))
}

fn expression(name: &str, data: Attributes) -> Attributes {
    Attributes::default().nested(1, Attributes::default().text(1, name).nested(2, data))
}

fn joined(expressions: &[Attributes]) -> Attributes {
    Attributes(expressions.iter().flat_map(|one| one.0.clone()).collect())
}

fn value(bytes: &[u8]) -> Attributes {
    Attributes::default().bytes(1, bytes)
}

/// Goes on only for UDP, with the destination port in the register.
fn load_udp_port() -> Attributes {
    const META_L4PROTO: u32 = 16;
    const TRANSPORT_HEADER: u32 = 2;
    let protocol = Attributes::default().be32(1, REGISTER).be32(2, META_L4PROTO);
    let is_udp = Attributes::default().be32(1, REGISTER).be32(2, 0).nested(3, value(&[UDP]));
    let port = Attributes::default().be32(1, REGISTER).be32(2, TRANSPORT_HEADER).be32(3, 2).be32(4, 2);
    joined(&[expression("meta", protocol), expression("cmp", is_udp), expression("payload", port)])
}

fn is_port(port: u16) -> Attributes {
    let equal = Attributes::default().be32(1, REGISTER).be32(2, 0).nested(3, value(&port.to_be_bytes()));
    expression("cmp", equal)
}

fn verdict(code: i32, chain: Option<&str>) -> Attributes {
    let mut inner = Attributes::default().be32(1, code as u32);
    if let Some(chain) = chain {
        inner = inner.text(2, chain);
    }
    let data = Attributes::default().nested(2, inner);
    expression("immediate", Attributes::default().be32(1, 0).nested(2, data))
}

/// A rule at the end of a chain.
fn rule(chain: &str, expressions: &[Attributes]) -> Step {
    let attributes = Attributes::default().text(1, TABLE).text(2, chain).nested(4, joined(expressions));
    (NEWRULE, CREATE | APPEND, attributes)
}

/// Two receivers on the loopback, and a sender.
struct Traffic {
    sender: OwnedFd,
    receivers: [(OwnedFd, u16); 2],
}

impl Traffic {
    fn new() -> Result<Traffic, Stop> {
        let sender = setup("socket", socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0))?;
        Ok(Traffic { sender, receivers: [bound(libc::SOCK_DGRAM)?, bound(libc::SOCK_DGRAM)?] })
    }

    fn ports(&self) -> [u16; 2] {
        [self.receivers[0].1, self.receivers[1].1]
    }

    /// Which of the two gets a datagram that is sent to it. The loopback delivers before send(2) returns, so what is
    /// not there is not coming.
    fn arrives(&self) -> Result<[bool; 2], Stop> {
        let mut arrived = [false; 2];
        for ((receiver, port), arrived) in self.receivers.iter().zip(&mut arrived) {
            setup("connect", socket::connect(&self.sender, &loopback(*port), INET))?;
            setup("send", socket::send(&self.sender, b"packet", 0))?;
            *arrived = events(receiver, libc::POLLIN, GLANCE)? != 0;
            while socket::receive(receiver, 16, libc::MSG_DONTWAIT).is_ok() {}
        }
        Ok(arrived)
    }
}

pub fn nft_rule_drops_exactly_what_it_names(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (firewall, traffic) = (Firewall::open()?, Traffic::new()?);
        check_eq!(traffic.arrives()?, [true, true], "datagrams that arrive without rules");
        let drop_first = rule("input", &[load_udp_port(), is_port(traffic.ports()[0]), verdict(DROP, None)]);
        firewall.transaction(&[table(), input_chain(ACCEPT), drop_first])?;
        check_eq!(traffic.arrives()?, [false, true], "datagrams that arrive, the first port dropped");
        let (client, server) = connected()?;
        setup("send", socket::send(&client, b"tcp", 0))?;
        check_eq!(receive_exactly(&server, 3)?, b"tcp", "bytes of a protocol that no rule names");
        firewall.transaction(&[delete_table()])?;
        check_eq!(traffic.arrives()?, [true, true], "datagrams that arrive after the table was deleted");
        Ok(())
    })
}

pub fn nft_policy_decides_what_no_rule_does(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (firewall, traffic) = (Firewall::open()?, Traffic::new()?);
        let accept_second =
            rule("input", &[load_udp_port(), is_port(traffic.ports()[1]), verdict(ACCEPT, None)]);
        firewall.transaction(&[table(), input_chain(DROP), accept_second])?;
        check_eq!(
            traffic.arrives()?,
            [false, true],
            "datagrams that arrive under policy drop, the second accepted"
        );
        Ok(())
    })
}

pub fn nft_first_verdict_counts_and_jumps_come_back(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (firewall, traffic) = (Firewall::open()?, Traffic::new()?);
        let [first, second] = traffic.ports();
        let on = |chain, port, code, to| rule(chain, &[load_udp_port(), is_port(port), verdict(code, to)]);
        firewall.transaction(&[
            table(),
            input_chain(ACCEPT),
            plain_chain("side"),
            on("side", second, DROP, None),
            on("input", first, ACCEPT, None),
            on("input", first, DROP, None),
            rule("input", &[verdict(JUMP, Some("side"))]),
        ])?;
        check_eq!(
            traffic.arrives()?,
            [true, false],
            "datagrams that arrive: accepted before dropped; dropped aside"
        );
        firewall.transaction(&[on("input", first, DROP, None)])?;
        check_eq!(
            traffic.arrives()?,
            [true, false],
            "datagrams that arrive with one rule more behind the verdict"
        );
        let (kind, _, attributes) = on("input", first, DROP, None);
        firewall.transaction(&[(kind, CREATE, attributes)])?;
        check_eq!(traffic.arrives()?, [false, false], "datagrams that arrive with a rule put in front");
        Ok(())
    })
}

/// One bad step, and nothing of the transaction happens.
pub fn nft_transaction_is_whole_or_nothing(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (mut firewall, traffic) = (Firewall::open()?, Traffic::new()?);
        let nowhere = Attributes::default().text(1, "no such table").text(3, "chain");
        let results =
            firewall.try_transaction(&[table(), input_chain(DROP), (NEWCHAIN, CREATE | EXCL, nowhere)])?;
        fails_with("a chain in no table", results[2], libc::ENOENT)?;
        check_eq!(firewall.tables()?, Vec::<String>::new(), "tables after a transaction that failed");
        check_eq!(traffic.arrives()?, [true, true], "datagrams that arrive after a transaction that failed");
        firewall.transaction(&[table()])?;
        check_eq!(firewall.tables()?, [TABLE], "tables after one that succeeded");
        Ok(())
    })
}

pub fn nft_bad_requests_are_refused(_: &Context) -> CaseResult {
    in_namespace(|| {
        let firewall = Firewall::open()?;
        let refused =
            |what: &str, step: Step, errno| fails_with(what, firewall.try_transaction(&[step])?[0], errno);
        refused("delete of a table that is not there", delete_table(), libc::ENOENT)?;
        firewall.transaction(&[table(), plain_chain("one"), plain_chain("two")])?;
        refused("a table that is there, with NLM_F_EXCL", table(), libc::EEXIST)?;
        refused("a chain that is there, with NLM_F_EXCL", plain_chain("one"), libc::EEXIST)?;
        let nonsense = rule("one", &[expression("nonsense", Attributes::default())]);
        refused("a rule with an unknown expression", nonsense, libc::ENOENT)?;
        refused("a rule in no chain", rule("three", &[verdict(DROP, None)]), libc::ENOENT)?;
        refused("a jump to no chain", rule("one", &[verdict(JUMP, Some("three"))]), libc::ENOENT)?;
        refused("an unknown verdict", rule("one", &[verdict(-77, None)]), libc::EINVAL)?;
        let jump = |from, to| rule(from, &[verdict(JUMP, Some(to))]);
        firewall.transaction(&[input_chain(ACCEPT), jump("input", "one"), jump("one", "two")])?;
        // ELOOP where circles are looked for, EMLINK where only depth is.
        let circle = firewall.try_transaction(&[jump("two", "one")])?[0];
        check!(matches!(circle, Err(Errno(libc::ELOOP | libc::EMLINK))), "jumps in a circle: {circle:?}");
        let target = Attributes::default().text(1, TABLE).text(3, "two");
        refused("delete of a chain that a rule leads to", (DELCHAIN, 0, target), libc::EBUSY)
    })
}

pub fn nft_set_holds_what_its_elements_say(_: &Context) -> CaseResult {
    in_namespace(|| {
        let (firewall, traffic) = (Firewall::open()?, Traffic::new()?);
        let set = Attributes::default()
            .text(1, TABLE)
            .text(2, "ports")
            .be32(3, 0)
            .be32(4, 13)
            .be32(5, 2)
            .be32(10, 1);
        let lookup = Attributes::default().text(1, "ports").be32(2, REGISTER);
        let drop_listed =
            rule("input", &[load_udp_port(), expression("lookup", lookup), verdict(DROP, None)]);
        let element = |kind, flags, port: u16| -> Step {
            let key = Attributes::default().nested(1, value(&port.to_be_bytes()));
            let list = Attributes::default().nested(1, key);
            (kind, flags, Attributes::default().text(1, TABLE).text(2, "ports").nested(3, list))
        };
        firewall.transaction(&[table(), (NEWSET, CREATE | EXCL, set), input_chain(ACCEPT), drop_listed])?;
        check_eq!(traffic.arrives()?, [true, true], "datagrams that arrive with an empty set");
        let [first, second] = traffic.ports();
        firewall.transaction(&[element(NEWSETELEM, CREATE | EXCL, second)])?;
        check_eq!(traffic.arrives()?, [true, false], "datagrams that arrive with the second port in the set");
        let again = firewall.try_transaction(&[element(NEWSETELEM, CREATE | EXCL, second)])?[0];
        fails_with("an element that is there, with NLM_F_EXCL", again, libc::EEXIST)?;
        let absent = firewall.try_transaction(&[element(DELSETELEM, 0, first)])?[0];
        fails_with("delete of an element that is not there", absent, libc::ENOENT)?;
        firewall.transaction(&[element(NEWSETELEM, CREATE, first), element(DELSETELEM, 0, second)])?;
        check_eq!(traffic.arrives()?, [false, true], "datagrams that arrive with the first port in the set");
        Ok(())
    })
}

pub fn nft_rules_are_the_namespaces_own(_: &Context) -> CaseResult {
    in_namespace(|| {
        let firewall = Firewall::open()?;
        firewall.transaction(&[table(), input_chain(DROP)])?;
        child::isolated(|| {
            enter_namespace()?;
            setup("SIOCSIFFLAGS of lo", interface::raise("lo"))?;
            check_eq!(Firewall::open()?.tables()?, Vec::<String>::new(), "tables of a new namespace");
            check_eq!(Traffic::new()?.arrives()?, [true, true], "datagrams that arrive in a new namespace");
            Ok(())
        })?;
        check_eq!(
            Traffic::new()?.arrives()?,
            [false, false],
            "datagrams that arrive in the namespace with the rules"
        );
        Ok(())
    })
}

pub fn nft_needs_privilege(_: &Context) -> CaseResult {
    in_namespace(|| {
        let mut firewall = Firewall::open()?;
        child::isolated(|| {
            child::drop_privileges()?;
            let unprivileged = Firewall::open()?;
            let bytes = message(SUBSYSTEM << 8 | NEWTABLE, ACK | CREATE, 1, &general(0), &table().2);
            setup("send", socket::send(&unprivileged.0.fd, &bytes, 0))?;
            fails_with("a table without CAP_NET_ADMIN", unprivileged.0.acknowledged(1), libc::EPERM)
        })?;
        check!(firewall.tables()?.is_empty(), "a table that nobody was allowed to make is there");
        Ok(())
    })
}
