//! Sockets that take packets before the network stack does, and the map that programs find them in (map_xskmap.rst,
//! networking/af_xdp.rst).

use super::cgroup::program;
use super::device_link::{LONG, Wire, XDP, on_loopback};
use super::support::{PATIENCE, create};
use crate::bpf::{Instruction, Map, MapKind, MapSpec, ProgramKind, Register::*, Width, update};
use crate::case::{fails_with, setup, succeeds};
use crate::mapping::{Mapping, PAGE};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, code, file, socket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};

const AF_XDP: i32 = 44;
const SOL_XDP: i32 = 283;
const MMAP_OFFSETS: i32 = 1;
const RX_RING: i32 = 2;
const UMEM_REG: i32 = 4;
const FILL_RING: i32 = 5;
const COMPLETION_RING: i32 = 6;
const FILL_RING_OFFSET: u64 = 1 << 32;
const COPY: u16 = 2;

/// Frames of memory, and places in each ring.
const FRAMES: usize = 8;

/// Fields that lie in a mapped ring, which the kernel changes meanwhile.
struct Ring {
    memory: Mapping,
    producer: usize,
    consumer: usize,
    entries: usize,
}

impl Ring {
    /// `places`: of producer, consumer and entries.
    fn new(socket: &OwnedFd, at: u64, places: &[u64], size: usize) -> Result<Ring, Stop> {
        let [producer, consumer, entries] = [places[0], places[1], places[2]].map(|place| place as usize);
        let memory = Mapping::shared_at(socket, at, entries + FRAMES * size);
        Ok(Ring { memory: succeeds("mmap of a ring", memory)?, producer, consumer, entries })
    }

    fn word(&self, place: usize) -> u64 {
        u64::from_ne_bytes(std::array::from_fn(|byte| self.memory.peek(place + byte)))
    }

    fn store(&mut self, place: usize, bytes: &[u8]) {
        for (at, &byte) in bytes.iter().enumerate() {
            self.memory.poke(place + at, byte);
        }
    }
}

/// A socket that takes packets of the loopback, with its memory.
struct Taker {
    socket: OwnedFd,
    frames: Mapping,
    received: Ring,
    /// Frames are the kernel's as long as this is mapped or not; it says which.
    _fill: Ring,
}

/// `struct sockaddr_xdp`: family, flags, device, queue, another socket.
#[repr(C)]
struct Address(u16, u16, u32, u32, u32);

