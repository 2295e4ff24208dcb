//! Instructions that read a packet by its offset, as filters of sockets have them (classic_vs_extended.rst): they end
//! the program where there is no packet any more.

use super::socket::{MESSAGE, Pair, SO_ATTACH_BPF};
use super::support::{accepted, create, rejected};
use crate::bpf::{Instruction, MapKind, MapSpec, ProgramKind, ProgramKind::SocketFilter, Register::*, Width};
use crate::case::{setup, succeeds};
use crate::{CaseResult, Context, Stop, check_eq, code};
use std::os::fd::AsRawFd;

const WIDTHS: [Width; 3] = [Width::Byte, Width::Half, Width::Word];

/// Where nothing is stored.
const NOTHING: u64 = 0xdead_dead_dead_dead;

/// A datagram through a filter that loads, with the index in R7, and then lets everything pass. What it has loaded,
/// which must be nothing exactly when the datagram was dropped.
fn loaded(load: Instruction, index: u64) -> Result<Option<u64>, Stop> {
    let map = create(MapSpec::new(MapKind::Array, 4, 16, 1))?;
    setup("operands", map.update_u64(0, &[NOTHING, index]))?;
    let code = code![
        Instruction::mov(R6, R1),
        Instruction::load_map_value(R8, &map, 0),
        Instruction::load(Width::Double, R7, R8, 8),
        load,
        Instruction::store(Width::Double, R8, 0, R0),
        Instruction::mov(R0, -1),
        Instruction::exit(),
    ];
    let program = accepted("a filter that loads", SocketFilter, &code)?;
    let pair = Pair::new()?;
    succeeds("SO_ATTACH_BPF", pair.option(SO_ATTACH_BPF, &program.as_raw_fd()))?;
    let passed = pair.pass()?.is_some();
    let word = succeeds("lookup", map.lookup_u64(0))?[0];
    check_eq!(passed, word != NOTHING, "the datagram passes, after {load:?} at {index} gave {word:#x}");
    Ok(passed.then_some(word))
}

/// Numbers in packets have their most significant byte first.
fn expected(width: Width, offset: u64) -> Option<u64> {
    let start = usize::try_from(offset).ok()?;
    let bytes = MESSAGE.get(start..start.checked_add(width.bytes())?)?;
    Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// The last offset of which all bytes are there, the first of which not, and far away.
const OFFSETS: [i32; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 100, 1 << 20, i32::MAX];

pub fn absolute_loads(_: &Context) -> CaseResult {
    for width in WIDTHS {
        for offset in OFFSETS {
            let got = loaded(Instruction::load_packet(width, offset), 0)?;
            check_eq!(got, expected(width, offset as u64), "{width:?} at {offset} of {MESSAGE:?}");
        }
    }
    Ok(())
}

pub fn indexed_loads(_: &Context) -> CaseResult {
    for width in WIDTHS {
        for offset in [0, -3] {
            for index in [3u64, 5, 6, 7, 8, 11, 100, 1 << 20] {
                let load = Instruction::load_packet_at(width, R7, offset);
                let at = index.wrapping_add_signed(offset.into());
                let what = format!("{width:?} at {index} and {offset} of {MESSAGE:?}");
                check_eq!(loaded(load, index)?, expected(width, at), "{what}");
            }
        }
    }
    Ok(())
}

/// The context in R6, the result in R0, nothing left in R1 to R5; for filters of sockets.
pub fn loads_have_rules(_: &Context) -> CaseResult {
    let load = Instruction::load_packet(Width::Byte, 0);
    let with = |load, then| code![Instruction::mov(R6, R1), load, then, Instruction::exit()];
    let keeps = with(load, Instruction::mov(R0, R6));
    let unread = [R1, R2, R3, R4, R5];
    for register in unread {
        let code = with(load, Instruction::mov(R0, register));
        let text = format!("{register:?} !read_ok");
        let what = format!("use of {register:?} after a load from the packet");
        rejected(&what, SocketFilter, &code, libc::EACCES, &[&text])?;
    }
    accepted("use of R6 after a load from the packet", SocketFilter, &keeps)?;
    let (no_context, double) = (code![Instruction::mov(R6, 0), load, Instruction::exit()], {
        let load = Instruction::load_packet(Width::Double, 0);
        with(load, Instruction::mov(R0, 0))
    });
    let texts = ["R6 != pointer to skb"];
    rejected("a load without the context in R6", SocketFilter, &no_context, libc::EINVAL, &texts)?;
    let texts = ["reserved fields", "unknown opcode"];
    rejected("a load of eight bytes", SocketFilter, &double, libc::EINVAL, &texts)?;
    let plain = with(load, Instruction::mov(R0, 2));
    let texts = ["not allowed for this program type"];
    rejected("a load in an XDP program", ProgramKind::Xdp, &plain, libc::EINVAL, &texts)
}
