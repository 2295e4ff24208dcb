//! Times that sockets tell: when a datagram came, and how long to wait for one.

use super::entry::{Entry, Low, Number, needs_int80};
use super::support::*;
use crate::case::{CaseResult, Stop, setup, succeeds};
use crate::sys::{Errno, check as result_of, owned};
use crate::{Context, check, check_eq, interface, socket, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

pub const SO_TIMESTAMP_OLD: i32 = 29;
pub const SO_TIMESTAMPNS_OLD: i32 = 35;
pub const SO_TIMESTAMPING_OLD: i32 = 37;
pub const SO_TIMESTAMP_NEW: i32 = 63;
pub const SO_TIMESTAMPNS_NEW: i32 = 64;
pub const SO_TIMESTAMPING_NEW: i32 = 65;
pub const SO_RCVTIMEO_NEW: i32 = 66;
pub const SO_SNDTIMEO_NEW: i32 = 67;

/// Made by software at reception, and told (Documentation/networking/timestamping.rst).
pub const RX_SOFTWARE: i32 = (1 << 3) | (1 << 4);

/// Two sockets, the second of which receives what is sent to the first.
pub fn unix_pair() -> Result<[OwnedFd; 2], Stop> {
    let mut fds = [0i32; 2];
    // SAFETY: the array is ours.
    let made = unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_DGRAM, 0, fds.as_mut_ptr()) };
    setup("socketpair", result_of(made.into()))?;
    Ok(fds.map(|fd| owned(fd.into())))
}

/// The same through UDP and the loopback interface, which is brought up.
pub fn udp_pair() -> Result<[OwnedFd; 2], Stop> {
    // SAFETY: no pointers.
    let new = || unsafe { syscall!(libc::SYS_socket, libc::AF_INET, libc::SOCK_DGRAM, 0) };
    let [sender, receiver] = [setup("socket", new())?, setup("socket", new())?].map(owned);
    setup("SIOCSIFFLAGS of lo", interface::raise("lo"))?;
    let mut address = socket::loopback(0);
    let mut length = size_of_val(&address) as u32;
    // SAFETY: address and length are ours.
    unsafe {
        let fd = receiver.as_raw_fd();
        setup("bind", syscall!(libc::SYS_bind, fd, &raw const address, length))?;
        setup("getsockname", syscall!(libc::SYS_getsockname, fd, &raw mut address, &raw mut length))?;
        setup("connect", syscall!(libc::SYS_connect, sender.as_raw_fd(), &raw const address, length))?;
    }
    Ok([sender, receiver])
}

pub fn send(socket: &OwnedFd, bytes: &[u8]) -> CaseResult {
    crate::case::setup("write to a socket", crate::file::write(socket, bytes)).map(drop)
}

fn set_option<T>(socket: &OwnedFd, option: i32, value: &T) -> Result<i64, Errno> {
    let (fd, length) = (socket.as_raw_fd(), size_of::<T>());
    let value: *const T = value;
    // SAFETY: the value is ours and as long as said.
    unsafe { syscall!(libc::SYS_setsockopt, fd, libc::SOL_SOCKET, option, value, length) }
}

/// Receives one datagram with its one control message, if it has one: type and content.
fn receive(socket: &OwnedFd) -> Result<Option<(i32, Vec<u8>)>, Stop> {
    let (mut data, mut control) = ([0u8; 16], [0u64; 32]);
    let mut vector = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
    // SAFETY: an all-zero header is valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: everything pointed to is ours and as long as said.
    setup("recvmsg", unsafe { syscall!(libc::SYS_recvmsg, socket.as_raw_fd(), &raw mut message, 0) })?;
    // SAFETY: the header of the control message and its content, as far as the kernel says they reach.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() {
            return Ok(None);
        }
        let length = (*header).cmsg_len - libc::CMSG_LEN(0) as usize;
        let content = std::slice::from_raw_parts(libc::CMSG_DATA(header), length);
        Ok(Some(((*header).cmsg_type, content.to_vec())))
    }
}

fn words(bytes: &[u8]) -> Vec<i64> {
    bytes.chunks_exact(8).map(|word| i64::from_ne_bytes(word.try_into().expect("eight bytes"))).collect()
}