impl Taker {
    fn new() -> Result<Taker, Stop> {
        let socket = setup("socket(AF_XDP)", socket::new(AF_XDP, libc::SOCK_RAW, 0))?;
        let frames = Mapping::anonymous(FRAMES * PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
        let set = |option, value: &[u64]| match option {
            UMEM_REG => socket::set(&socket, SOL_XDP, option, &[value[0], value[1], value[2], 0]),
            _ => socket::set(&socket, SOL_XDP, option, &(value[0] as u32)),
        };
        // Address, length, and the size of a frame with no space before the packet.
        let memory = [frames.address(), (FRAMES * PAGE) as u64, PAGE as u64];
        succeeds("XDP_UMEM_REG", set(UMEM_REG, &memory))?;
        for option in [FILL_RING, COMPLETION_RING, RX_RING] {
            succeeds(&format!("ring {option} of an XDP socket"), set(option, &[FRAMES as u64]))?;
        }
        let places = succeeds("XDP_MMAP_OFFSETS", socket::get(&socket, SOL_XDP, MMAP_OFFSETS, [0u64; 16]))?;
        let received = Ring::new(&socket, 0, &places[..4], 16)?;
        let mut fill = Ring::new(&socket, FILL_RING_OFFSET, &places[8..12], 8)?;
        for frame in 0..FRAMES {
            fill.store(fill.entries + 8 * frame, &((frame * PAGE) as u64).to_ne_bytes());
        }
        fence(Ordering::SeqCst);
        fill.store(fill.producer, &(FRAMES as u32).to_ne_bytes());
        let address = Address(AF_XDP as u16, COPY, 1, 0, 0);
        succeeds("bind of an XDP socket", socket::bind(&socket, &address, size_of::<Address>()))?;
        Ok(Taker { socket, frames, received, _fill: fill })
    }

    /// The next packet, which must come.
    fn take(&mut self) -> Result<Vec<u8>, Stop> {
        let ready = setup("poll", file::poll(&self.socket, libc::POLLIN, PATIENCE))?;
        check!(ready != 0, "no packet comes to an XDP socket that a program chose");
        fence(Ordering::SeqCst);
        let done = self.received.word(self.received.consumer) as u32;
        // `struct xdp_desc`: address in the memory, length, options.
        let place = self.received.entries + 16 * (done as usize % FRAMES);
        let (address, length) = (self.received.word(place), self.received.word(place + 8) as u32);
        check!(address + u64::from(length) <= (FRAMES * PAGE) as u64, "{length} bytes at {address:#x}");
        let packet = (0..length as usize).map(|byte| self.frames.peek(address as usize + byte)).collect();
        fence(Ordering::SeqCst);
        self.received.store(self.received.consumer, &(done + 1).to_ne_bytes());
        Ok(packet)
    }

    /// Whether packets wait.
    fn has_some(&self) -> bool {
        let [made, taken] = [self.received.producer, self.received.consumer];
        self.received.word(made) as u32 != self.received.word(taken) as u32
    }
}

fn put(map: &Map, index: u32, fd: i32, flags: u64) -> Result<i64, Errno> {
    map.update(&index.to_ne_bytes(), &fd.to_ne_bytes(), flags)
}

fn rules(map: &Map, taker: &Taker) -> CaseResult {
    let (fd, other) = (taker.socket.as_raw_fd(), socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0));
    let other = setup("socket", other)?;
    fails_with("insertion of no descriptor", put(map, 0, 0x7fff_ffff, 0), libc::EBADF)?;
    fails_with("insertion of a map", put(map, 0, map.as_raw_fd(), 0), libc::ENOTSOCK)?;
    fails_with("insertion of another socket", put(map, 0, other.as_raw_fd(), 0), libc::EOPNOTSUPP)?;
    fails_with("insertion outside", put(map, 2, fd, 0), libc::E2BIG)?;
    fails_with("unknown flags", put(map, 0, fd, 3), libc::EINVAL)?;
    fails_with("BPF_EXIST in an empty place", put(map, 1, fd, update::EXIST), libc::ENOENT)?;
    succeeds("insertion", put(map, 1, fd, update::NOEXIST))?;
    check!(map.lookup(&1u32.to_ne_bytes()).is_err(), "a process finds something in a map of XDP sockets");
    succeeds("deletion", map.delete(&1u32.to_ne_bytes())).map(drop)
}

/// Packets go to the socket that stands in the queue's place, and where none does, on their way.
pub fn map_leads_to_the_socket(_: &Context) -> CaseResult {
    const REDIRECT_MAP: i32 = 51;
    const XDP_PASS: i32 = 2;
    let wire = Wire::new()?;
    let mut taker = Taker::new()?;
    let map = create(MapSpec::new(MapKind::XdpSocketMap, 4, 4, 2))?;
    rules(&map, &taker)?;
    let code = code![
        Instruction::load(Width::Word, R2, R1, 16),
        Instruction::load_map(R1, &map),
        Instruction::mov(R3, XDP_PASS),
        Instruction::call(REDIRECT_MAP),
        Instruction::exit(),
    ];
    let program = program(ProgramKind::Xdp, XDP, &code)?;
    let _held = succeeds("BPF_LINK_CREATE on the loopback", on_loopback(&program, XDP, 0))?;
    wire.send(LONG)?;
    check_eq!(wire.receive()?, LONG, "a datagram whose queue has no socket in the map");
    succeeds("insertion", put(&map, 0, taker.socket.as_raw_fd(), 0))?;
    for length in [1, 8, 700] {
        let bytes: Vec<u8> = (0..length).map(|at: usize| at as u8 ^ 0x5a).collect();
        wire.send(&bytes)?;
        let packet = taker.take()?;
        check_eq!(packet.len(), 14 + 20 + 8 + length, "length of a packet with Ethernet, IPv4 and UDP");
        check_eq!(packet[packet.len() - length..], bytes, "the datagram in the packet");
    }
    succeeds("deletion", map.delete(&0u32.to_ne_bytes()))?;
    wire.send(LONG)?;
    check_eq!(wire.receive()?, LONG, "the first datagram after the socket was taken out of the map");
    check!(!taker.has_some(), "a packet comes to an XDP socket that is in no map");
    Ok(())
}
