//! Times that sockets tell 32-bit programs: whole by the options and requests whose names end in `NEW`; by those before
//! them, as much as fits in 32 bits.

use super::entry::{Low, int80, needs_int80};
use super::legacy::is_low_half_of_now;
use super::socket::*;
use super::support::*;
use crate::case::{CaseResult, Stop, setup, succeeds};
use crate::{Context, check, check_eq, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

/// Numbers in arch/x86/entry/syscalls/syscall_32.tbl.
const IOCTL: u32 = 54;
const GETSOCKOPT: u32 = 365;
const SETSOCKOPT: u32 = 366;
const RECVMSG: u32 = 372;

const SOL_SOCKET: u32 = libc::SOL_SOCKET as u32;

fn pointer(low: &Low, offset: usize) -> u32 {
    u32::try_from(low.at(offset)).expect("the memory is below 4 GiB")
}

fn number(socket: &OwnedFd) -> u32 {
    socket.as_raw_fd().cast_unsigned()
}

/// A 32-bit program's message header and control message have words of 32 bits. Gives the control message's type, and
/// its content in such words.
fn receive(low: &Low, socket: &OwnedFd) -> Result<Option<(u32, Vec<u32>)>, Stop> {
    const VECTOR: usize = 64;
    const DATA: usize = 128;
    const CONTROL: usize = 256;
    low.put(VECTOR, [pointer(low, DATA), 16]);
    // Name and its length, vectors and their number, control and its length, flags.
    low.put(0, [0, 0, pointer(low, VECTOR), 1, pointer(low, CONTROL), 128, 0u32]);
    // SAFETY: everything pointed to is in the low memory.
    succeeds("recvmsg", unsafe { int80(RECVMSG, [number(socket), pointer(low, 0), 0, 0, 0, 0]) })?;
    let header: [u32; 7] = low.get(0);
    if header[5] == 0 {
        return Ok(None);
    }
    let [length, level, kind, content @ ..]: [u32; 32] = low.get(CONTROL);
    check!(
        level == SOL_SOCKET && (12..=128).contains(&length),
        "a control message: {length} bytes, level {level}"
    );
    Ok(Some((kind, content[..length as usize / 4 - 3].to_vec())))
}

/// Sends until a datagram comes with a timestamp, as [`super::socket`] does.
fn timestamped(low: &Low, [sender, receiver]: &[OwnedFd; 2]) -> Result<(u32, Vec<u32>), Stop> {
    for _ in 0..100 {
        send(sender, b"x")?;
        if let Some(message) = receive(low, receiver)? {
            return Ok(message);
        }
        pause(10 * MILLISECOND)?;
    }
    Err(Stop::Fail("a hundred datagrams came to a 32-bit program without a timestamp".into()))
}

/// Seconds of the first of so many timestamps.
fn tells(pair: &[OwnedFd; 2], (name, option, value): (&str, i32, i32), words: usize) -> CaseResult {
    let low = Low::new()?;
    low.put(0, value);
    let arguments = [number(&pair[1]), SOL_SOCKET, option.cast_unsigned(), pointer(&low, 0), 4, 0];
    // SAFETY: the value is in the low memory.
    succeeds(name, unsafe { int80(SETSOCKOPT, arguments) })?;
    for seconds in [LAST + 1, FAR] {
        set(Time::new(seconds, 0))?;
        let (kind, content) = timestamped(&low, pair)?;
        check_eq!(kind, option.cast_unsigned(), "type of the control message for {name}");
        check_eq!(content.len(), words, "words of the control message for {name}");
        let what = format!("the time told by {name} to a 32-bit program");
        // A time of the old kind is two words; of the new kind, four.
        match words {
            2 | 6 => is_low_half_of_now(&what, content[0])?,
            _ => is_of_now(&what, i64::from(content[0]) | i64::from(content[1]) << 32)?,
        }
    }
    Ok(())
}

pub fn timestamp_for_32_bit_programs_is_whole(_: &Context) -> CaseResult {
    needs_int80()?;
    tells(&unix_pair()?, ("SO_TIMESTAMP_NEW", SO_TIMESTAMP_NEW, 1), 4)?;
    tells(&unix_pair()?, ("SO_TIMESTAMPNS_NEW", SO_TIMESTAMPNS_NEW, 1), 4)?;
    tells(&udp_pair()?, ("SO_TIMESTAMPING_NEW", SO_TIMESTAMPING_NEW, RX_SOFTWARE), 12)
}

pub fn old_timestamp_for_32_bit_programs_keeps_the_low_half(_: &Context) -> CaseResult {
    needs_int80()?;
    tells(&unix_pair()?, ("SO_TIMESTAMP_OLD", SO_TIMESTAMP_OLD, 1), 2)?;
    tells(&unix_pair()?, ("SO_TIMESTAMPNS_OLD", SO_TIMESTAMPNS_OLD, 1), 2)?;
    tells(&udp_pair()?, ("SO_TIMESTAMPING_OLD", SO_TIMESTAMPING_OLD, RX_SOFTWARE), 6)
}

/// SIOCGSTAMP and SIOCGSTAMPNS of either kind.
pub fn last_timestamp_for_32_bit_programs_is_whole(_: &Context) -> CaseResult {
    needs_int80()?;
    let low = Low::new()?;
    let [sender, receiver] = udp_pair()?;
    for (name, request, is_new) in [
        ("SIOCGSTAMP_OLD", 0x8906, false),
        ("SIOCGSTAMPNS_OLD", 0x8907, false),
        ("SIOCGSTAMP_NEW", 0x8010_8906, true),
        ("SIOCGSTAMPNS_NEW", 0x8010_8907, true),
    ] {
        // SAFETY: the structure is in the low memory.
        let ask = || unsafe { int80(IOCTL, [number(&receiver), request, pointer(&low, 0), 0, 0, 0]) };
        // The first question switches timestamps on.
        let _ = ask();
        for seconds in [LAST + 1, FAR] {
            set(Time::new(seconds, 0))?;
            send(&sender, b"x")?;
            let mut byte = 0u64;
            // SAFETY: the word is ours.
            setup("read", unsafe { syscall!(libc::SYS_read, receiver.as_raw_fd(), &raw mut byte, 8) })?;
            low.put(0, [0u64; 2]);
            succeeds(name, ask())?;
            let what = format!("the time told by {name} to a 32-bit program");
            match is_new {
                true => is_of_now(&what, low.get(0))?,
                false => is_low_half_of_now(&what, low.get(0))?,
            }
        }
    }
    Ok(())
}

/// Asks for a timeout, and is told it.
fn timeout<T: Copy>(low: &Low, socket: &OwnedFd, (name, option): (&str, i32), value: T) -> Result<T, Stop> {
    const LENGTH: usize = 64;
    let (value, size) = (low.put(0, value) as u32, size_of::<T>() as u32);
    let fixed = [number(socket), SOL_SOCKET, option.cast_unsigned(), value];
    // SAFETY: the value is in the low memory.
    let asked = unsafe { int80(SETSOCKOPT, [fixed[0], fixed[1], fixed[2], fixed[3], size, 0]) };
    succeeds(name, asked)?;
    low.put(0, [0u64; 2]);
    let length = low.put(LENGTH, size) as u32;
    // SAFETY: value and length are in the low memory.
    let told = unsafe { int80(GETSOCKOPT, [fixed[0], fixed[1], fixed[2], fixed[3], length, 0]) };
    succeeds(name, told)?;
    check_eq!(low.get::<u32>(LENGTH), size, "length of {name} for a 32-bit program");
    Ok(low.get(0))
}

pub fn socket_timeout_of_32_bit_programs_is_kept(_: &Context) -> CaseResult {
    needs_int80()?;
    let low = Low::new()?;
    let [socket, _other] = unix_pair()?;
    for option in [("SO_RCVTIMEO_NEW", SO_RCVTIMEO_NEW), ("SO_SNDTIMEO_NEW", SO_SNDTIMEO_NEW)] {
        for seconds in [1, LAST, LAST + 1, LAST_UNSIGNED + 1, FAR] {
            let told = timeout(&low, &socket, option, [seconds, 0])?;
            check_eq!(told, [seconds, 0], "{} of a 32-bit program read back", option.0);
        }
    }
    for option in [("SO_RCVTIMEO_OLD", libc::SO_RCVTIMEO), ("SO_SNDTIMEO_OLD", libc::SO_SNDTIMEO)] {
        for seconds in [1, LAST as i32] {
            let told = timeout(&low, &socket, option, [seconds, 0])?;
            check_eq!(told, [seconds, 0], "{} of a 32-bit program read back", option.0);
        }
    }
    Ok(())
}
