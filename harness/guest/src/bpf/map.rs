//! Maps through bpf(2).

use super::{Attributes, Command};
use crate::sys::Errno;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// `enum bpf_map_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum MapKind {
    Hash = 1,
    Array = 2,
    ProgramArray = 3,
    PerfEventArray = 4,
    PerCpuHash = 5,
    PerCpuArray = 6,
    StackTrace = 7,
    CgroupArray = 8,
    LruHash = 9,
    LruPerCpuHash = 10,
    LpmTrie = 11,
    ArrayOfMaps = 12,
    HashOfMaps = 13,
    DeviceMap = 14,
    SocketMap = 15,
    CpuMap = 16,
    XdpSocketMap = 17,
    SocketHash = 18,
    CgroupStorage = 19,
    ReuseportSocketArray = 20,
    PerCpuCgroupStorage = 21,
    Queue = 22,
    Stack = 23,
    /// Storage that lives with a socket, an inode, a task, a cgroup.
    SocketLocalStorage = 24,
    DeviceHash = 25,
    StructOps = 26,
    RingBuffer = 27,
    InodeLocalStorage = 28,
    TaskLocalStorage = 29,
    BloomFilter = 30,
    UserRingBuffer = 31,
    CgroupLocalStorage = 32,
    Arena = 33,
    InstructionArray = 34,
}

/// Flags of BPF_MAP_CREATE.
pub mod map_flags {
    pub const NO_PREALLOC: u32 = 1 << 0;
    pub const NO_COMMON_LRU: u32 = 1 << 1;
    pub const RDONLY: u32 = 1 << 3;
    pub const WRONLY: u32 = 1 << 4;
    pub const RDONLY_PROG: u32 = 1 << 7;
    pub const WRONLY_PROG: u32 = 1 << 8;
    pub const MMAPABLE: u32 = 1 << 10;
    pub const PRESERVE_ELEMENTS: u32 = 1 << 11;
    /// Arenas: a page that no program has allocated is not there (6.9).
    pub const SEGV_ON_FAULT: u32 = 1 << 17;
}

/// Flags of BPF_MAP_UPDATE_ELEM.
pub mod update {
    pub const ANY: u64 = 0;
    pub const NOEXIST: u64 = 1;
    pub const EXIST: u64 = 2;
    /// Refers to a spin lock in the value.
    pub const LOCK: u64 = 4;
}

/// What a new map looks like. Sizes in bytes.
#[derive(Debug, Clone, Copy)]
pub struct MapSpec {
    pub kind: MapKind,
    pub key: u32,
    pub value: u32,
    pub entries: u32,
    pub flags: u32,
}

impl MapSpec {
    pub const fn new(kind: MapKind, key: u32, value: u32, entries: u32) -> MapSpec {
        MapSpec { kind, key, value, entries, flags: 0 }
    }

    #[must_use]
    pub const fn flags(self, flags: u32) -> MapSpec {
        MapSpec { flags, ..self }
    }

    /// The attributes of BPF_MAP_CREATE for this map.
    pub fn attributes(&self) -> Attributes {
        Attributes::default()
            .u32(0, self.kind as u32)
            .u32(4, self.key)
            .u32(8, self.value)
            .u32(12, self.entries)
            .u32(16, self.flags)
    }

    pub fn create(&self) -> Result<Map, Errno> {
        self.create_with(|attributes| attributes)
    }

    /// With attributes that only some kinds have.
    pub fn create_with(&self, more: impl FnOnce(Attributes) -> Attributes) -> Result<Map, Errno> {
        lift_memory_lock_limit();
        let fd = more(self.attributes()).open(Command::MapCreate)?;
        let cpus = match self.kind {
            MapKind::PerCpuArray
            | MapKind::PerCpuHash
            | MapKind::LruPerCpuHash
            | MapKind::PerCpuCgroupStorage => possible_cpus(),
            _ => 1,
        };
        Ok(Map { fd, key: self.key as usize, value: self.value as usize * cpus })
    }
}

/// Kernels before 5.11 charge maps and programs to RLIMIT_MEMLOCK, root's included.
pub(super) fn lift_memory_lock_limit() {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the structure is ours. An unprivileged caller may not raise its limit and lives with what it has.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
}

/// CPUs that may ever exist: the number of values a per-CPU map has for each key.
pub fn possible_cpus() -> usize {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    text.trim()
        .rsplit(['-', ','])
        .next()
        .and_then(|last| last.parse::<usize>().ok())
        .map_or(1, |last| last + 1)
}

