//! What the verifier must refuse, and the nearest thing that it must accept.

use super::support::{accepted, create, look_up_first, rejected, rejected_load, rejected_with, returning};
use crate::bpf::{
    Alu, Condition, Instruction, Load, MapKind, MapSpec, ProgramKind, Register, Register::*, Width, map_flags,
};
use crate::{CaseResult, Context, code};
use ProgramKind::{SocketFilter, Xdp};
use libc::{E2BIG, EACCES, EINVAL};

const LOOKUP: i32 = 1;

/// A map with one value of 16 bytes.
const SIXTEEN: MapSpec = MapSpec::new(MapKind::Array, 4, 16, 1);

/// Leaves with 0 when the register is 0.
fn unless_null(register: Register) -> Vec<Instruction> {
    code![Instruction::jump(Condition::Ne, register, 0, 2), returning(0)]
}

pub fn uninitialised_registers(_: &Context) -> CaseResult {
    let unread = |name: &str| format!("{name} !read_ok");
    rejected("exit without a value", SocketFilter, &[Instruction::exit()], EACCES, &[&unread("R0")])?;
    for register in [R2, R5, R9] {
        let name = format!("{register:?}");
        let copy = code![Instruction::mov(R0, register), Instruction::exit()];
        rejected(&format!("use of {name}"), SocketFilter, &copy, EACCES, &[&unread(&name)])?;
    }
    let clobbered =
        code![Instruction::mov(R1, 0), Instruction::call(5), Instruction::mov(R0, R1), Instruction::exit(),];
    rejected("use of R1 after a call", SocketFilter, &clobbered, EACCES, &[&unread("R1")])?;
    let kept =
        code![Instruction::mov(R6, 3), Instruction::call(5), Instruction::mov(R0, R6), Instruction::exit(),];
    accepted("use of R6 after a call", SocketFilter, &kept).map(drop)
}

pub fn stack_bounds(_: &Context) -> CaseResult {
    let store = |width, offset| code![Instruction::store(width, R10, offset, 0), returning(0)];
    for (width, offset) in [
        (Width::Double, -520),
        (Width::Byte, -513),
        (Width::Byte, 0),
        (Width::Double, 0),
        (Width::Double, 8),
        (Width::Byte, i16::MIN),
    ] {
        let text = format!("off={offset} size={}", width.bytes());
        rejected(&format!("store at {offset}"), SocketFilter, &store(width, offset), EACCES, &[&text])?;
    }
    for (width, offset) in
        [(Width::Double, -512), (Width::Byte, -512), (Width::Byte, -1), (Width::Double, -8)]
    {
        accepted(&format!("store at {offset}"), SocketFilter, &store(width, offset))?;
    }
    Ok(())
}

/// Pointers may be moved by numbers, and nothing else.
pub fn pointer_arithmetic(_: &Context) -> CaseResult {
    let map = create(SIXTEEN)?;
    let on_frame =
        |instruction| code![Instruction::mov(R2, R10), Instruction::mov(R3, R10), instruction, returning(0)];
    for (what, code, text) in [
        ("a pointer multiplied", on_frame(Instruction::alu64(Alu::Mul, R2, 2)), "operator prohibited"),
        ("a pointer shifted", on_frame(Instruction::alu64(Alu::Lsh, R2, 1)), "operator prohibited"),
        ("bits of a pointer changed", on_frame(Instruction::alu64(Alu::Xor, R2, 1)), "bitwise operator"),
        ("two pointers added", on_frame(Instruction::add(R2, R3)), "pointer prohibited"),
        (
            "half of a pointer moved",
            on_frame(Instruction::alu32(Alu::Add, R2, 1)),
            "32-bit pointer arithmetic prohibited",
        ),
        (
            "a pointer to a map moved",
            code![Instruction::load_map(R2, &map), Instruction::add(R2, 8), returning(0)],
            "prohibited",
        ),
        (
            "a store across the boundary of a stack slot",
            code![Instruction::store(Width::Double, R10, -12, 0), returning(0)],
            "misaligned stack access",
        ),
    ] {
        rejected(what, SocketFilter, &code, EACCES, &[text])?;
    }
    let moved = code![
        Instruction::mov(R2, R10),
        Instruction::add(R2, -16),
        Instruction::add(R2, 8),
        Instruction::store(Width::Double, R2, 0, 7),
        Instruction::load(Width::Double, R0, R10, -8),
        Instruction::exit(),
    ];
    let program = accepted("a pointer moved by numbers", SocketFilter, &moved)?;
    crate::check_eq!(super::support::run(&program)?, 7, "what was stored through the moved pointer");
    Ok(())
}

