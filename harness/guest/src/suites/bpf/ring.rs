//! Ring buffers beyond plain output: reservations, what the verifier keeps of them, and what a reader is told
//! (Documentation/bpf/ringbuf.rst).

use super::support::{accepted, create, rejected_with, returning, run};
use crate::bpf::{Condition, Instruction, Load, Map, MapKind, MapSpec, ProgramKind, Register::*, Width};
use crate::case::{fails_with, setup, succeeds};
use crate::mapping::{Mapping, PAGE};
use crate::sys::{check as result_of, owned};
use crate::{CaseResult, Context, Stop, check_eq, code, syscall};
use ProgramKind::SocketFilter;
use std::os::fd::{AsRawFd, OwnedFd};

const OUTPUT: i32 = 130;
const RESERVE: i32 = 131;
const SUBMIT: i32 = 132;
const DISCARD: i32 = 133;
const QUERY: i32 = 134;

/// Bits of a record's length (linux/bpf.h).
const DISCARDED: u32 = 1 << 30;

const NO_WAKEUP: i32 = 1;
const FORCE_WAKEUP: i32 = 2;

fn ring() -> Result<Map, Stop> {
    create(MapSpec::new(MapKind::RingBuffer, 0, 0, PAGE as u32))
}

/// R0 = a reservation of so many bytes, or null; leaves with 1 in the latter case; R6 = R0.
fn reserve(ring: &Map, bytes: i32) -> Vec<Instruction> {
    code![
        Instruction::load_map(R1, ring),
        Instruction::mov(R2, bytes),
        Instruction::mov(R3, 0),
        Instruction::call(RESERVE),
        Instruction::jump(Condition::Ne, R0, 0, 2),
        returning(1),
        Instruction::mov(R6, R0),
    ]
}

fn finish(helper: i32, flags: i32) -> Vec<Instruction> {
    code![Instruction::mov(R1, R6), Instruction::mov(R2, flags), Instruction::call(helper)]
}

/// Producer's page and data, and the consumer's page.
struct View {
    consumer: Mapping,
    producer: Mapping,
}

impl View {
    fn new(ring: &Map) -> Result<View, Stop> {
        let both = libc::PROT_READ | libc::PROT_WRITE;
        let consumer = Mapping::of(ring, PAGE, both, libc::MAP_SHARED);
        let consumer = succeeds("mmap of the consumer's page", consumer)?;
        let producer = Mapping::at(ring, PAGE as u64, 3 * PAGE, libc::PROT_READ, libc::MAP_SHARED);
        Ok(View { consumer, producer: succeeds("mmap of producer and data", producer)? })
    }

    fn bytes(&self, offset: usize) -> [u8; 8] {
        std::array::from_fn(|at| self.producer.peek(offset + at))
    }

    fn produced(&self) -> u64 {
        u64::from_le_bytes(self.bytes(0))
    }

    /// Length word and first eight bytes of the record at this position.
    fn record(&self, position: usize) -> (u32, u64) {
        let header = u64::from_le_bytes(self.bytes(PAGE + position));
        (header as u32, u64::from_le_bytes(self.bytes(PAGE + position + 8)))
    }

    fn consume(&mut self, position: u64) {
        for (at, byte) in position.to_le_bytes().into_iter().enumerate() {
            self.consumer.poke(at, byte);
        }
    }
}

pub fn submitted_and_discarded_records_are_told_apart(_: &Context) -> CaseResult {
    let ring = ring()?;
    let view = View::new(&ring)?;
    for (round, (helper, bytes, word)) in
        [(SUBMIT, 8, 0x11), (DISCARD, 16, 0x22), (SUBMIT, 13, 0x33), (DISCARD, 8, 0x44)]
            .into_iter()
            .enumerate()
    {
        let position = view.produced();
        let program = accepted(
            "a program that reserves",
            SocketFilter,
            &code![
                reserve(&ring, bytes),
                Instruction::store(Width::Double, R6, 0, word),
                finish(helper, 0),
                returning(0),
            ],
        )?;
        check_eq!(run(&program)?, 0, "return value of round {round}");
        let length = bytes as u32 | if helper == DISCARD { DISCARDED } else { 0 };
        check_eq!(view.record(position as usize), (length, word as u64), "record of round {round}");
        // Header of 8 bytes, and data rounded up to 8.
        let next = position + 8 + (bytes as u64).next_multiple_of(8);
        check_eq!(view.produced(), next, "producer position after round {round}");
    }
    Ok(())
}

pub fn reservation_larger_than_the_ring_is_null(_: &Context) -> CaseResult {
    let ring = ring()?;
    let outcome = |bytes: i32| {
        let body = code![reserve(&ring, bytes), finish(DISCARD, 0), returning(0)];
        run(&accepted("a program that reserves", SocketFilter, &body)?)
    };
    let page = PAGE as i32;
    check_eq!(outcome(page - 8 + 1)?, 1, "1 for null, when a byte more than the ring holds is reserved");
    check_eq!(outcome(i32::MAX)?, 1, "1 for null, when 2 GiB are reserved");
    check_eq!(outcome(page / 2)?, 0, "0 when half of the ring is reserved");
    Ok(())
}