/// Sends until a datagram comes with a timestamp, and gives that: the kernel starts to take the time of what it
/// receives a while after it is first asked to (`net_enable_timestamp`).
fn timestamped(sender: &OwnedFd, receiver: &OwnedFd) -> Result<(Time, i32, Vec<u8>), Stop> {
    for _ in 0..100 {
        let before = now()?;
        send(sender, b"x")?;
        if let Some((kind, content)) = receive(receiver)? {
            return Ok((before, kind, content));
        }
        pause(10 * MILLISECOND)?;
    }
    Err(Stop::Fail("a hundred datagrams came without a timestamp".into()))
}

/// A timestamp option, by name and number, its value, and how many units its second word counts in a second.
type StampOption = (&'static str, i32, i32, i64);

const ANY_SOCKET: [StampOption; 4] = [
    ("SO_TIMESTAMP_OLD", SO_TIMESTAMP_OLD, 1, 1_000_000),
    ("SO_TIMESTAMP_NEW", SO_TIMESTAMP_NEW, 1, 1_000_000),
    ("SO_TIMESTAMPNS_OLD", SO_TIMESTAMPNS_OLD, 1, SECOND),
    ("SO_TIMESTAMPNS_NEW", SO_TIMESTAMPNS_NEW, 1, SECOND),
];

/// For packets of network devices only.
const NETWORK_SOCKET: [StampOption; 2] = [
    ("SO_TIMESTAMPING_OLD", SO_TIMESTAMPING_OLD, RX_SOFTWARE, SECOND),
    ("SO_TIMESTAMPING_NEW", SO_TIMESTAMPING_NEW, RX_SOFTWARE, SECOND),
];

/// Timestamps of a 64-bit program: either generation of options tells whole seconds.
fn tells_whole_times([sender, receiver]: [OwnedFd; 2], option: StampOption) -> CaseResult {
    let (name, option, value, units) = option;
    succeeds(name, set_option(&receiver, option, &value))?;
    for seconds in [LAST + 1, LAST_UNSIGNED, FAR] {
        set(Time::new(seconds, 0))?;
        let (before, kind, content) = timestamped(&sender, &receiver)?;
        check_eq!(kind, option, "type of the control message for {name}");
        let told = words(&content);
        check!(told.len() >= 2 && (0..units).contains(&told[1]), "{name}: {told:?}");
        let told = Time::new(told[0], told[1] * (SECOND / units));
        // The unit cuts off.
        let floor = before.after(-SECOND / units);
        check!(told >= floor && told <= now()?, "{name} of a datagram sent after {before:?}: {told:?}");
    }
    Ok(())
}

pub fn timestamp_of_a_unix_datagram_is_whole(_: &Context) -> CaseResult {
    ANY_SOCKET.into_iter().try_for_each(|option| tells_whole_times(unix_pair()?, option))
}

pub fn timestamp_of_a_udp_datagram_is_whole(_: &Context) -> CaseResult {
    let mut options = ANY_SOCKET.into_iter().chain(NETWORK_SOCKET);
    options.try_for_each(|option| tells_whole_times(udp_pair()?, option))
}

/// The ioctls that tell when the last datagram came (socket(7)): `SIOCGSTAMP_NEW` and `SIOCGSTAMPNS_NEW` for all
/// programs, and the old numbers.
pub fn timestamp_of_the_last_datagram_is_whole(_: &Context) -> CaseResult {
    const SIOCGSTAMP_NEW: u64 = 0x8010_8906;
    const SIOCGSTAMPNS_NEW: u64 = 0x8010_8907;
    let [sender, receiver] = udp_pair()?;
    for (name, request, unit) in [
        ("SIOCGSTAMP", 0x8906, 1000),
        ("SIOCGSTAMPNS", 0x8907, 1),
        ("SIOCGSTAMP_NEW", SIOCGSTAMP_NEW, 1000),
        ("SIOCGSTAMPNS_NEW", SIOCGSTAMPNS_NEW, 1),
    ] {
        let ask = || {
            let mut told = [0i64; 2];
            // SAFETY: two words, as the request expects.
            let asked =
                unsafe { syscall!(libc::SYS_ioctl, receiver.as_raw_fd(), request, told.as_mut_ptr()) };
            asked.map(|_| Time::new(told[0], told[1] * unit))
        };
        // The first question switches timestamps on.
        let _ = ask();
        for seconds in [LAST + 1, LAST_UNSIGNED, FAR] {
            set(Time::new(seconds, 0))?;
            send(&sender, b"x")?;
            let mut byte = 0u64;
            // SAFETY: the word is ours.
            setup("read", unsafe { syscall!(libc::SYS_read, receiver.as_raw_fd(), &raw mut byte, 8) })?;
            let told = succeeds(name, ask())?;
            is_of_now(&format!("the time told by {name}"), told.seconds)?;
        }
    }
    Ok(())
}

pub fn socket_timeout_beyond_32_bits_is_kept(_: &Context) -> CaseResult {
    let [socket, _other] = unix_pair()?;
    for (name, option) in [
        ("SO_RCVTIMEO_OLD", libc::SO_RCVTIMEO),
        ("SO_SNDTIMEO_OLD", libc::SO_SNDTIMEO),
        ("SO_RCVTIMEO_NEW", SO_RCVTIMEO_NEW),
        ("SO_SNDTIMEO_NEW", SO_SNDTIMEO_NEW),
    ] {
        for seconds in [LAST + 1, LAST_UNSIGNED, LAST_UNSIGNED + 1, FAR] {
            let asked = [seconds, 0];
            succeeds(&format!("{name} of {seconds} s"), set_option(&socket, option, &asked))?;
            let (mut told, mut length) = ([0i64; 2], 16u32);
            // SAFETY: value and length are ours.
            let read = unsafe {
                let (value, length) = (told.as_mut_ptr(), &raw mut length);
                syscall!(libc::SYS_getsockopt, socket.as_raw_fd(), libc::SOL_SOCKET, option, value, length)
            };
            succeeds(name, read)?;
            check_eq!((told, length), (asked, 16), "{name} read back");
        }
    }
    Ok(())
}

/// recvmmsg(2) looks at its timeout after every datagram, so one cut to 0 would end it after the first.
fn many_with_a_long_timeout(entry: Entry) -> CaseResult {
    const TIME: usize = 0;
    const VECTORS: usize = 64;
    const HEADERS: usize = 256;
    let low = Low::new()?;
    let [sender, receiver] = unix_pair()?;
    for seconds in [LAST + 1, LAST_UNSIGNED + 1, FAR] {
        for _ in 0..3 {
            send(&sender, b"x")?;
        }
        let asked = Time::new(seconds, 0);
        low.put(TIME, asked);
        let buffer = low.at(1024);
        for message in 0..3 {
            match entry {
                Entry::Native => {
                    let vector = low.put(VECTORS + 16 * message, [buffer, 16]);
                    low.put(HEADERS + 64 * message, [0, 0, vector, 1, 0, 0, 0, 0u64]);
                }
                Entry::Int80 => {
                    let vector = low.put(VECTORS + 16 * message, [buffer as u32, 16]);
                    low.put(HEADERS + 32 * message, [0, 0, vector as u32, 1, 0, 0, 0, 0u32]);
                }
            }
        }
        let number = Number { native: libc::SYS_recvmmsg, int80: 417 };
        let fd = receiver.as_raw_fd() as u64;
        // SAFETY: everything pointed to is in the low memory.
        let received = unsafe { entry.call(number, &[fd, low.at(HEADERS), 3, 0, low.at(TIME)]) };
        check_eq!(
            received,
            Ok(3),
            "datagrams received by recvmmsg ({entry:?}) with a timeout of {seconds} s"
        );
        let left: Time = low.get(TIME);
        check!(asked.is_soon_after(left), "of {seconds} s, {left:?} are told as left ({entry:?})");
    }
    Ok(())
}

pub fn recvmmsg_timeout_beyond_32_bits_is_not_cut(_: &Context) -> CaseResult {
    many_with_a_long_timeout(Entry::Native)
}

pub fn recvmmsg_timeout_of_32_bit_programs_is_not_cut(_: &Context) -> CaseResult {
    needs_int80()?;
    many_with_a_long_timeout(Entry::Int80)
}