pub fn map_value_bounds(_: &Context) -> CaseResult {
    let map = create(SIXTEEN)?;
    let load = |width, offset| {
        code![
            look_up_first(&map),
            unless_null(R0),
            Instruction::load(width, R0, R0, offset),
            Instruction::exit()
        ]
    };
    for (width, offset) in [(Width::Double, 8), (Width::Byte, 15), (Width::Double, 0)] {
        accepted(&format!("load at {offset} of 16"), SocketFilter, &load(width, offset))?;
    }
    for (width, offset) in [(Width::Double, 9), (Width::Byte, 16), (Width::Byte, -1), (Width::Word, 13)] {
        let text = format!("off={offset} size={}", width.bytes());
        rejected(&format!("load at {offset} of 16"), SocketFilter, &load(width, offset), EACCES, &[&text])?;
    }
    Ok(())
}

/// An index from outside, made safe by a comparison: safe up to the very last byte, unsafe one beyond.
pub fn variable_offset_bounds(_: &Context) -> CaseResult {
    let map = create(SIXTEEN)?;
    let indexed = |guard: Instruction| {
        code![
            Instruction::load(Width::Word, R6, R1, 0),
            look_up_first(&map),
            unless_null(R0),
            guard,
            Instruction::goto(2),
            Instruction::add(R0, R6),
            Instruction::load(Width::Byte, R7, R0, 0),
            returning(0),
        ]
    };
    use Condition::{Ge, Gt, Le, Lt};
    for (text, guard) in [
        ("index < 16", Instruction::jump(Lt, R6, 16, 1)),
        ("index <= 15", Instruction::jump(Le, R6, 15, 1)),
        ("index < 1", Instruction::jump(Lt, R6, 1, 1)),
    ] {
        accepted(&format!("an access with {text}"), SocketFilter, &indexed(guard))?;
    }
    for (text, guard) in [
        ("index < 17", Instruction::jump(Lt, R6, 17, 1)),
        ("index <= 16", Instruction::jump(Le, R6, 16, 1)),
        ("index > 3", Instruction::jump(Gt, R6, 3, 1)),
        ("index >= 0", Instruction::jump(Ge, R6, 0, 1)),
    ] {
        let texts = ["invalid access to map value", "unbounded memory access"];
        rejected(&format!("an access with {text}"), SocketFilter, &indexed(guard), EACCES, &texts)?;
    }
    Ok(())
}

/// A signed comparison from above leaves negative indices open.
pub fn negative_offsets_are_seen(_: &Context) -> CaseResult {
    let map = create(SIXTEEN)?;
    let indexed = |also_from_below: Vec<Instruction>| {
        code![
            Instruction::load(Width::Word, R6, R1, 0),
            Instruction::alu64(Alu::Lsh, R6, 32),
            Instruction::alu64(Alu::Arsh, R6, 32),
            look_up_first(&map),
            unless_null(R0),
            Instruction::jump(Condition::SignedLt, R6, 16, 2),
            returning(0),
            also_from_below,
            Instruction::add(R0, R6),
            Instruction::load(Width::Byte, R0, R0, 0),
            Instruction::exit(),
        ]
    };
    let from_below = code![Instruction::jump(Condition::SignedGe, R6, 0, 2), returning(0)];
    accepted("a signed index bounded on both sides", SocketFilter, &indexed(from_below))?;
    let texts = [
        "min value is negative",
        "unbounded memory access",
        "invalid access to map value",
        "makes map_value pointer be out of bounds",
        "unbounded min value",
    ];
    // The pointer arithmetic refuses this before the access since the bounds of 32-bit halves are known.
    let code = indexed(vec![]);
    let request = Load::new(SocketFilter, &code);
    rejected_with("a signed index bounded from above only", &request, &[EACCES, EINVAL], &texts)
}

