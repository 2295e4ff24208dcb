//! Storage that lives with a socket, an inode, a task or a cgroup: maps whose keys are descriptors of the owner.

use super::cgroup::{self, SOCKET_CREATE};
use super::support::{as_member, in_group, returning};
use crate::bpf::{
    Atomic, Attributes, Command, Instruction, Map, MapKind, MapSpec, ProgramKind, Register::*, Types, Width,
    map_flags, update,
};
use crate::case::{exists, fails_with, setup, succeeds};
use crate::sys::{Errno, check as result_of, owned};
use crate::{CaseResult, Context, Stop, check, check_eq, code, skip, syscall};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The kinds have to know their values' type.
struct Typed {
    types: OwnedFd,
}

impl Typed {
    fn new() -> Result<Typed, Stop> {
        let mut types = Types::default();
        types.integer("number", 4);
        types.integer("value", 8);
        Ok(Typed { types: succeeds("BPF_BTF_LOAD of two integers", exists("bpf", types.load())?)? })
    }

    fn create(&self, spec: MapSpec) -> Result<Map, Errno> {
        spec.create_with(|attributes: Attributes| attributes.fd(48, &self.types).u32(52, 1).u32(56, 2))
    }
}

const fn good(kind: MapKind) -> MapSpec {
    MapSpec::new(kind, 4, 8, 0).flags(map_flags::NO_PREALLOC)
}

fn shape(kind: MapKind) -> Result<Map, Stop> {
    let typed = Typed::new()?;
    let good = good(kind);
    for (why, spec) in [
        ("keys of 8 bytes", MapSpec { key: 8, ..good }),
        ("no value", MapSpec { value: 0, ..good }),
        ("a number of elements", MapSpec { entries: 1, ..good }),
        ("preallocation", good.flags(0)),
        ("an unknown flag", good.flags(map_flags::NO_PREALLOC | 1 << 31)),
    ] {
        fails_with(&format!("storage ({kind:?}) with {why}"), typed.create(spec), libc::EINVAL)?;
    }
    fails_with(&format!("storage ({kind:?}) without types"), good.create(), libc::EINVAL)?;
    let large = MapSpec { value: 1 << 20, ..good };
    // The size is compared with the type's first; either way it must not be made.
    check!(typed.create(large).is_err(), "storage ({kind:?}) with values of a mebibyte was made");
    succeeds(&format!("storage ({kind:?})"), typed.create(good))
}

fn key(owner: &impl AsRawFd) -> [u8; 4] {
    owner.as_raw_fd().to_ne_bytes()
}

/// Two owners, and a second descriptor of the first one.
fn one_value_for_each_owner(map: &Map, owner: &OwnedFd, same: &OwnedFd, other: &OwnedFd) -> CaseResult {
    let set = |owner: &OwnedFd, value: u64, flags| map.update(&key(owner), &value.to_le_bytes(), flags);
    let get = |owner: &OwnedFd| map.lookup(&key(owner));
    fails_with("lookup for an owner without a value", get(owner), libc::ENOENT)?;
    fails_with("BPF_EXIST for an owner without a value", set(owner, 1, update::EXIST), libc::ENOENT)?;
    fails_with("deletion for an owner without a value", map.delete(&key(owner)), libc::ENOENT)?;
    succeeds("BPF_NOEXIST for an owner without a value", set(owner, 2, update::NOEXIST))?;
    fails_with("BPF_NOEXIST for an owner with one", set(same, 3, update::NOEXIST), libc::EEXIST)?;
    check_eq!(succeeds("lookup", get(same))?, 2u64.to_le_bytes(), "the value by another descriptor");
    fails_with("lookup for the other owner", get(other), libc::ENOENT)?;
    succeeds("BPF_ANY for the other owner", set(other, 4, update::ANY))?;
    succeeds("BPF_EXIST by the second descriptor", set(same, 5, update::EXIST))?;
    for flags in [3, update::LOCK, 8, 1 << 63] {
        fails_with(&format!("update with flags {flags:#x}"), set(owner, 6, flags), libc::EINVAL)?;
    }
    check_eq!(succeeds("lookup", get(owner))?, 5u64.to_le_bytes(), "the first owner's value");
    check_eq!(succeeds("lookup", get(other))?, 4u64.to_le_bytes(), "the other owner's value");
    succeeds("deletion", map.delete(&key(owner)))?;
    fails_with("lookup after deletion", get(same), libc::ENOENT)?;
    check_eq!(succeeds("lookup", get(other))?, 4u64.to_le_bytes(), "the other owner's value after that");
    // The kernel's internal ENOTSUPP: there is no order among owners.
    check!(map.next_key(None).is_err(), "storage can be iterated over");
    fails_with("lookup by no descriptor", map.lookup(&0x7fff_ffffu32.to_ne_bytes()), libc::EBADF)
}