pub fn reservation_must_be_finished_once(_: &Context) -> CaseResult {
    let ring = ring()?;
    let bad: [(&str, Vec<Instruction>, &[&str]); 5] = [
        (
            "a reservation that is never finished",
            code![reserve(&ring, 8), returning(0)],
            &["Unreleased reference"],
        ),
        (
            "a reservation finished twice",
            code![reserve(&ring, 8), finish(SUBMIT, 0), finish(DISCARD, 0), returning(0)],
            &["type=scalar", "type=inv", "R1 must be", "!read_ok"],
        ),
        (
            "a store after submission",
            code![
                reserve(&ring, 8),
                finish(SUBMIT, 0),
                Instruction::store(Width::Byte, R6, 0, 1),
                returning(0)
            ],
            &["invalid mem access"],
        ),
        (
            "a store behind the reservation",
            code![
                reserve(&ring, 8),
                Instruction::store(Width::Byte, R6, 8, 1),
                finish(SUBMIT, 0),
                returning(0)
            ],
            &["off=8 size=1"],
        ),
        (
            "a result used unchecked",
            code![
                Instruction::load_map(R1, &ring),
                Instruction::mov(R2, 8),
                Instruction::mov(R3, 0),
                Instruction::call(RESERVE),
                Instruction::store(Width::Byte, R0, 0, 1),
                returning(0),
            ],
            &["mem_or_null"],
        ),
    ];
    for (what, code, texts) in &bad {
        rejected_with(what, &Load::new(SocketFilter, code), &[libc::EINVAL, libc::EACCES], texts)?;
    }
    Ok(())
}

/// The record's header is found from the pointer, so it must be the very one that was reserved.
pub fn only_the_reservation_itself_is_submitted(_: &Context) -> CaseResult {
    let ring = ring()?;
    let code = code![reserve(&ring, 8), Instruction::add(R6, 4), finish(SUBMIT, 0), returning(0)];
    let texts = ["dereference of modified", "must have zero offset", "off=4", "expected"];
    let request = Load::new(SocketFilter, &code);
    rejected_with("a pointer amid a reservation submitted", &request, &[libc::EINVAL, libc::EACCES], &texts)
}

/// The kernel consumes here, so a process may not write the consumer's page, but all the others.
pub fn user_ring_is_written_by_its_producer(_: &Context) -> CaseResult {
    let ring = create(MapSpec::new(MapKind::UserRingBuffer, 0, 0, PAGE as u32))?;
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let map = |offset: usize, pages: usize, protection: i32| {
        Mapping::at(&ring, offset as u64, pages * PAGE, protection, libc::MAP_SHARED)
    };
    fails_with("writable mmap of the consumer's page", map(0, 1, both), libc::EPERM)?;
    let consumer = succeeds("mmap of the consumer's page", map(0, 1, libc::PROT_READ))?;
    check_eq!(consumer.peek(0), 0, "the consumer's position");
    let mut producer = succeeds("writable mmap of producer and data", map(PAGE, 3, both))?;
    producer.poke(PAGE, 0x5a);
    check_eq!(producer.peek(2 * PAGE), 0x5a, "the data's second mapping, which follows the first");
    fails_with("mmap of a page more than there is", map(PAGE, 4, both), libc::EINVAL)
}

/// What bpf_ringbuf_query says of data not yet consumed, size, and both positions.
pub fn query_tells_the_state(_: &Context) -> CaseResult {
    let ring = ring()?;
    let mut view = View::new(&ring)?;
    let query = |flag: i32| {
        let body = code![
            Instruction::load_map(R1, &ring),
            Instruction::mov(R2, flag),
            Instruction::call(QUERY),
            Instruction::exit(),
        ];
        run(&accepted("a program that queries", SocketFilter, &body)?)
    };
    let all = || [0, 1, 2, 3, 4].map(query).into_iter().collect::<Result<Vec<u32>, Stop>>();
    let size = PAGE as u32;
    check_eq!(all()?, [0, size, 0, 0, 0], "data, size, consumer, producer, unknown: of an empty ring");
    let output = accepted("a program with output", SocketFilter, &output(&ring, 0))?;
    for _ in 0..3 {
        check_eq!(run(&output)?, 0, "return value of bpf_ringbuf_output");
    }
    check_eq!(all()?, [48, size, 0, 48, 0], "the same after three records of 16 bytes");
    view.consume(32);
    check_eq!(all()?, [16, size, 32, 48, 0], "the same after two were consumed");
    Ok(())
}