pub fn null_check_is_required(_: &Context) -> CaseResult {
    // A hash: since 6.14 the verifier knows that a constant index inside an array is always found.
    let map = create(MapSpec { kind: MapKind::Hash, ..SIXTEEN })?;
    let unchecked =
        code![look_up_first(&map), Instruction::load(Width::Byte, R0, R0, 0), Instruction::exit()];
    let texts = ["map_value_or_null"];
    rejected("a lookup's result used unchecked", SocketFilter, &unchecked, EACCES, &texts)?;
    let inverted = code![
        look_up_first(&map),
        Instruction::jump(Condition::Eq, R0, 0, 2),
        returning(0),
        Instruction::load(Width::Byte, R0, R0, 0),
        Instruction::exit(),
    ];
    rejected(
        "a lookup's result used where it is null",
        SocketFilter,
        &inverted,
        EACCES,
        &["invalid mem access"],
    )
}

pub fn endless_loops(_: &Context) -> CaseResult {
    let on_itself = code![
        Instruction::load(Width::Word, R0, R1, 0),
        Instruction::jump(Condition::Ne, R0, 0, -1),
        Instruction::exit(),
    ];
    rejected("a loop on one instruction", SocketFilter, &on_itself, EINVAL, &["infinite loop detected"])?;
    let around_two = code![
        Instruction::load(Width::Word, R6, R1, 0),
        Instruction::mov(R0, 1),
        Instruction::jump(Condition::Ne, R6, 0, -2),
        Instruction::exit(),
    ];
    rejected("a loop without progress", SocketFilter, &around_two, EINVAL, &["infinite loop detected"])
}

pub fn control_flow_stays_inside(_: &Context) -> CaseResult {
    let unreachable = code![returning(0), returning(1)];
    rejected("unreachable code", SocketFilter, &unreachable, EINVAL, &["unreachable insn 2"])?;
    let beyond = code![Instruction::mov(R0, 0), Instruction::goto(1), Instruction::exit()];
    rejected("a jump behind the end", SocketFilter, &beyond, EINVAL, &["jump out of range"])?;
    let before = code![Instruction::mov(R0, 0), Instruction::goto(-3), Instruction::exit()];
    rejected("a jump before the start", SocketFilter, &before, EINVAL, &["jump out of range"])?;
    let open = [Instruction::mov(R0, 0)];
    rejected("a program without an end", SocketFilter, &open, EINVAL, &["not an exit", "fallthrough"])?;
    let into_pair = code![
        Instruction::mov(R0, 0),
        Instruction::jump(Condition::Eq, R0, 0, 1),
        Instruction::load_u64(R1, 7),
        Instruction::exit(),
    ];
    let texts = ["jump into the middle of ldimm64", "invalid BPF_LD_IMM", "unknown opcode 00"];
    rejected("a jump into a wide instruction", SocketFilter, &into_pair, EINVAL, &texts)
}

pub fn ill_formed_instructions(_: &Context) -> CaseResult {
    const REGISTER: &str = "R11 is invalid";
    const UNKNOWN: &str = "opcode";
    const ZERO: &str = "div by zero";
    const SHIFT: &str = "invalid shift";
    const RESERVED: &str = "uses reserved fields";
    const HALF: &str = "invalid bpf_ld_imm64 insn";
    let raw = Instruction::raw;
    for (what, instruction, text) in [
        ("register 11 as destination", raw(0xb7, 11, 0, 0, 0), REGISTER),
        ("register 11 as source", raw(0xbf, 0, 11, 0, 0), REGISTER),
        ("an unknown operation", raw(0xe7, 0, 0, 0, 0), UNKNOWN),
        ("an unknown jump", raw(0xf5, 0, 0, 0, 0), UNKNOWN),
        ("opcode 0xff", raw(0xff, 0, 0, 0, 0), UNKNOWN),
        ("a division by the constant 0", raw(0x37, 0, 0, 0, 0), ZERO),
        ("a 32-bit modulo by the constant 0", raw(0x94, 0, 0, 0, 0), ZERO),
        ("a shift by 64", Instruction::alu64(Alu::Lsh, R0, 64), SHIFT),
        ("a shift by -1", Instruction::alu64(Alu::Arsh, R0, -1), SHIFT),
        ("a 32-bit shift by 32", Instruction::alu32(Alu::Rsh, R0, 32), SHIFT),
        ("a byte swap of 24 bits", raw(0xdc, 0, 0, 0, 24), RESERVED),
        ("a byte swap of 0 bits", raw(0xd4, 0, 0, 0, 0), RESERVED),
        ("a move with offset 5", raw(0xb7, 0, 0, 5, 0), RESERVED),
        ("an addition with an offset", raw(0x07, 0, 0, 1, 1), RESERVED),
        ("a register addition with an immediate", raw(0x0f, 0, 0, 0, 1), RESERVED),
        ("an immediate addition with a source register", raw(0x07, 0, 2, 0, 1), RESERVED),
        ("a negation with an immediate", raw(0x87, 0, 0, 0, 1), RESERVED),
        ("a call with an offset", raw(0x85, 0, 0, 1, 5), RESERVED),
        ("half a wide instruction", raw(0x18, 1, 0, 0, 1), HALF),
    ] {
        let code = code![Instruction::mov(R0, 1), instruction, returning(0)];
        rejected(what, SocketFilter, &code, EINVAL, &[text])?;
    }
    // Behind it there must be nothing, or that is why it is refused.
    let exit = [Instruction::mov(R0, 1), raw(0x95, 0, 0, 0, 1)];
    rejected("an exit with an immediate", SocketFilter, &exit, EINVAL, &[RESERVED])?;
    for edge in [63, 0] {
        let code =
            code![Instruction::mov(R0, 1), Instruction::alu64(Alu::Lsh, R0, edge), Instruction::exit()];
        accepted(&format!("a shift by {edge}"), SocketFilter, &code)?;
    }
    let code = code![Instruction::mov(R0, 1), Instruction::alu32(Alu::Lsh, R0, 31), Instruction::exit()];
    accepted("a 32-bit shift by 31", SocketFilter, &code).map(drop)
}