fn socket() -> Result<OwnedFd, Stop> {
    // SAFETY: takes no pointers.
    let made = unsafe { syscall!(libc::SYS_socket, libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    setup("socket", made).map(owned)
}

fn duplicate(fd: &OwnedFd) -> Result<OwnedFd, Stop> {
    // SAFETY: takes no pointers.
    setup("dup", unsafe { syscall!(libc::SYS_dup, fd.as_raw_fd()) }).map(owned)
}

pub fn socket_storage(_: &Context) -> CaseResult {
    let map = shape(MapKind::SocketLocalStorage)?;
    let (first, second) = (socket()?, socket()?);
    one_value_for_each_owner(&map, &first, &duplicate(&first)?, &second)?;
    let no_socket = map.lookup(&key(&map));
    fails_with("lookup by a descriptor that is no socket", no_socket, libc::ENOTSOCK)
}

/// The storage is the security module's, which has to be switched on at boot.
fn needs_the_bpf_security_module(context: &Context) -> CaseResult {
    let folder = context.scratch.join("security");
    let listed = std::fs::read_to_string("/sys/kernel/security/lsm").or_else(|_| {
        std::fs::create_dir_all(&folder)?;
        let _ = crate::mounts::mount("securityfs", &folder, 0);
        std::fs::read_to_string(folder.join("lsm"))
    });
    match listed {
        Ok(modules) if modules.trim().split(',').any(|name| name == "bpf") => Ok(()),
        Ok(modules) => skip!("the bpf security module is not switched on (lsm={})", modules.trim()),
        Err(error) => skip!("the kernel does not list its security modules: {error}"),
    }
}

pub fn inode_storage(context: &Context) -> CaseResult {
    needs_the_bpf_security_module(context)?;
    let map = shape(MapKind::InodeLocalStorage)?;
    let open = |name: &str| {
        let file = std::fs::File::create(context.scratch.join(name));
        file.map(OwnedFd::from).map_err(|error| Stop::Broken(format!("{name}: {error}")))
    };
    let (first, same, second) = (open("first")?, open("first")?, open("second")?);
    one_value_for_each_owner(&map, &first, &same, &second)
}

pub fn task_storage(_: &Context) -> CaseResult {
    let map = shape(MapKind::TaskLocalStorage)?;
    let pid_file = |pid: i32| setup("pidfd_open", crate::child::pidfd(pid));
    let own = std::process::id() as i32;
    let (reader, writer) = crate::child::pipe()?;
    let child = crate::child::fork()?;
    if child == 0 {
        drop(writer);
        let _ = crate::sys::read_all(&reader);
        crate::child::exit(0);
    }
    let (first, same, second) = (pid_file(own)?, pid_file(own)?, pid_file(child)?);
    let judged = one_value_for_each_owner(&map, &first, &same, &second);
    drop(writer);
    crate::child::wait(child)?;
    judged?;
    let gone = map.lookup(&key(&second));
    fails_with("lookup for a process that has ended and was waited for", gone, libc::ENOENT)
}

pub fn cgroup_storage(context: &Context) -> CaseResult {
    let map = shape(MapKind::CgroupLocalStorage)?;
    in_group(context, |group| {
        let open = |path: &std::path::Path| {
            let file = std::fs::File::open(path);
            file.map(OwnedFd::from).map_err(|error| Stop::Broken(format!("{}: {error}", path.display())))
        };
        let (first, same, second) = (open(group)?, open(group)?, open(group.parent().unwrap_or(group))?);
        one_value_for_each_owner(&map, &first, &same, &second)
    })
}

/// The value goes with its owner: a new socket on the same number has none.
pub fn storage_ends_with_its_owner(_: &Context) -> CaseResult {
    let typed = Typed::new()?;
    let map = succeeds("storage for sockets", typed.create(good(MapKind::SocketLocalStorage)))?;
    let (first, second) = (socket()?, socket()?);
    succeeds("update", map.update(&key(&first), &[1; 8], update::ANY))?;
    // SAFETY: takes no pointers; the first socket is closed by it.
    let moved = unsafe { libc::dup2(second.as_raw_fd(), first.as_raw_fd()) };
    setup("dup2", result_of(moved.into()))?;
    fails_with("lookup by the number of a closed socket", map.lookup(&key(&first)), libc::ENOENT)?;
    succeeds("BPF_NOEXIST for the socket that has the number now", {
        map.update(&key(&first), &[2; 8], update::NOEXIST)
    })?;
    check_eq!(succeeds("lookup", map.lookup(&key(&second)))?, [2; 8], "the value by its other number");
    Ok(())
}

/// Of BPF_MAP_TYPE_CGROUP_STORAGE and its per-CPU relative: what each cgroup that a program is attached to keeps. Keys
/// are the cgroup, or the cgroup and the way of attachment (map_cgroup_storage.rst).
pub fn attached_storage(context: &Context) -> CaseResult {
    for kind in [MapKind::CgroupStorage, MapKind::PerCpuCgroupStorage] {
        for key in [8, 16] {
            let map = super::support::create(MapSpec::new(kind, key, 8, 0))?;
            in_group(context, |outer| counted_by_cgroup(&map, outer))?;
        }
    }
    Ok(())
}

/// Counts new sockets in the storage of the cgroup that it is attached to.
fn counting(map: &Map) -> Result<OwnedFd, Stop> {
    const GET_LOCAL_STORAGE: i32 = 81;
    let code = code![
        Instruction::load_map(R1, map),
        Instruction::mov(R2, 0),
        Instruction::call(GET_LOCAL_STORAGE),
        Instruction::mov(R1, 1),
        Instruction::atomic(Atomic::Add, Width::Double, R0, 0, R1),
        returning(1),
    ];
    cgroup::program(ProgramKind::CgroupSocket, SOCKET_CREATE, &code)
}

fn counted_by_cgroup(map: &Map, outer: &Path) -> CaseResult {
    const ALLOW_MULTIPLE: u32 = 2;
    let inner = outer.join("inner");
    let made = std::fs::create_dir(&inner);
    made.map_err(|error| Stop::Broken(format!("{}: {error}", inner.display())))?;
    let (program, groups) = (counting(map)?, [cgroup::open(outer)?, cgroup::open(&inner)?]);
    let attach = |at: usize| {
        let attached = cgroup::attach(&groups[at], &program, SOCKET_CREATE, ALLOW_MULTIPLE);
        succeeds("BPF_PROG_ATTACH", attached).map(drop)
    };
    let detach = |at: usize| {
        let request = Attributes::default().fd(0, &groups[at]).fd(4, &program).u32(8, SOCKET_CREATE);
        succeeds("BPF_PROG_DETACH", request.clone().call(Command::ProgramDetach)).map(drop)
    };
    let [outer_key, inner_key] = [cgroup_key(map, outer)?, cgroup_key(map, &inner)?];
    fails_with("lookup before the program is attached", map.lookup(&outer_key), libc::ENOENT)?;
    attach(0)?;
    attach(1)?;
    makes_sockets(&inner, 3)?;
    makes_sockets(outer, 2)?;
    check_eq!([total(map, &outer_key)?, total(map, &inner_key)?], [5, 3], "sockets outside and inside");
    check_eq!(succeeds("iteration", map.keys(8))?.len(), 2, "keys for two cgroups");
    let value = vec![0; map.value];
    let missing = vec![0xa5; map.key];
    fails_with("update of a cgroup without storage", map.update(&missing, &value, 0), libc::ENOENT)?;
    fails_with("deletion of what a cgroup keeps", map.delete(&outer_key), libc::EINVAL)?;
    succeeds("update", map.update(&inner_key, &value, update::EXIST))?;
    check_eq!([total(map, &outer_key)?, total(map, &inner_key)?], [5, 0], "sockets after an update");
    detach(1)?;
    makes_sockets(&inner, 1)?;
    check_eq!(total(map, &outer_key)?, 6, "sockets outside, seen by the program that is left");
    attach(1)?;
    makes_sockets(&inner, 1)?;
    check_eq!([total(map, &outer_key)?, total(map, &inner_key)?], [7, 1], "sockets after a new attachment");
    detach(0)?;
    detach(1)?;
    let _ = std::fs::remove_dir(&inner);
    Ok(())
}

/// The inode of the cgroup's directory, and where the map tells them apart the way of attachment.
fn cgroup_key(map: &Map, path: &Path) -> Result<Vec<u8>, Stop> {
    let data =
        std::fs::metadata(path).map_err(|error| Stop::Broken(format!("{}: {error}", path.display())))?;
    let words = [data.ino(), SOCKET_CREATE.into()];
    Ok(words.iter().flat_map(|word| word.to_ne_bytes()).take(map.key).collect())
}

fn makes_sockets(group: &Path, count: usize) -> CaseResult {
    as_member(group, || {
        (0..count)
            .try_for_each(|_| succeeds("a socket", cgroup::socket(libc::AF_INET, libc::SOCK_DGRAM)).map(drop))
    })
}

/// Over all CPUs, if they have values of their own.
fn total(map: &Map, key: &[u8]) -> Result<u64, Stop> {
    let bytes = succeeds("lookup", map.lookup(key))?;
    Ok(bytes.as_chunks().0.iter().map(|&word| u64::from_ne_bytes(word)).sum())
}
