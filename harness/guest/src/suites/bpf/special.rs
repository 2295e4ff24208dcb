//! Maps with an order or a structure of their own: LPM trie, queue, stack, ring buffer, maps in maps.

use super::support::{accepted, create, refuses_map, run};
use crate::bpf::{
    Command, Instruction, Map, MapKind, MapSpec, ProgramKind, Register::*, Width, map_flags, update,
};
use crate::case::{fails_with, setup, succeeds};
use crate::{CaseResult, Context, check, check_eq, code};
use std::os::fd::AsRawFd;

const TRIE: MapSpec = MapSpec::new(MapKind::LpmTrie, 8, 1, 4).flags(map_flags::NO_PREALLOC);

/// `struct bpf_lpm_trie_key`: prefix length, then the address, most significant byte first.
fn prefix(length: u32, address: [u8; 4]) -> Vec<u8> {
    [length.to_le_bytes(), address].concat()
}

pub fn trie_finds_the_longest_prefix(_: &Context) -> CaseResult {
    let trie = create(TRIE)?;
    let find = |address| trie.lookup(&prefix(32, address)).map(|value| value[0]);
    for (length, address, value) in
        [(8, [10, 0, 0, 0], 1), (17, [10, 1, 128, 0], 2), (32, [10, 1, 128, 5], 3)]
    {
        succeeds("insertion", trie.update(&prefix(length, address), &[value], update::ANY))?;
    }
    for (address, expected) in [
        ([10, 1, 128, 5], 3),
        ([10, 1, 128, 4], 2),
        ([10, 1, 255, 255], 2),
        ([10, 1, 127, 255], 1),
        ([10, 255, 0, 0], 1),
    ] {
        check_eq!(succeeds("lookup", find(address))?, expected, "prefix found for {address:?}");
    }
    fails_with("lookup outside every prefix", find([11, 0, 0, 0]), libc::ENOENT)?;
    let again = trie.update(&prefix(17, [10, 1, 128, 0]), &[7], update::NOEXIST);
    fails_with("BPF_NOEXIST on a present prefix", again, libc::EEXIST)?;
    succeeds("insertion of the default route", trie.update(&prefix(0, [0; 4]), &[9], update::ANY))?;
    check_eq!(succeeds("lookup", find([11, 0, 0, 0]))?, 9, "prefix found by the default route");
    let fifth = trie.update(&prefix(24, [1, 2, 3, 0]), &[5], update::ANY);
    fails_with("insertion of a fifth prefix into a trie of 4", fifth, libc::ENOSPC)?;
    succeeds("deletion", trie.delete(&prefix(17, [10, 1, 128, 0])))?;
    check_eq!(succeeds("lookup", find([10, 1, 128, 4]))?, 1, "prefix found after the longer one was deleted");
    check_eq!(
        succeeds("lookup", find([10, 1, 128, 5]))?,
        3,
        "the longest prefix after a middle one was deleted"
    );
    fails_with("deletion of a missing prefix", trie.delete(&prefix(9, [10, 0, 0, 0])), libc::ENOENT)
}

pub fn trie_rules(_: &Context) -> CaseResult {
    use libc::EINVAL;
    refuses_map("preallocation", TRIE.flags(0), EINVAL)?;
    refuses_map("keys without an address", MapSpec { key: 4, ..TRIE }, EINVAL)?;
    refuses_map("addresses of 257 bytes", MapSpec { key: 4 + 257, ..TRIE }, EINVAL)?;
    refuses_map("empty values", MapSpec { value: 0, ..TRIE }, EINVAL)?;
    create(MapSpec { key: 4 + 256, ..TRIE })?;
    let trie = create(TRIE)?;
    let add = |length, flags| trie.update(&prefix(length, [1; 4]), &[1], flags);
    fails_with("a prefix of 33 of 32 bits", add(33, update::ANY), EINVAL)?;
    fails_with("unknown update flags", add(8, 3), EINVAL)?;
    fails_with("a lookup in the still empty trie", trie.lookup(&prefix(32, [1; 4])), libc::ENOENT)?;
    succeeds("a prefix of all 32 bits", add(32, update::ANY)).map(drop)
}

