//! The calls that wait, and what they are given to wait for.

use super::entry::{Entry, Low, Number};
use crate::case::{Stop, setup};
use crate::syscall;
use libc::ETIMEDOUT;
use std::ffi::CStr;

/// Where things lie in the memory that calls point to.
pub mod place {
    pub const TIME: usize = 0;
    pub const WORD: usize = 64;
    pub const SIGNALS: usize = 128;
    pub const SEMAPHORE_OPERATION: usize = 192;
    pub const MESSAGE: usize = 256;
    pub const CONTEXT: usize = 320;
}

/// What the waiting calls wait for; nothing ever comes.
pub struct Nothing {
    pub low: Low,
    /// Without a message, and with as many as it takes.
    queue: i32,
    full: i32,
    semaphore: i32,
    epoll: i32,
    /// A context of asynchronous I/O; nobody submits any.
    context: u64,
}

impl Nothing {
    /// Message queues, a semaphore and asynchronous I/O may be missing in a kernel; their calls are left out then.
    pub fn new(entry: Entry) -> Result<Nothing, Stop> {
        const SETUP: Number = number(libc::SYS_io_setup, 245);
        let low = Low::new()?;
        low.put(place::SIGNALS, 1u64 << (libc::SIGUSR2 - 1));
        let take_one = libc::sembuf { sem_num: 0, sem_op: -1, sem_flg: 0 };
        low.put(place::SEMAPHORE_OPERATION, take_one);
        let full = queue(c"gauntlet-y2038-full");
        // SAFETY: message, time and context are in the low memory, which is zero.
        unsafe {
            // Until 1970, in case the queue is full already.
            let (message, at_once) = (low.at(place::MESSAGE), low.at(place::TIME));
            let _ = syscall!(libc::SYS_mq_timedsend, full, message, 16, 0, at_once);
            let semaphore = syscall!(libc::SYS_semget, libc::IPC_PRIVATE, 1, 0o600);
            let epoll = setup("epoll_create1", syscall!(libc::SYS_epoll_create1, 0))?;
            // A context is an address, so it must come from the entry that is to know it.
            let _ = entry.call(SETUP, &[1, low.at(place::CONTEXT)]);
            Ok(Nothing {
                queue: queue(c"gauntlet-y2038"),
                full,
                semaphore: semaphore.map_or(-1, |id| id as i32),
                epoll: epoll as i32,
                context: low.get(place::CONTEXT),
                low,
            })
        }
    }
}

/// A message queue for one message of 16 bytes; -1 without.
fn queue(name: &CStr) -> i32 {
    let attributes = [0i64, 1, 16, 0, 0, 0, 0, 0];
    let flags = libc::O_RDWR | libc::O_CREAT;
    // SAFETY: the name and the attributes live through the call.
    let queue = unsafe { syscall!(libc::SYS_mq_open, name.as_ptr(), flags, 0o600, attributes.as_ptr()) };
    queue.map_or(-1, |fd| fd as i32)
}

/// One waiting call.
pub struct Waiting {
    pub name: &'static str,
    pub number: Number,
    pub arguments: fn(&Nothing) -> Option<[u64; 6]>,
    /// How it says that the time is over; `None` by success.
    pub over: Option<i32>,
}

const fn number(native: i64, int80: u32) -> Number {
    Number { native, int80 }
}

const FUTEX_WAIT: u64 = 0;
const FUTEX_WAIT_BITSET: u64 = 9;
const FUTEX_CLOCK_REALTIME: u64 = 256;
const ANY_BIT: u64 = 0xffff_ffff;
/// Not in libc for every architecture.
const IO_PGETEVENTS: i64 = 333;

/// Waits that take how long.
pub const RELATIVE: &[Waiting] = &[
    Waiting {
        name: "clock_nanosleep",
        number: number(libc::SYS_clock_nanosleep, 407),
        arguments: |on| Some([libc::CLOCK_REALTIME as u64, 0, on.low.at(place::TIME), 0, 0, 0]),
        over: None,
    },
    Waiting {
        name: "pselect6",
        number: number(libc::SYS_pselect6, 413),
        arguments: |on| Some([0, 0, 0, 0, on.low.at(place::TIME), 0]),
        over: None,
    },
    Waiting {
        name: "ppoll",
        number: number(libc::SYS_ppoll, 414),
        arguments: |on| Some([0, 0, on.low.at(place::TIME), 0, 0, 0]),
        over: None,
    },
    Waiting {
        name: "semtimedop",
        number: number(libc::SYS_semtimedop, 420),
        arguments: |on| {
            let id = u64::try_from(on.semaphore).ok()?;
            Some([id, on.low.at(place::SEMAPHORE_OPERATION), 1, on.low.at(place::TIME), 0, 0])
        },
        over: Some(libc::EAGAIN),
    },
    Waiting {
        name: "rt_sigtimedwait",
        number: number(libc::SYS_rt_sigtimedwait, 421),
        arguments: |on| Some([on.low.at(place::SIGNALS), 0, on.low.at(place::TIME), 8, 0, 0]),
        over: Some(libc::EAGAIN),
    },
    Waiting {
        name: "futex(FUTEX_WAIT)",
        number: number(libc::SYS_futex, 422),
        arguments: |on| Some([on.low.at(place::WORD), FUTEX_WAIT, 0, on.low.at(place::TIME), 0, 0]),
        over: Some(ETIMEDOUT),
    },
    Waiting {
        name: "epoll_pwait2",
        number: number(libc::SYS_epoll_pwait2, 441),
        arguments: |on| Some([on.epoll as u64, on.low.at(place::MESSAGE), 1, on.low.at(place::TIME), 0, 0]),
        over: None,
    },
    Waiting {
        name: "io_pgetevents",
        number: number(IO_PGETEVENTS, 416),
        arguments: |on| {
            let events = on.low.at(place::MESSAGE);
            (on.context != 0).then_some([on.context, 1, 1, events, on.low.at(place::TIME), 0])
        },
        over: None,
    },
];

/// Waits that take until when, by the real-time clock.
pub const ABSOLUTE: &[Waiting] = &[
    Waiting {
        name: "clock_nanosleep(TIMER_ABSTIME)",
        number: number(libc::SYS_clock_nanosleep, 407),
        arguments: |on| Some([libc::CLOCK_REALTIME as u64, 1, on.low.at(place::TIME), 0, 0, 0]),
        over: None,
    },
    Waiting {
        name: "futex(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME)",
        number: number(libc::SYS_futex, 422),
        arguments: |on| {
            let operation = FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME;
            Some([on.low.at(place::WORD), operation, 0, on.low.at(place::TIME), 0, ANY_BIT])
        },
        over: Some(ETIMEDOUT),
    },
    Waiting {
        name: "mq_timedreceive",
        number: number(libc::SYS_mq_timedreceive, 419),
        arguments: |on| {
            let queue = u64::try_from(on.queue).ok()?;
            Some([queue, on.low.at(place::MESSAGE), 16, 0, on.low.at(place::TIME), 0])
        },
        over: Some(ETIMEDOUT),
    },
    Waiting {
        name: "mq_timedsend",
        number: number(libc::SYS_mq_timedsend, 418),
        arguments: |on| {
            let queue = u64::try_from(on.full).ok()?;
            Some([queue, on.low.at(place::MESSAGE), 16, 0, on.low.at(place::TIME), 0])
        },
        over: Some(ETIMEDOUT),
    },
];