fn output(ring: &Map, flags: i32) -> Vec<Instruction> {
    code![
        Instruction::store(Width::Double, R10, -8, 7),
        Instruction::load_map(R1, ring),
        Instruction::mov(R2, R10),
        Instruction::add(R2, -8),
        Instruction::mov(R3, 8),
        Instruction::mov(R4, flags),
        Instruction::call(OUTPUT),
        Instruction::exit(),
    ]
}

fn readable(ring: &Map) -> Result<bool, Stop> {
    let mut poll = libc::pollfd { fd: ring.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one structure, ours.
    setup("poll", result_of(unsafe { libc::poll(&mut poll, 1, 0) }.into()))?;
    Ok(poll.revents & libc::POLLIN != 0)
}

pub fn ring_is_readable_while_it_has_data(_: &Context) -> CaseResult {
    let ring = ring()?;
    let mut view = View::new(&ring)?;
    check_eq!(readable(&ring)?, false, "an empty ring is readable");
    for (round, flags) in (1..).zip([0, NO_WAKEUP, FORCE_WAKEUP]) {
        let output = accepted("a program with output", SocketFilter, &output(&ring, flags))?;
        check_eq!(run(&output)?, 0, "return value of bpf_ringbuf_output with flags {flags}");
        check_eq!(readable(&ring)?, true, "a ring with a record is readable");
        view.consume(16 * round);
        check_eq!(readable(&ring)?, false, "a ring whose records were consumed is readable");
    }
    let output = accepted("a program with output", SocketFilter, &output(&ring, 4))?;
    check_eq!(run(&output)?.cast_signed(), -libc::EINVAL, "bpf_ringbuf_output with unknown flag 4");
    Ok(())
}

/// Waits for the ring's wakeups, not for its data: edge-triggered, so that unread data is told of once only.
struct Waiter(OwnedFd);

impl Waiter {
    fn on(ring: &Map) -> Result<Waiter, Stop> {
        // SAFETY: takes no pointers.
        let epoll = unsafe { syscall!(libc::SYS_epoll_create1, libc::EPOLL_CLOEXEC) };
        let epoll = owned(setup("epoll_create1", epoll)?);
        let event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 0 };
        let (fd, ring) = (epoll.as_raw_fd(), ring.as_raw_fd());
        // SAFETY: the event is ours.
        let added = unsafe { syscall!(libc::SYS_epoll_ctl, fd, libc::EPOLL_CTL_ADD, ring, &raw const event) };
        setup("epoll_ctl", added)?;
        Ok(Waiter(epoll))
    }

    /// Whether a wakeup comes within so many milliseconds.
    fn is_woken(&self, milliseconds: i32) -> Result<bool, Stop> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: one event, ours.
        let woken = unsafe { libc::epoll_wait(self.0.as_raw_fd(), &mut event, 1, milliseconds) };
        Ok(setup("epoll_wait", result_of(woken.into()))? > 0)
    }
}

/// Who waits is woken by the record that it waits for, and by others only where a flag says so.
pub fn wakeup_flags_are_obeyed(_: &Context) -> CaseResult {
    const PATIENCE: i32 = 5000;
    // A wakeup that must not come would come at once, or with the next tick.
    const A_WHILE: i32 = 60;
    for (helper, name) in [(SUBMIT, "bpf_ringbuf_submit"), (DISCARD, "bpf_ringbuf_discard")] {
        let ring = ring()?;
        let mut view = View::new(&ring)?;
        let waiter = Waiter::on(&ring)?;
        check_eq!(waiter.is_woken(0)?, false, "a wakeup by an empty ring");
        let mut wakes = |flags: i32, patience: i32, consumes: bool| {
            let body = code![reserve(&ring, 8), finish(helper, flags), returning(0)];
            check_eq!(run(&accepted("a program that reserves", SocketFilter, &body)?)?, 0, "return value");
            let woken = waiter.is_woken(patience)?;
            if consumes {
                view.consume(view.produced());
            }
            Ok::<bool, Stop>(woken)
        };
        check_eq!(wakes(0, PATIENCE, true)?, true, "{name} of the record waited for wakes");
        check_eq!(wakes(NO_WAKEUP, A_WHILE, false)?, false, "{name} with BPF_RB_NO_WAKEUP wakes");
        check_eq!(wakes(0, A_WHILE, false)?, false, "{name} behind a record not consumed yet wakes");
        check_eq!(wakes(FORCE_WAKEUP, PATIENCE, true)?, true, "{name} with BPF_RB_FORCE_WAKEUP wakes");
        check_eq!(wakes(NO_WAKEUP, A_WHILE, true)?, false, "{name} with BPF_RB_NO_WAKEUP again wakes");
        check_eq!(wakes(0, PATIENCE, true)?, true, "{name} of the next record waited for wakes");
    }
    Ok(())
}