/// Pushes 1 … `count`.
fn push(map: &Map, count: u64) -> CaseResult {
    for value in 1..=count {
        succeeds("push", map.update(&[], &value.to_le_bytes(), update::ANY))?;
    }
    Ok(())
}

pub fn queue_is_first_in_first_out(_: &Context) -> CaseResult {
    in_order(MapKind::Queue, [1, 2, 3], [2, 3, 4])
}

pub fn stack_is_last_in_first_out(_: &Context) -> CaseResult {
    in_order(MapKind::Stack, [3, 2, 1], [4, 3, 2])
}

/// `overwritten`: what is left when a fourth element is forced into a full map of three.
fn in_order(kind: MapKind, expected: [u64; 3], overwritten: [u64; 3]) -> CaseResult {
    let spec = MapSpec::new(kind, 0, 8, 3);
    refuses_map("a key", MapSpec { key: 4, ..spec }, libc::EINVAL)?;
    refuses_map("no elements", MapSpec { entries: 0, ..spec }, libc::EINVAL)?;
    let map = create(spec)?;
    let pop = || map.lookup_and_delete(&[]).map(|value| value[0]);
    fails_with("pop from an empty map", pop(), libc::ENOENT)?;
    fails_with("peek into an empty map", map.lookup(&[]), libc::ENOENT)?;
    push(&map, 3)?;
    fails_with("push into a full map", map.update(&[], &[9; 8], update::ANY), libc::E2BIG)?;
    fails_with("push with BPF_NOEXIST", map.update(&[], &[9; 8], update::NOEXIST), libc::EINVAL)?;
    for value in expected {
        check_eq!(u64::from(succeeds("peek", map.lookup(&[]))?[0]), value, "element peeked at");
        check_eq!(u64::from(succeeds("pop", pop())?), value, "element popped");
    }
    fails_with("pop after the last", pop(), libc::ENOENT)?;
    push(&map, 3)?;
    succeeds("forced push into a full map", map.update(&[], &4u64.to_le_bytes(), update::EXIST))?;
    for value in overwritten {
        check_eq!(u64::from(succeeds("pop", pop())?), value, "element left after a forced push");
    }
    fails_with("pop after the last", pop(), libc::ENOENT)
}

const PAGE: u32 = 4096;

pub fn ring_buffer_create_rules(_: &Context) -> CaseResult {
    let ring = MapSpec::new(MapKind::RingBuffer, 0, 0, PAGE);
    for (why, spec) in [
        ("a key", MapSpec { key: 4, ..ring }),
        ("a value", MapSpec { value: 4, ..ring }),
        ("no bytes", MapSpec { entries: 0, ..ring }),
        ("half a page", MapSpec { entries: PAGE / 2, ..ring }),
        ("three pages", MapSpec { entries: 3 * PAGE, ..ring }),
        ("a page and a byte", MapSpec { entries: PAGE + 1, ..ring }),
        ("an unknown flag", ring.flags(1 << 31)),
        ("BPF_F_NO_PREALLOC", ring.flags(map_flags::NO_PREALLOC)),
    ] {
        refuses_map(why, spec, libc::EINVAL)?;
    }
    for entries in [PAGE, 2 * PAGE] {
        create(MapSpec { entries, ..ring })?;
    }
    Ok(())
}

fn mmap(map: &Map, length: usize, protection: i32, offset: usize) -> Result<*mut u8, crate::sys::Errno> {
    // SAFETY: a fresh mapping where the kernel likes.
    let address = unsafe {
        let fd = map.as_raw_fd();
        libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, fd, offset as libc::off_t)
    };
    if address == libc::MAP_FAILED { Err(crate::sys::Errno::last()) } else { Ok(address.cast()) }
}

