//! Maps and programs as objects: identifiers, information, pinning, freezing, lifetime.

use super::support::{accepted, accepted_load, create, returning, run};
use crate::bpf::{
    Attributes, Command, Instruction, Load, Map, MapKind, MapSpec, ProgramKind, Register::*, Width, batch,
    bpf, id_list, information, map_flags, next_id, object_by_id, object_get, object_pin, update,
};
use crate::case::{exists, fails_with, setup, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, code, mounts};
use ProgramKind::SocketFilter;
use std::path::Path;

const ONE: MapSpec = MapSpec::new(MapKind::Array, 4, 8, 3);

/// One element of three words: programs may point into it.
const WORDS: MapSpec = MapSpec::new(MapKind::Array, 4, 24, 1);

fn word(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

/// A byte behind what a command reads must be zero: old programs keep working, new ones learn that the kernel does
/// not know their field.
pub fn unknown_attributes_are_refused(_: &Context) -> CaseResult {
    let map = create(ONE)?;
    let key = [1u8, 0, 0, 0];
    let mut value = [0u8; 8];
    let lookup = |size: usize| Attributes::sized(size).fd(0, &map).input(8, &key);
    for size in [32, 120, 256, 4096] {
        let mut attributes = lookup(size).output(16, &mut value);
        succeeds(&format!("a lookup with {size} bytes of attributes"), attributes.call(Command::MapLookup))?;
    }
    let mut attributes = lookup(4104).output(16, &mut value);
    let refused = attributes.call(Command::MapLookup);
    fails_with("a lookup with more than a page of attributes", refused, libc::E2BIG)?;
    for offset in [1024, 4092] {
        let mut attributes = lookup(4096).output(16, &mut value).u32(offset, 1 << 24);
        let refused = attributes.call(Command::MapLookup);
        fails_with(&format!("a lookup with byte {} set", offset + 3), refused, libc::E2BIG)?;
    }
    for (command, offset) in [
        (Command::MapLookup, 32),
        (Command::MapDelete, 24),
        (Command::MapNextKey, 24),
        (Command::MapFreeze, 8),
        (Command::MapNextId, 12),
    ] {
        let mut attributes = Attributes::default().fd(0, &map).u32(offset, 1);
        let what = format!("{command:?} with byte {offset} set");
        fails_with(&what, attributes.call(command), libc::EINVAL)?;
    }
    check_eq!(setup("lookup", map.lookup_u64(1))?, [0], "the element after refused calls");
    fails_with("an unknown command", bpf(0x7fff_ffff, &mut Attributes::default()), libc::EINVAL)?;
    succeeds("an update after a refused freeze", map.update_u64(1, &[1])).map(drop)
}

pub fn bad_descriptors_and_pointers(_: &Context) -> CaseResult {
    let map = create(ONE)?;
    let program = accepted("a program", SocketFilter, &returning(0))?;
    let key = [0u8; 4];
    let lookup = |attributes: Attributes| attributes.input(8, &key).call(Command::MapLookup);
    fails_with("lookup in no file", lookup(Attributes::default().u32(0, 0x7fff_ffff)), libc::EBADF)?;
    fails_with("lookup in a program", lookup(Attributes::default().fd(0, &program)), libc::EINVAL)?;
    fails_with("lookup of a key at no address", map_call(&map, Command::MapLookup, 1), libc::EFAULT)?;
    fails_with("update from no address", map_call(&map, Command::MapUpdate, 1), libc::EFAULT)?;
    let mut attributes = Attributes::default().fd(0, &map).input(8, &key).u64(16, 1);
    fails_with("lookup to no address", attributes.call(Command::MapLookup), libc::EFAULT)?;
    let mut run = Attributes::default().fd(0, &map);
    fails_with("test run of a map", run.call(Command::TestRun), libc::EINVAL)
}

fn map_call(map: &Map, command: Command, key: u64) -> Result<i64, Errno> {
    Attributes::default().fd(0, map).u64(8, key).u64(16, key).call(command)
}

pub fn names_have_rules(_: &Context) -> CaseResult {
    let named = |name: &[u8]| ONE.attributes().name(28, name).open(Command::MapCreate);
    let map = succeeds("a map with a name of 15 bytes", exists("bpf", named(b"Az09_.z89012345"))?)?;
    let mut bytes = [0u8; 64];
    succeeds("BPF_OBJ_GET_INFO_BY_FD", information(&map, &mut bytes))?;
    check_eq!(bytes[24..40], *b"Az09_.z89012345\0", "the name in bpf_map_info");
    for bad in [&b"a b"[..], b"a-b", b"a/b", b"a:b", b"a\x7f", &[b'a'; 16]] {
        fails_with(&format!("the name {bad:?}"), named(bad), libc::EINVAL)?;
    }
    Ok(())
}

pub fn map_information(_: &Context) -> CaseResult {
    let map = create(MapSpec::new(MapKind::Hash, 5, 9, 7).flags(map_flags::NO_PREALLOC))?;
    let mut bytes = [0u8; 80];
    let length = succeeds("BPF_OBJ_GET_INFO_BY_FD", information(&map, &mut bytes))?;
    let fields = [0, 8, 12, 16, 20].map(|offset| word(&bytes, offset));
    check_eq!(fields, [1, 5, 9, 7, map_flags::NO_PREALLOC], "type, key, value, entries, flags");
    check!(length >= 80, "length of bpf_map_info: {length}");
    let mut short = [0xa5u8; 24];
    check_eq!(succeeds("8 bytes of information", information(&map, &mut short[..8]))?, 8, "info_len");
    check!(short[8..].iter().all(|&byte| byte == 0xa5), "more was written than there was room for");
    check_eq!(short[..8], bytes[..8], "the first 8 bytes");
    let mut long = [0u8; 1024];
    let length = succeeds("1024 bytes of information", information(&map, &mut long))?;
    check!((80..1024).contains(&length), "info_len written back for a buffer of 1024: {length}");
    long.fill(0);
    long[1023] = 1;
    fails_with("a set byte behind the structure", information(&map, &mut long), libc::E2BIG)
}

pub fn program_information(_: &Context) -> CaseResult {
    let map = create(WORDS)?;
    let code = |value| code![Instruction::load_map_value(R1, &map, 8), returning(value)];
    let load = |value, name, gpl| {
        let code = code(value);
        accepted_load("a program", &Load { name, gpl, ..Load::new(SocketFilter, &code) })
    };
    let info = |program: &std::os::fd::OwnedFd| {
        let mut bytes = vec![0u8; 128];
        succeeds("BPF_OBJ_GET_INFO_BY_FD", information(program, &mut bytes)).map(|_| bytes)
    };
    let first = info(&load(1, b"first", true)?)?;
    let again = info(&load(1, b"again", false)?)?;
    let other = info(&load(2, b"first", true)?)?;
    check_eq!(word(&first, 0), SocketFilter as u32, "type");
    check_eq!(first[64..70], *b"first\0", "name");
    check_eq!(word(&first, 52), 1, "nr_map_ids");
    check!(first[8..16] != [0; 8], "the tag is zero");
    check!(first[8..16] == again[8..16], "the same instructions have two tags");
    check!(first[8..16] != other[8..16], "different instructions have one tag");
    check_eq!((word(&first, 84) & 1, word(&again, 84) & 1), (1, 0), "gpl_compatible");
    check_eq!(word(&first, 20), 4 * 8, "xlated_prog_len of four instructions");
    Ok(())
}

pub fn identifiers_live_as_long_as_objects(_: &Context) -> CaseResult {
    let map = create(WORDS)?;
    setup("update", map.update_u64(0, &[0, 0, 77]))?;
    let mut bytes = [0u8; 64];
    setup("information", information(&map, &mut bytes))?;
    let id = word(&bytes, 4);
    check!(id != 0, "the identifier is 0");
    check!(
        succeeds("BPF_MAP_GET_NEXT_ID", id_list(Command::MapNextId))?.contains(&id),
        "map {id} is not listed"
    );
    check_eq!(next_id(Command::MapNextId, id - 1), Ok(id), "the identifier after {}", id - 1);
    let second = succeeds("BPF_MAP_GET_FD_BY_ID", object_by_id(Command::MapById, id))?;
    let second = Map { fd: second, key: 4, value: 24 };
    check_eq!(
        succeeds("lookup", second.lookup_u64(0))?,
        [0, 0, 77],
        "the value through the second descriptor"
    );

    // A program holds its map when every descriptor is closed.
    let program = accepted(
        "a program with a map",
        SocketFilter,
        &code![
            Instruction::load_map_value(R1, &map, 16),
            Instruction::load(Width::Double, R0, R1, 0),
            Instruction::exit(),
        ],
    )?;
    drop((map, second));
    check_eq!(run(&program)?, 77, "the value that the program reads");
    succeeds("BPF_MAP_GET_FD_BY_ID of a map held by a program", object_by_id(Command::MapById, id))?;
    fails_with("identifier 0", object_by_id(Command::MapById, 0), libc::ENOENT)?;
    fails_with(
        "the identifier after the last",
        next_id(Command::MapNextId, i32::MAX as u32 - 1),
        libc::ENOENT,
    )?;
    fails_with("the identifier after INT_MAX", next_id(Command::MapNextId, i32::MAX as u32), libc::EINVAL)
}

pub fn closed_program_is_gone(_: &Context) -> CaseResult {
    let program = accepted("a program", SocketFilter, &returning(9))?;
    let mut bytes = [0u8; 64];
    setup("information", information(&program, &mut bytes))?;
    let id = word(&bytes, 4);
    let again = succeeds("BPF_PROG_GET_FD_BY_ID", object_by_id(Command::ProgramById, id))?;
    drop(program);
    check_eq!(run(&again)?, 9, "return value through the second descriptor");
    drop(again);
    fails_with(
        "BPF_PROG_GET_FD_BY_ID after the last close",
        object_by_id(Command::ProgramById, id),
        libc::ENOENT,
    )
}

pub fn frozen_map_is_read_only_for_system_calls(_: &Context) -> CaseResult {
    let map = create(WORDS)?;
    let program = accepted(
        "a program that writes",
        SocketFilter,
        &code![
            Instruction::load_map_value(R1, &map, 8),
            Instruction::store(Width::Double, R1, 0, 55),
            returning(1),
        ],
    )?;
    succeeds("update", map.update_u64(0, &[11, 0, 0]))?;
    succeeds("BPF_MAP_FREEZE", map.freeze())?;
    fails_with("update of a frozen map", map.update_u64(0, &[12, 0, 0]), libc::EPERM)?;
    // EBUSY; since the descriptor's own access mode is asked first (6.5), EPERM.
    let again = map.freeze();
    check!(matches!(again, Err(Errno(libc::EBUSY | libc::EPERM))), "second freeze: {again:?}");
    let mut keys = [0u8; 4];
    let mut values = [0u8; 24];
    let batched = batch(Command::MapUpdateBatch, &map, (None, &mut [0; 4]), &mut keys, &mut values);
    check_eq!(batched.result, Err(Errno(libc::EPERM)), "BPF_MAP_UPDATE_BATCH on a frozen map");
    fails_with("deletion from a frozen map", map.delete(&[0; 4]), libc::EPERM)?;
    check_eq!(succeeds("lookup", map.lookup_u64(0))?, [11, 0, 0], "the frozen element");
    run(&program)?;
    check_eq!(succeeds("lookup", map.lookup_u64(0))?, [11, 55, 0], "the element that a program wrote");
    Ok(())
}

pub fn descriptor_access_modes(_: &Context) -> CaseResult {
    let read_only = create(ONE.flags(map_flags::RDONLY))?;
    succeeds("lookup through BPF_F_RDONLY", read_only.lookup_u64(0))?;
    fails_with("update through BPF_F_RDONLY", read_only.update_u64(0, &[1]), libc::EPERM)?;
    let write_only = create(ONE.flags(map_flags::WRONLY))?;
    succeeds("update through BPF_F_WRONLY", write_only.update_u64(0, &[1]))?;
    fails_with("lookup through BPF_F_WRONLY", write_only.lookup_u64(0), libc::EPERM)?;
    fails_with("next key through BPF_F_WRONLY", write_only.next_key(None), libc::EPERM)?;
    let neither = ONE.flags(map_flags::RDONLY | map_flags::WRONLY).create();
    fails_with("BPF_F_RDONLY with BPF_F_WRONLY", neither, libc::EINVAL)
}

pub fn mount_bpffs(at: &Path) -> Result<(), Stop> {
    std::fs::create_dir_all(at).map_err(|error| Stop::Broken(format!("{}: {error}", at.display())))?;
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !known.split_ascii_whitespace().any(|word| word == "bpf") {
        return Err(Stop::Skip("missing filesystem: bpf".into()));
    }
    mounts::mount("bpf", at, 0)
}

pub fn pinned_object_outlives_its_descriptors(context: &Context) -> CaseResult {
    let folder = context.scratch.join("bpffs");
    mount_bpffs(&folder)?;
    let verdict = pinning(&folder, &context.scratch);
    mounts::unmount_lazily(&folder)?;
    verdict
}

pub fn pinned_program_runs(context: &Context) -> CaseResult {
    let folder = context.scratch.join("bpffs");
    mount_bpffs(&folder)?;
    let pin = folder.join("program");
    let program = accepted("a program", SocketFilter, &returning(9))?;
    succeeds("BPF_OBJ_PIN of a program", object_pin(&program, &pin))?;
    drop(program);
    let again = succeeds("BPF_OBJ_GET of a program", object_get(&pin, 0))?;
    check_eq!(run(&again)?, 9, "return value of a program that was only pinned");
    drop(again);
    mounts::unmount_lazily(&folder)
}

fn pinning(folder: &Path, outside: &Path) -> CaseResult {
    let (at, map) = (folder.join("map"), create(ONE)?);
    succeeds("update", map.update_u64(1, &[5]))?;
    fails_with("pin outside of bpffs", object_pin(&map, &outside.join("map")), libc::EPERM)?;
    check!(!outside.join("map").exists(), "a refused pin left a file");
    succeeds("BPF_OBJ_PIN", object_pin(&map, &at))?;
    fails_with("pin over a pinned map", object_pin(&map, &at), libc::EEXIST)?;
    fails_with(
        "pin of a file that is no object",
        object_pin(&std::io::stderr(), &folder.join("no")),
        libc::EINVAL,
    )?;
    fails_with("a name with a dot", object_pin(&map, &folder.join("a.b")), libc::EPERM)?;
    drop(map);
    let open = |flags| object_get(&at, flags).map(|fd| Map { fd, key: 4, value: 8 });
    let again = succeeds("BPF_OBJ_GET", open(0))?;
    check_eq!(succeeds("lookup", again.lookup_u64(1))?, [5], "the value after every descriptor was closed");
    let read_only = succeeds("BPF_OBJ_GET for reading", open(map_flags::RDONLY))?;
    check_eq!(succeeds("lookup", read_only.lookup_u64(1))?, [5], "the value, read-only");
    fails_with("update through a read-only descriptor", read_only.update_u64(1, &[6]), libc::EPERM)?;
    let both = open(map_flags::RDONLY | map_flags::WRONLY);
    fails_with("BPF_OBJ_GET for neither reading nor writing", both, libc::EINVAL)?;
    std::fs::remove_file(&at).map_err(|error| Stop::Fail(format!("unlink of a pinned map: {error}")))?;
    fails_with("BPF_OBJ_GET after unlink", open(0), libc::ENOENT)?;
    succeeds("update after unlink", again.update(&[1, 0, 0, 0], &[7; 8], update::ANY))?;
    fails_with("BPF_OBJ_GET of a plain file", object_get(Path::new("/proc/self/status"), 0), libc::EACCES)
}