pub fn frame_pointer_is_read_only(_: &Context) -> CaseResult {
    for (what, write) in [
        ("a move", Instruction::mov(R10, 0)),
        ("an addition", Instruction::add(R10, -8)),
        ("a load", Instruction::load(Width::Double, R10, R1, 0)),
    ] {
        let code = code![write, returning(0)];
        rejected(&format!("{what} into R10"), SocketFilter, &code, EACCES, &["frame pointer is read only"])?;
    }
    Ok(())
}

pub fn helpers_are_known_and_typed(_: &Context) -> CaseResult {
    let call = |helper| code![Instruction::call(helper), returning(0)];
    rejected("helper 32767", SocketFilter, &call(32767), EINVAL, &["invalid func unknown#32767"])?;
    rejected(
        "helper 0",
        SocketFilter,
        &call(0),
        EINVAL,
        &["unknown func bpf_unspec#0", "cannot use helper bpf_unspec#0"],
    )?;
    let texts = ["unknown func bpf_xdp_adjust_head#44", "cannot use helper bpf_xdp_adjust_head#44"];
    rejected("an XDP helper in a socket filter", SocketFilter, &call(44), EINVAL, &texts)?;
    let map = create(SIXTEEN)?;
    let lookup = |first: Vec<Instruction>, key_offset| {
        code![
            Instruction::store(Width::Double, R10, -8, 0),
            first,
            Instruction::mov(R2, R10),
            Instruction::add(R2, key_offset),
            Instruction::call(LOOKUP),
            returning(0),
        ]
    };
    let no_map = lookup(code![Instruction::mov(R1, 1)], -8);
    rejected("a number for a map", SocketFilter, &no_map, EACCES, &["R1 type="])?;
    let with_map = code![Instruction::load_map(R1, &map)];
    accepted("a key of 4 bytes at -4", SocketFilter, &lookup(with_map.clone(), -4))?;
    let code = lookup(with_map, -3);
    // EACCES until helper arguments were checked by the same function as stack reads.
    let request = Load::new(SocketFilter, &code);
    rejected_with("a key of 4 bytes at -3", &request, &[EACCES, EINVAL], &["off=-3"])
}

pub fn context_bounds(_: &Context) -> CaseResult {
    // `struct __sk_buff` of a socket filter: readable up to a length that grows; 4096 is beyond any.
    let load = |offset| code![Instruction::load(Width::Word, R0, R1, offset), Instruction::exit()];
    accepted("a read of skb->len", SocketFilter, &load(0))?;
    for offset in [-4, 4096] {
        let texts = ["invalid bpf_context access", "dereference of modified ctx", "negative offset ctx"];
        rejected(&format!("a read at {offset}"), SocketFilter, &load(offset), EACCES, &texts)?;
    }
    let store = code![Instruction::store(Width::Word, R1, 0, R1), returning(0)];
    let texts = ["invalid bpf_context access off=0 size=4"];
    rejected("a write of skb->len", SocketFilter, &store, EACCES, &texts)
}