/// Each run of the program puts eight bytes in; the header's first word is their length, and the producer's
/// position moves by header and data.
pub fn ring_buffer_keeps_records_in_order(_: &Context) -> CaseResult {
    const OUTPUT: i32 = 130;
    let ring = create(MapSpec::new(MapKind::RingBuffer, 0, 0, PAGE))?;
    let page = PAGE as usize;
    let both = libc::PROT_READ | libc::PROT_WRITE;
    fails_with("writable mmap of the data", mmap(&ring, 2 * page, both, page), libc::EPERM)?;
    let consumer = succeeds("mmap of the consumer's page", mmap(&ring, page, both, 0))?;
    let data = succeeds("mmap of producer and data", mmap(&ring, 3 * page, libc::PROT_READ, page))?;
    let emit = |value: i32| {
        accepted(
            "a program with bpf_ringbuf_output",
            ProgramKind::SocketFilter,
            &code![
                Instruction::store(Width::Double, R10, -8, value),
                Instruction::load_map(R1, &ring),
                Instruction::mov(R2, R10),
                Instruction::add(R2, -8),
                Instruction::mov(R3, 8),
                Instruction::mov(R4, 0),
                Instruction::call(OUTPUT),
                Instruction::exit(),
            ],
        )
    };
    // SAFETY: three pages are mapped; offsets stay below them.
    let word = |offset: usize| unsafe { data.add(offset).cast::<u64>().read_volatile() };
    let program = emit(0x77)?;
    // 255 records of 16 bytes: the producer must never catch up with the consumer exactly, or full were empty.
    for record in 0..page / 16 - 1 {
        check_eq!(run(&program)?.cast_signed(), 0, "bpf_ringbuf_output of record {record}");
        check_eq!(word(0), (record as u64 + 1) * 16, "producer position after record {record}");
        check_eq!(word(page + record * 16) as u32, 8, "length of record {record}");
        check_eq!(word(page + record * 16 + 8), 0x77, "data of record {record}");
    }
    check_eq!(run(&program)?.cast_signed(), -libc::EAGAIN, "bpf_ringbuf_output into a full buffer");
    // SAFETY: the first word of the consumer's page, which is ours to write.
    unsafe { consumer.cast::<u64>().write_volatile(32) };
    let last = word(0);
    check_eq!(run(&emit(0x55)?)?, 0, "bpf_ringbuf_output after two records were consumed");
    let offset = page + (last as usize % page);
    check_eq!(word(offset + 8), 0x55, "data of the record behind the others");
    Ok(())
}

pub fn inner_maps_must_look_alike(_: &Context) -> CaseResult {
    let inner = MapSpec::new(MapKind::Hash, 4, 8, 4);
    let model = create(inner)?;
    let outer_spec = MapSpec::new(MapKind::ArrayOfMaps, 4, 4, 2);
    let mut attributes = outer_spec.attributes().fd(20, &model);
    let fd = succeeds("creation of an array of maps", attributes.open(Command::MapCreate))?;
    let outer = Map { fd, key: 4, value: 4 };
    let put = |map: &Map| outer.update(&[0; 4], &map.as_raw_fd().to_le_bytes(), update::ANY);
    fails_with("lookup of an empty place", outer.lookup(&[0; 4]), libc::ENOENT)?;
    for (why, other) in [
        ("key size", MapSpec { key: 8, ..inner }),
        ("value size", MapSpec { value: 16, ..inner }),
        ("type", MapSpec { kind: MapKind::LruHash, entries: 512, ..inner }),
        ("flags", inner.flags(map_flags::NO_PREALLOC)),
    ] {
        fails_with(&format!("an inner map of another {why}"), put(&create(other)?), libc::EINVAL)?;
    }
    fails_with("lookup after refused updates", outer.lookup(&[0; 4]), libc::ENOENT)?;
    let second = create(inner)?;
    succeeds("an inner map like the model", put(&second))?;
    let id = setup("lookup", outer.lookup(&[0; 4]))?;
    check!(id != [0; 4], "the inner map's identifier is 0");
    let unopened = outer_spec.attributes().u32(20, 0x7fff_ffff).open(Command::MapCreate);
    fails_with("an array of maps modelled on no descriptor", unopened, libc::EBADF)?;
    succeeds("deletion of the inner map", outer.delete(&[0; 4]))?;
    fails_with("lookup after deletion", outer.lookup(&[0; 4]), libc::ENOENT)
}
