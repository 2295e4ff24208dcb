//! Maps whose values stand for something else: sockets, devices, CPUs, cgroups, other maps.

use super::cgroup::{open, socket};
use super::support::{accepted, create, in_group, returning, run};
use crate::bpf::{
    Attributes, Command, Condition, Instruction, Map, MapKind, MapSpec, ProgramKind, Register::*, Width,
    update,
};
use crate::case::{fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, check, check_eq, code, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

const LOOKUP: i32 = 1;

/// SO_COOKIE of a socket.
fn cookie(socket: &OwnedFd) -> Result<u64, crate::Stop> {
    const SO_COOKIE: i32 = 57;
    let (mut cookie, mut length) = (0u64, 8u32);
    // SAFETY: value and length are ours.
    let got = unsafe {
        let (fd, value) = (socket.as_raw_fd(), &raw mut cookie);
        syscall!(libc::SYS_getsockopt, fd, libc::SOL_SOCKET, SO_COOKIE, value, &raw mut length)
    };
    setup("SO_COOKIE", got).map(|_| cookie)
}

/// Puts a descriptor in a place of an array or under a key of a hash, with values of eight bytes.
fn put(map: &Map, key: u32, fd: i32, flags: u64) -> Result<i64, Errno> {
    map.update(&key.to_ne_bytes(), &i64::from(fd).to_ne_bytes(), flags)
}

pub fn socket_maps(_: &Context) -> CaseResult {
    for kind in [MapKind::SocketMap, MapKind::SocketHash] {
        let map = create(MapSpec::new(kind, 4, 8, 2))?;
        let (first, second) = (
            setup("socket", socket(libc::AF_INET, libc::SOCK_DGRAM))?,
            setup("socket", socket(libc::AF_INET, libc::SOCK_STREAM))?,
        );
        bind(&first)?;
        fails_with("insertion of no descriptor", put(&map, 0, 0x7fff_ffff, 0), libc::EBADF)?;
        fails_with("insertion of a map", put(&map, 0, map.as_raw_fd(), 0), libc::ENOTSOCK)?;
        fails_with("lookup of an empty place", map.lookup(&0u32.to_ne_bytes()), libc::ENOENT)?;
        // A stream that is not connected has nothing to redirect.
        fails_with("an unconnected stream", put(&map, 0, second.as_raw_fd(), 0), libc::EOPNOTSUPP)?;
        succeeds("insertion of a bound datagram socket", put(&map, 0, first.as_raw_fd(), update::ANY))?;
        let again = put(&map, 0, first.as_raw_fd(), update::NOEXIST);
        fails_with("BPF_NOEXIST in a used place", again, libc::EEXIST)?;
        let missing = put(&map, 1, first.as_raw_fd(), update::EXIST);
        fails_with("BPF_EXIST in an empty place", missing, libc::ENOENT)?;
        fails_with("unknown flags", put(&map, 1, first.as_raw_fd(), 1 << 63), libc::EINVAL)?;
        let found = succeeds("lookup", map.lookup_u64(0))?;
        check_eq!(found, [cookie(&first)?], "what stands for the socket in a {kind:?}: its cookie");
        succeeds("deletion", map.delete(&0u32.to_ne_bytes()))?;
        check!(map.lookup(&0u32.to_ne_bytes()).is_err(), "a deleted socket is found");
        // A socket that closes takes its places with it.
        succeeds("insertion", put(&map, 1, first.as_raw_fd(), update::ANY))?;
        drop(first);
        fails_with("lookup of a closed socket", map.lookup(&1u32.to_ne_bytes()), libc::ENOENT)?;
    }
    Ok(())
}

fn bind(socket: &OwnedFd) -> CaseResult {
    // SAFETY: an all-zero address of the family is any address and any port.
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as u16;
    let length = size_of::<libc::sockaddr_in>();
    // SAFETY: the address is as long as said.
    setup("bind", unsafe { syscall!(libc::SYS_bind, socket.as_raw_fd(), &raw const address, length) })
        .map(drop)
}

/// Only sockets that share their port may stand there, and one in one place only.
pub fn reuseport_array(_: &Context) -> CaseResult {
    let map = create(MapSpec::new(MapKind::ReuseportSocketArray, 4, 8, 2))?;
    let plain = setup("socket", socket(libc::AF_INET, libc::SOCK_DGRAM))?;
    bind(&plain)?;
    fails_with("a socket without SO_REUSEPORT", put(&map, 0, plain.as_raw_fd(), 0), libc::EINVAL)?;
    let shared = setup("socket", socket(libc::AF_INET, libc::SOCK_DGRAM))?;
    let one = 1i32;
    // SAFETY: the value is as long as said.
    let set = unsafe {
        let fd = shared.as_raw_fd();
        syscall!(libc::SYS_setsockopt, fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, &raw const one, 4)
    };
    setup("SO_REUSEPORT", set)?;
    bind(&shared)?;
    fails_with("insertion outside", put(&map, 2, shared.as_raw_fd(), 0), libc::E2BIG)?;
    succeeds("insertion", put(&map, 1, shared.as_raw_fd(), 0))?;
    fails_with("the same socket in a second place", put(&map, 0, shared.as_raw_fd(), 0), libc::EBUSY)?;
    check_eq!(succeeds("lookup", map.lookup_u64(1))?, [cookie(&shared)?], "what stands for the socket");
    fails_with("lookup of the empty place", map.lookup(&0u32.to_ne_bytes()), libc::ENOENT)?;
    drop(shared);
    fails_with("lookup of a closed socket", map.lookup(&1u32.to_ne_bytes()), libc::ENOENT)
}

/// The value is the length of the CPU's queue.
pub fn cpu_map(_: &Context) -> CaseResult {
    let map = create(MapSpec::new(MapKind::CpuMap, 4, 4, 2))?;
    let set = |cpu: u32, length: u32, flags| map.update(&cpu.to_ne_bytes(), &length.to_ne_bytes(), flags);
    let get = |cpu: u32| map.lookup(&cpu.to_ne_bytes());
    fails_with("lookup of an unused CPU", get(0), libc::ENOENT)?;
    fails_with("BPF_NOEXIST, which the kind does not have", set(0, 8, update::NOEXIST), libc::EEXIST)?;
    fails_with("unknown flags", set(0, 8, 3), libc::EINVAL)?;
    fails_with("a CPU outside", set(2, 8, 0), libc::E2BIG)?;
    fails_with("a queue of 16385", set(0, 16_385, 0), libc::EOVERFLOW)?;
    succeeds("a queue of 16384", set(0, 16_384, 0))?;
    check_eq!(succeeds("lookup", get(0))?, 16_384u32.to_ne_bytes(), "length of the queue");
    succeeds("a queue of another length", set(0, 8, update::EXIST))?;
    check_eq!(succeeds("lookup", get(0))?, 8u32.to_ne_bytes(), "length of the queue that replaced it");
    succeeds("a queue of 0, which deletes", set(0, 0, 0))?;
    fails_with("lookup after that", get(0), libc::ENOENT)
}

/// The value is a device's number; 1 is the loopback device in every network.
pub fn device_maps(_: &Context) -> CaseResult {
    for kind in [MapKind::DeviceMap, MapKind::DeviceHash] {
        let map = create(MapSpec::new(kind, 4, 4, 2))?;
        let set = |key: u32, device: u32, flags| map.update(&key.to_ne_bytes(), &device.to_ne_bytes(), flags);
        let get = |key: u32| map.lookup(&key.to_ne_bytes());
        fails_with("lookup of an empty place", get(1), libc::ENOENT)?;
        fails_with("a device that is not there", set(1, 0x7fff_ffff, 0), libc::EINVAL)?;
        fails_with("unknown flags", set(1, 1, 1 << 63), libc::EINVAL)?;
        succeeds("insertion of the loopback device", set(1, 1, update::ANY))?;
        fails_with("BPF_NOEXIST in a used place", set(1, 1, update::NOEXIST), libc::EEXIST)?;
        check_eq!(succeeds("lookup", get(1))?, 1u32.to_ne_bytes(), "number of the device in a {kind:?}");
        succeeds("deletion", map.delete(&1u32.to_ne_bytes()))?;
        fails_with("lookup after deletion", get(1), libc::ENOENT)?;
    }
    let array = create(MapSpec::new(MapKind::DeviceMap, 4, 4, 2))?;
    let outside = array.update(&2u32.to_ne_bytes(), &1u32.to_ne_bytes(), 0);
    fails_with("insertion outside", outside, libc::E2BIG)
}

/// bpf_skb_under_cgroup and bpf_current_task_under_cgroup look into it.
pub fn cgroup_array(context: &Context) -> CaseResult {
    const CURRENT_TASK_UNDER_CGROUP: i32 = 37;
    let map = create(MapSpec::new(MapKind::CgroupArray, 4, 4, 2))?;
    let put = |index: u32, fd: i32| map.update(&index.to_ne_bytes(), &fd.to_ne_bytes(), 0);
    fails_with("insertion of a map", put(0, map.as_raw_fd()), libc::EBADF)?;
    let asks = |index: i32| {
        let code = code![
            Instruction::load_map(R1, &map),
            Instruction::mov(R2, index),
            Instruction::call(CURRENT_TASK_UNDER_CGROUP),
            Instruction::exit(),
        ];
        let program = accepted("a program that asks", ProgramKind::RawTracepoint, &code)?;
        let mut run = Attributes::default().fd(0, &program);
        succeeds("BPF_PROG_TEST_RUN", run.call(Command::TestRun))?;
        Ok::<i32, crate::Stop>(run.get_u32(4).cast_signed())
    };
    in_group(context, |path| {
        let group = open(path)?;
        succeeds("insertion of a cgroup", put(1, group.as_raw_fd()))?;
        check_eq!(asks(1)?, 0, "a task outside is under the cgroup");
        super::support::as_member(path, || {
            check_eq!(asks(1)?, 1, "a member is under the cgroup");
            check_eq!(asks(0)?, -libc::EAGAIN, "bpf_current_task_under_cgroup of an empty place");
            check_eq!(asks(2)?, -libc::E2BIG, "bpf_current_task_under_cgroup outside");
            Ok(())
        })?;
        succeeds("deletion", map.delete(&1u32.to_ne_bytes())).map(drop)
    })
}

/// A map found inside another one is a map: programs look up in both.
pub fn program_follows_a_map_in_a_map(_: &Context) -> CaseResult {
    let inner = MapSpec::new(MapKind::Array, 4, 8, 1);
    let (first, second) = (create(inner)?, create(inner)?);
    setup("update", first.update_u64(0, &[111]))?;
    setup("update", second.update_u64(0, &[222]))?;
    for kind in [MapKind::ArrayOfMaps, MapKind::HashOfMaps] {
        let spec = MapSpec::new(kind, 4, 4, 2);
        let made = spec.create_with(|attributes| attributes.fd(20, &first));
        let outer = succeeds(&format!("BPF_MAP_CREATE of {spec:?}"), made)?;
        let put = |key: u32, map: &Map| outer.update(&key.to_ne_bytes(), &map.as_raw_fd().to_ne_bytes(), 0);
        let program = accepted("a lookup through two maps", ProgramKind::SocketFilter, &through(&outer))?;
        check_eq!(run(&program)?, 1, "1 when the outer map has nothing");
        succeeds("insertion", put(1, &first))?;
        check_eq!(run(&program)?, 111, "value found through the outer map");
        succeeds("replacement", put(1, &second))?;
        check_eq!(run(&program)?, 222, "value found after the inner map was replaced");
        setup("update", second.update_u64(0, &[223]))?;
        check_eq!(run(&program)?, 223, "value found after the inner map was changed");
        setup("update", second.update_u64(0, &[222]))?;
        succeeds("deletion", outer.delete(&1u32.to_ne_bytes()))?;
        check_eq!(run(&program)?, 1, "1 after the inner map was taken out");
    }
    Ok(())
}

/// Element 0 of the map under key 1; 1 where there is none.
fn through(outer: &Map) -> Vec<Instruction> {
    let key = |at: i16, value: i32| {
        code![
            Instruction::store(Width::Word, R10, at, value),
            Instruction::mov(R2, R10),
            Instruction::add(R2, i32::from(at)),
            Instruction::call(LOOKUP),
            Instruction::jump(Condition::Ne, R0, 0, 2),
            returning(1),
        ]
    };
    code![
        Instruction::load_map(R1, outer),
        key(-4, 1),
        Instruction::mov(R1, R0),
        key(-8, 0),
        Instruction::load(Width::Double, R0, R0, 0),
        Instruction::exit(),
    ]
}