/// Direct packet access: the bytes compared against `data_end` and no more.
pub fn packet_bounds(_: &Context) -> CaseResult {
    let access = |checked: i32, width, offset| {
        code![
            Instruction::load(Width::Word, R2, R1, 0),
            Instruction::load(Width::Word, R3, R1, 4),
            Instruction::mov(R4, R2),
            Instruction::add(R4, checked),
            Instruction::jump(Condition::Gt, R4, R3, 1),
            Instruction::load(width, R5, R2, offset),
            returning(2),
        ]
    };
    accepted("byte 13 of 14 checked", Xdp, &access(14, Width::Byte, 13))?;
    accepted("word 10 of 14 checked", Xdp, &access(14, Width::Word, 10))?;
    for (width, offset) in [(Width::Byte, 14), (Width::Word, 11), (Width::Byte, -1)] {
        let what = format!("{} bytes at {offset} of 14 checked", width.bytes());
        rejected(&what, Xdp, &access(14, width, offset), EACCES, &["invalid access to packet", "negative"])?;
    }
    let unchecked = code![
        Instruction::load(Width::Word, R2, R1, 0),
        Instruction::load(Width::Byte, R5, R2, 0),
        returning(2),
    ];
    rejected("an unchecked byte", Xdp, &unchecked, EACCES, &["invalid access to packet"])
}

pub fn read_only_map_is_read_only_for_programs(_: &Context) -> CaseResult {
    let map = create(SIXTEEN.flags(map_flags::RDONLY_PROG))?;
    let store = |map| {
        code![look_up_first(map), unless_null(R0), Instruction::store(Width::Byte, R0, 0, 1), returning(0)]
    };
    rejected(
        "a store into a read-only map",
        SocketFilter,
        &store(&map),
        EACCES,
        &["write into map forbidden"],
    )?;
    let load = |map| {
        code![
            look_up_first(map),
            unless_null(R0),
            Instruction::load(Width::Byte, R0, R0, 0),
            Instruction::exit()
        ]
    };
    accepted("a load from a read-only map", SocketFilter, &load(&map))?;
    let map = create(SIXTEEN.flags(map_flags::WRONLY_PROG))?;
    rejected(
        "a load from a write-only map",
        SocketFilter,
        &load(&map),
        EACCES,
        &["read from map forbidden"],
    )?;
    accepted("a store into a write-only map", SocketFilter, &store(&map)).map(drop)
}

pub fn licence_gates_helpers(_: &Context) -> CaseResult {
    // bpf_trace_printk, GPL only. Two bytes of format: "a\0".
    let code = code![
        Instruction::store(Width::Half, R10, -2, 0x61),
        Instruction::mov(R1, R10),
        Instruction::add(R1, -2),
        Instruction::mov(R2, 2),
        Instruction::call(6),
        returning(0),
    ];
    accepted("bpf_trace_printk under the GPL", SocketFilter, &code)?;
    let request = Load { gpl: false, ..Load::new(SocketFilter, &code) };
    rejected_load("bpf_trace_printk without the GPL", &request, EINVAL, &["GPL"])
}

pub fn program_attributes(_: &Context) -> CaseResult {
    let code = returning(0);
    let request = Load::new(SocketFilter, &code);
    accepted("a plain program", SocketFilter, &code)?;
    rejected_load("no instructions", &Load { count: Some(0), ..request }, E2BIG, &[])?;
    rejected_load("1,000,001 instructions", &Load { count: Some(1_000_001), ..request }, E2BIG, &[])?;
    rejected_load("an unknown flag", &Load { flags: 1 << 31, ..request }, EINVAL, &[])?;
    rejected_load("an unknown type", &Load { kind: 0x7fff, ..request }, EINVAL, &[])?;
    rejected_load("type 0", &Load { kind: 0, ..request }, EINVAL, &[])?;
    rejected_load("a name with a slash", &Load { name: b"a/b", ..request }, EINVAL, &[])?;
    rejected_load("a name without an end", &Load { name: &[b'a'; 16], ..request }, EINVAL, &[])
}