/// An open map. Keys and values are bytes; per-CPU values stand one after the other.
#[derive(Debug)]
pub struct Map {
    pub fd: OwnedFd,
    pub key: usize,
    pub value: usize,
}

impl AsRawFd for Map {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl Map {
    fn element(&self, key: &[u8]) -> Attributes {
        assert!(key.len() >= self.key, "the kernel reads {} bytes of key", self.key);
        Attributes::default().fd(0, &self.fd).input(8, key)
    }

    pub fn lookup(&self, key: &[u8]) -> Result<Vec<u8>, Errno> {
        self.lookup_with(key, 0)
    }

    /// A lookup with flags, such as [`update::LOCK`].
    pub fn lookup_with(&self, key: &[u8], flags: u64) -> Result<Vec<u8>, Errno> {
        let mut value = vec![0xa5; self.value];
        self.element(key).output(16, &mut value).u64(24, flags).call(Command::MapLookup)?;
        Ok(value)
    }

    /// Bloom filters: whether a value may be in there is asked by its place.
    pub fn contains(&self, value: &[u8]) -> Result<i64, Errno> {
        let mut value = value.to_vec();
        Attributes::default().fd(0, &self.fd).output(16, &mut value).call(Command::MapLookup)
    }

    pub fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<i64, Errno> {
        assert!(value.len() >= self.value, "the kernel reads {} bytes of value", self.value);
        self.element(key).input(16, value).u64(24, flags).call(Command::MapUpdate)
    }

    pub fn delete(&self, key: &[u8]) -> Result<i64, Errno> {
        self.element(key).call(Command::MapDelete)
    }

    /// Queues and stacks: the value of pop.
    pub fn lookup_and_delete(&self, key: &[u8]) -> Result<Vec<u8>, Errno> {
        let mut value = vec![0xa5; self.value];
        self.element(key).output(16, &mut value).call(Command::MapLookupAndDelete)?;
        Ok(value)
    }

    /// The key after this one; the first one after `None`.
    pub fn next_key(&self, key: Option<&[u8]>) -> Result<Vec<u8>, Errno> {
        let mut next = vec![0xa5; self.key];
        let attributes = match key {
            Some(key) => self.element(key),
            None => Attributes::default().fd(0, &self.fd),
        };
        attributes.output(16, &mut next).call(Command::MapNextKey)?;
        Ok(next)
    }

    /// All keys in the kernel's order. Stops after `limit` keys, so that a kernel that never ends is a finding.
    pub fn keys(&self, limit: usize) -> Result<Vec<Vec<u8>>, Errno> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        while keys.len() <= limit {
            match self.next_key(keys.last().map(Vec::as_slice)) {
                Ok(key) => keys.push(key),
                Err(Errno(libc::ENOENT)) => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(keys)
    }

    pub fn freeze(&self) -> Result<i64, Errno> {
        Attributes::default().fd(0, &self.fd).call(Command::MapFreeze)
    }

    /// Little-endian words of a value.
    pub fn lookup_u64(&self, key: u32) -> Result<Vec<u64>, Errno> {
        let bytes = self.lookup(&key.to_le_bytes())?;
        Ok(bytes.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)).collect())
    }

    pub fn update_u64(&self, key: u32, words: &[u64]) -> Result<i64, Errno> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.update(&key.to_le_bytes(), &bytes, update::ANY)
    }
}

/// What a batch command answered.
#[derive(Debug)]
pub struct Batch {
    pub result: Result<i64, Errno>,
    /// Elements done, as the kernel wrote it back.
    pub count: u32,
}

/// A batch command on keys and values that lie one after another. The position in the map goes from `from` to
/// `to`; `None` starts at the beginning.
pub fn batch(
    command: Command,
    map: &Map,
    position: (Option<&[u8]>, &mut [u8]),
    keys: &mut [u8],
    values: &mut [u8],
) -> Batch {
    let (from, to) = position;
    let count = u32::try_from(keys.len() / map.key).expect("batches of cases are small");
    let mut attributes =
        Attributes::default().output(8, to).output(16, keys).output(24, values).u32(32, count).fd(36, map);
    if let Some(from) = from {
        attributes = attributes.input(0, from);
    }
    let result = attributes.call(command);
    Batch { result, count: attributes.get_u32(32) }
}
