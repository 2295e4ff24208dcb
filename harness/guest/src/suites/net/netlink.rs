//! Netlink messages, as bytes: netlink(7), rtnetlink(7), and the same for nf_tables.

use crate::case::{Stop, setup};
use crate::sys::Errno;
use crate::{check, socket};
use std::os::fd::OwnedFd;

const HEADER: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;
pub const REQUEST: u16 = 0x001;
pub const ACK: u16 = 0x004;
pub const DUMP: u16 = 0x300;
pub const EXCL: u16 = 0x200;
pub const CREATE: u16 = 0x400;

/// Attributes, one after another (netlink(7): type, length, value, padding).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(pub Vec<u8>);

impl Attributes {
    pub fn bytes(mut self, kind: u16, value: &[u8]) -> Attributes {
        self.0.extend((4 + value.len() as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// A text with its final NUL.
    pub fn text(self, kind: u16, value: &str) -> Attributes {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    pub fn u32(self, kind: u16, value: u32) -> Attributes {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// A number in network order, as nf_tables has them.
    pub fn be32(self, kind: u16, value: u32) -> Attributes {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub fn nested(self, kind: u16, inner: Attributes) -> Attributes {
        const NESTED: u16 = 0x8000;
        self.bytes(kind | NESTED, &inner.0)
    }
}

/// The value of the first attribute of this kind; hostile lengths end the search.
pub fn attribute(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    while bytes.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
        let value = bytes.get(4..length)?;
        if u16::from_ne_bytes([bytes[2], bytes[3]]) & 0x3fff == kind {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

/// One message as it goes out.
pub fn message(kind: u16, flags: u16, sequence: u32, body: &[u8], attributes: &Attributes) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = HEADER + body.len().next_multiple_of(4) + attributes.0.len();
    bytes.extend((length as u32).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((REQUEST | flags).to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(body);
    bytes.resize(HEADER + body.len().next_multiple_of(4), 0);
    bytes.extend(&attributes.0);
    bytes
}

/// A message that came: its type, sequence number, and what follows the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub kind: u16,
    pub sequence: u32,
    pub body: Vec<u8>,
}

/// A netlink socket.
#[derive(Debug)]
pub struct Netlink {
    pub fd: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// A socket of this protocol that does not wait for ever.
    pub fn open(protocol: i32) -> Result<Netlink, Stop> {
        let fd = match socket::new(libc::AF_NETLINK, libc::SOCK_RAW, protocol) {
            Err(Errno(libc::EPROTONOSUPPORT)) => {
                return Err(Stop::Skip(format!("missing netlink protocol: {protocol}")));
            }
            other => setup("socket(AF_NETLINK)", other)?,
        };
        let patience = libc::timeval { tv_sec: 10, tv_usec: 0 };
        setup("SO_RCVTIMEO", socket::set(&fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &patience))?;
        Ok(Netlink { fd, sequence: 0 })
    }

    /// Sends a request and gives the kernel's word on it.
    pub fn ask(&mut self, kind: u16, flags: u16, body: &[u8], attributes: &Attributes) -> Result<(), Errno> {
        self.sequence += 1;
        socket::send(&self.fd, &message(kind, flags | ACK, self.sequence, body, attributes), 0)?;
        self.acknowledged(self.sequence)
    }

    /// Reads up to the acknowledgement of a message.
    pub fn acknowledged(&self, sequence: u32) -> Result<(), Errno> {
        loop {
            for reply in self.receive()? {
                if let (ERROR, true) = (reply.kind, reply.sequence == sequence) {
                    return error_of(&reply);
                }
            }
        }
    }

    /// Sends a dump request and gives every message of the answer.
    pub fn dump(&mut self, kind: u16, body: &[u8]) -> Result<Vec<Reply>, Stop> {
        self.sequence += 1;
        let request = message(kind, DUMP, self.sequence, body, &Attributes::default());
        setup("send", socket::send(&self.fd, &request, 0))?;
        let mut replies = Vec::new();
        loop {
            for reply in setup("recv of a dump", self.receive())? {
                check!(reply.sequence == self.sequence, "a dump carries sequence {}", reply.sequence);
                match reply.kind {
                    DONE => return Ok(replies),
                    ERROR => setup("a dump", error_of(&reply))?,
                    _ => replies.push(reply),
                }
            }
        }
    }

    /// The messages of one datagram.
    pub fn receive(&self) -> Result<Vec<Reply>, Errno> {
        let bytes = socket::receive(&self.fd, 64 << 10, 0)?;
        let (mut rest, mut replies) = (bytes.as_slice(), Vec::new());
        while rest.len() >= HEADER {
            let word = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().expect("four bytes"));
            let length = word(0) as usize;
            let Some(body) = rest.get(HEADER..length) else { break };
            replies.push(Reply { kind: word(4) as u16, sequence: word(8), body: body.to_vec() });
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(replies)
    }
}

/// What an error message says; number 0 is an acknowledgement.
pub fn error_of(reply: &Reply) -> Result<(), Errno> {
    let number = reply
        .body
        .get(..4)
        .map_or(-libc::EBADMSG, |bytes| i32::from_ne_bytes(bytes.try_into().expect("four bytes")));
    if number == 0 { Ok(()) } else { Err(Errno(-number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_again() {
        let attributes =
            Attributes::default().text(3, "veth").u32(1, 77).nested(9, Attributes::default().be32(2, 5));
        assert_eq!(attribute(&attributes.0, 3), Some(&b"veth\0"[..]));
        assert_eq!(attribute(&attributes.0, 1), Some(&77u32.to_ne_bytes()[..]));
        let inner = attribute(&attributes.0, 9).unwrap();
        assert_eq!(attribute(inner, 2), Some(&5u32.to_be_bytes()[..]));
        assert_eq!(attribute(&attributes.0, 4), None);
    }

    #[test]
    fn torn_attributes_end_the_search() {
        for length in 0..8u8 {
            let _ = attribute(&[length, 0, 1, 0, 9], 1);
            let _ = attribute(&[length, 255, 1, 0], 2);
        }
    }
}
