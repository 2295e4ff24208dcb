//! The eBPF instruction encoder.
//!
//! Source: RFC 9669 (BPF Instruction Set Architecture) and instruction-set.rst of the kernel.

use std::iter;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    /// The read-only frame pointer.
    R10,
}

/// The second operand: a register or a sign-extended 32-bit immediate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    Register(Register),
    Immediate(i32),
}

impl From<Register> for Operand {
    fn from(register: Register) -> Operand {
        Operand::Register(register)
    }
}

impl From<i32> for Operand {
    fn from(value: i32) -> Operand {
        Operand::Immediate(value)
    }
}

/// Bytes moved by a load or a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Width {
    Word = 0x00,
    Half = 0x08,
    Byte = 0x10,
    Double = 0x18,
}

impl Width {
    pub const ALL: [Width; 4] = [Width::Byte, Width::Half, Width::Word, Width::Double];

    pub fn bytes(self) -> usize {
        match self {
            Width::Byte => 1,
            Width::Half => 2,
            Width::Word => 4,
            Width::Double => 8,
        }
    }

    /// The bits of a double word that this width keeps.
    pub fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bytes() * 8)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Alu {
    Add = 0x00,
    Sub = 0x10,
    Mul = 0x20,
    Div = 0x30,
    Or = 0x40,
    And = 0x50,
    Lsh = 0x60,
    Rsh = 0x70,
    Neg = 0x80,
    Mod = 0x90,
    Xor = 0xa0,
    Mov = 0xb0,
    Arsh = 0xc0,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Condition {
    Eq = 0x10,
    Gt = 0x20,
    Ge = 0x30,
    Set = 0x40,
    Ne = 0x50,
    SignedGt = 0x60,
    SignedGe = 0x70,
    Lt = 0xa0,
    Le = 0xb0,
    SignedLt = 0xc0,
    SignedLe = 0xd0,
}

/// What an atomic operation does to memory; with FETCH it also returns the old value in the source register
/// (compare-and-exchange: in R0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Atomic {
    Add = 0x00,
    Or = 0x40,
    And = 0x50,
    Xor = 0xa0,
    FetchAdd = 0x01,
    FetchOr = 0x41,
    FetchAnd = 0x51,
    FetchXor = 0xa1,
    Exchange = 0xe1,
    CompareExchange = 0xf1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// To little-endian: on a little-endian machine it truncates only.
    ToLittle,
    /// To big-endian.
    ToBig,
    /// Unconditional byte swap (6.6).
    Always,
}

/// One `struct bpf_insn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    pub opcode: u8,
    /// Destination in the low nibble, source in the high one.
    pub registers: u8,
    pub offset: i16,
    pub immediate: i32,
}

// Instruction classes and source bits.
const LD: u8 = 0x00;
const LDX: u8 = 0x01;
const ST: u8 = 0x02;
const STX: u8 = 0x03;
const ALU: u8 = 0x04;
const JMP: u8 = 0x05;
const JMP32: u8 = 0x06;
const ALU64: u8 = 0x07;
const SOURCE_REGISTER: u8 = 0x08;
const MODE_ABSOLUTE: u8 = 0x20;
const MODE_INDIRECT: u8 = 0x40;
const MODE_MEMORY: u8 = 0x60;
const MODE_MEMORY_SIGNED: u8 = 0x80;
const MODE_ATOMIC: u8 = 0xc0;

// Source registers that change the meaning of a 64-bit immediate and of a call.
const PSEUDO_MAP: u8 = 1;
const PSEUDO_MAP_VALUE: u8 = 2;
const PSEUDO_CALL: u8 = 1;
const PSEUDO_FUNCTION: u8 = 4;

impl Instruction {
    pub const fn raw(opcode: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Instruction {
        Instruction { opcode, registers: destination | source << 4, offset, immediate }
    }

    fn with_operand(
        opcode: u8,
        destination: Register,
        operand: impl Into<Operand>,
        offset: i16,
    ) -> Instruction {
        match operand.into() {
            Operand::Register(source) => {
                Self::raw(opcode | SOURCE_REGISTER, destination as u8, source as u8, offset, 0)
            }
            Operand::Immediate(value) => Self::raw(opcode, destination as u8, 0, offset, value),
        }
    }

    pub fn alu64(operation: Alu, destination: Register, operand: impl Into<Operand>) -> Instruction {
        Self::with_operand(ALU64 | operation as u8, destination, operand, 0)
    }

    pub fn alu32(operation: Alu, destination: Register, operand: impl Into<Operand>) -> Instruction {
        Self::with_operand(ALU | operation as u8, destination, operand, 0)
    }

    /// Signed division or modulo (6.6): offset 1 in the encoding.
    #[must_use]
    pub fn signed(self) -> Instruction {
        Instruction { offset: 1, ..self }
    }

    /// Sign-extending move of the low `bits` (8, 16, 32) of a register (6.6).
    pub fn move_signed(destination: Register, source: Register, bits: i16) -> Instruction {
        Self::with_operand(ALU64 | Alu::Mov as u8, destination, source, bits)
    }

    /// The same to 32 bits only (8, 16); the high half becomes zero.
    pub fn move_signed32(destination: Register, source: Register, bits: i16) -> Instruction {
        Self::with_operand(ALU | Alu::Mov as u8, destination, source, bits)
    }

    /// From a pointer as a process has it to one that a program can use (6.9): of an arena's address space, 1, to
    /// the program's own, 0.
    pub fn cast_from_arena(destination: Register, source: Register) -> Instruction {
        let plain = Self::with_operand(ALU64 | Alu::Mov as u8, destination, source, 1);
        Instruction { immediate: 1, ..plain }
    }

    pub fn mov(destination: Register, operand: impl Into<Operand>) -> Instruction {
        Self::alu64(Alu::Mov, destination, operand)
    }

    pub fn add(destination: Register, operand: impl Into<Operand>) -> Instruction {
        Self::alu64(Alu::Add, destination, operand)
    }

    pub fn swap(kind: Swap, destination: Register, bits: i32) -> Instruction {
        const END: u8 = 0xd0;
        let opcode = match kind {
            Swap::ToLittle => ALU | END,
            Swap::ToBig => ALU | END | SOURCE_REGISTER,
            Swap::Always => ALU64 | END,
        };
        Self::raw(opcode, destination as u8, 0, 0, bits)
    }

    /// `destination = *(width *)(source + offset)`, zero-extended.
    pub fn load(width: Width, destination: Register, source: Register, offset: i16) -> Instruction {
        Self::raw(LDX | MODE_MEMORY | width as u8, destination as u8, source as u8, offset, 0)
    }

    /// The same, sign-extended (6.6).
    pub fn load_signed(width: Width, destination: Register, source: Register, offset: i16) -> Instruction {
        Self::raw(LDX | MODE_MEMORY_SIGNED | width as u8, destination as u8, source as u8, offset, 0)
    }

    /// `destination = *(width *)(source + offset)`, before everything that follows (6.15).
    pub fn load_acquire(width: Width, destination: Register, source: Register, offset: i16) -> Instruction {
        const LOAD_ACQUIRE: i32 = 0x100;
        let opcode = STX | MODE_ATOMIC | width as u8;
        Self::raw(opcode, destination as u8, source as u8, offset, LOAD_ACQUIRE)
    }

    /// `*(width *)(destination + offset) = source`, after everything before it (6.15).
    pub fn store_release(width: Width, destination: Register, offset: i16, source: Register) -> Instruction {
        const STORE_RELEASE: i32 = 0x110;
        let opcode = STX | MODE_ATOMIC | width as u8;
        Self::raw(opcode, destination as u8, source as u8, offset, STORE_RELEASE)
    }

    /// `R0 = *(width *)(packet + offset)` in the host's byte order, R6 being the context.
    pub fn load_packet(width: Width, offset: i32) -> Instruction {
        Self::raw(LD | MODE_ABSOLUTE | width as u8, 0, 0, 0, offset)
    }

    /// The same with a register added to the offset.
    pub fn load_packet_at(width: Width, register: Register, offset: i32) -> Instruction {
        Self::raw(LD | MODE_INDIRECT | width as u8, 0, register as u8, 0, offset)
    }

    /// `*(width *)(destination + offset) = operand`.
    pub fn store(
        width: Width,
        destination: Register,
        offset: i16,
        operand: impl Into<Operand>,
    ) -> Instruction {
        let mode = MODE_MEMORY | width as u8;
        match operand.into() {
            Operand::Register(source) => Self::raw(STX | mode, destination as u8, source as u8, offset, 0),
            Operand::Immediate(value) => Self::raw(ST | mode, destination as u8, 0, offset, value),
        }
    }

    pub fn atomic(
        operation: Atomic,
        width: Width,
        destination: Register,
        offset: i16,
        source: Register,
    ) -> Instruction {
        let opcode = STX | MODE_ATOMIC | width as u8;
        Self::raw(opcode, destination as u8, source as u8, offset, operation as i32)
    }

    /// Jumps over `offset` instructions when the 64-bit comparison holds.
    pub fn jump(
        condition: Condition,
        register: Register,
        operand: impl Into<Operand>,
        offset: i16,
    ) -> Instruction {
        Self::with_operand(JMP | condition as u8, register, operand, offset)
    }

    /// The same for the low halves.
    pub fn jump32(
        condition: Condition,
        register: Register,
        operand: impl Into<Operand>,
        offset: i16,
    ) -> Instruction {
        Self::with_operand(JMP32 | condition as u8, register, operand, offset)
    }

    pub fn goto(offset: i16) -> Instruction {
        Self::raw(JMP, 0, 0, offset, 0)
    }

    /// The same over any distance (6.6).
    pub fn goto_long(offset: i32) -> Instruction {
        Self::raw(JMP32, 0, 0, 0, offset)
    }

    /// Calls a helper by its number in `enum bpf_func_id`.
    pub fn call(helper: i32) -> Instruction {
        Self::raw(JMP | 0x80, 0, 0, 0, helper)
    }

    /// Calls the subprogram `offset` instructions after the next one.
    pub fn call_subprogram(offset: i32) -> Instruction {
        Self::raw(JMP | 0x80, 0, PSEUDO_CALL, 0, offset)
    }

    /// Pointer to the function `offset` instructions after the first half of this pair, less one.
    pub fn load_function(destination: Register, offset: i32) -> [Instruction; 2] {
        Self::wide(destination, PSEUDO_FUNCTION, offset, 0)
    }

    pub fn exit() -> Instruction {
        Self::raw(JMP | 0x90, 0, 0, 0, 0)
    }

    fn wide(destination: Register, source: u8, low: i32, high: i32) -> [Instruction; 2] {
        [Self::raw(LD | Width::Double as u8, destination as u8, source, 0, low), Self::raw(0, 0, 0, 0, high)]
    }

    /// A full 64-bit immediate: two instructions.
    pub fn load_u64(destination: Register, value: u64) -> [Instruction; 2] {
        Self::wide(destination, 0, value as i32, (value >> 32) as i32)
    }

    /// Pointer to a map.
    pub fn load_map(destination: Register, map: &impl std::os::fd::AsRawFd) -> [Instruction; 2] {
        Self::wide(destination, PSEUDO_MAP, map.as_raw_fd(), 0)
    }

    /// Pointer into the value of a one-element array map.
    pub fn load_map_value(
        destination: Register,
        map: &impl std::os::fd::AsRawFd,
        offset: i32,
    ) -> [Instruction; 2] {
        Self::wide(destination, PSEUDO_MAP_VALUE, map.as_raw_fd(), offset)
    }
}

impl IntoIterator for Instruction {
    type Item = Instruction;
    type IntoIter = iter::Once<Instruction>;

    fn into_iter(self) -> Self::IntoIter {
        iter::once(self)
    }
}

/// A program: single instructions, pairs and whole pieces in order.
#[macro_export]
macro_rules! code {
    ($($piece:expr),* $(,)?) => {{
        let mut code: Vec<$crate::bpf::Instruction> = Vec::new();
        $(code.extend($piece);)*
        code
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(instruction: Instruction) -> [u8; 8] {
        let [a, b] = instruction.offset.to_le_bytes();
        let [c, d, e, f] = instruction.immediate.to_le_bytes();
        [instruction.opcode, instruction.registers, a, b, c, d, e, f]
    }

    /// Expected bytes worked out by hand from RFC 9669, sections 3 to 5.
    #[test]
    fn encodings_match_the_standard() {
        use Register::*;
        for (instruction, expected) in [
            (Instruction::mov(R0, -1), [0xb7, 0x00, 0, 0, 0xff, 0xff, 0xff, 0xff]),
            (Instruction::alu32(Alu::Div, R3, R4), [0x3c, 0x43, 0, 0, 0, 0, 0, 0]),
            (Instruction::alu64(Alu::Arsh, R1, 63), [0xc7, 0x01, 0, 0, 63, 0, 0, 0]),
            (Instruction::alu64(Alu::Mod, R1, R2).signed(), [0x9f, 0x21, 1, 0, 0, 0, 0, 0]),
            (Instruction::load(Width::Half, R2, R1, -2), [0x69, 0x12, 0xfe, 0xff, 0, 0, 0, 0]),
            (Instruction::load_signed(Width::Byte, R2, R1, 4), [0x91, 0x12, 4, 0, 0, 0, 0, 0]),
            (Instruction::store(Width::Double, R10, -8, R1), [0x7b, 0x1a, 0xf8, 0xff, 0, 0, 0, 0]),
            (Instruction::store(Width::Byte, R10, -1, 7), [0x72, 0x0a, 0xff, 0xff, 7, 0, 0, 0]),
            (Instruction::atomic(Atomic::FetchAdd, Width::Double, R1, 0, R2), [0xdb, 0x21, 0, 0, 1, 0, 0, 0]),
            (Instruction::swap(Swap::ToBig, R5, 16), [0xdc, 0x05, 0, 0, 16, 0, 0, 0]),
            (Instruction::move_signed32(R2, R3, 16), [0xbc, 0x32, 16, 0, 0, 0, 0, 0]),
            (Instruction::load_acquire(Width::Double, R0, R1, 0), [0xdb, 0x10, 0, 0, 0, 1, 0, 0]),
            (Instruction::store_release(Width::Half, R1, 0, R2), [0xcb, 0x21, 0, 0, 0x10, 1, 0, 0]),
            (Instruction::load_packet(Width::Half, 12), [0x28, 0, 0, 0, 12, 0, 0, 0]),
            (Instruction::load_packet_at(Width::Byte, R7, 1), [0x50, 0x70, 0, 0, 1, 0, 0, 0]),
            (Instruction::goto_long(-2), [0x06, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]),
            (Instruction::jump(Condition::SignedLe, R1, 3, -2), [0xd5, 0x01, 0xfe, 0xff, 3, 0, 0, 0]),
            (Instruction::jump32(Condition::Lt, R1, R2, 1), [0xae, 0x21, 1, 0, 0, 0, 0, 0]),
            (Instruction::call(1), [0x85, 0, 0, 0, 1, 0, 0, 0]),
            (Instruction::call_subprogram(-3), [0x85, 0x10, 0, 0, 0xfd, 0xff, 0xff, 0xff]),
            (Instruction::exit(), [0x95, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(bytes(instruction), expected, "{instruction:?}");
        }
    }

    #[test]
    fn wide_immediates_are_split_low_half_first() {
        let [low, high] = Instruction::load_u64(Register::R1, 0x1122_3344_5566_7788);
        assert_eq!(bytes(low), [0x18, 1, 0, 0, 0x88, 0x77, 0x66, 0x55]);
        assert_eq!(bytes(high), [0, 0, 0, 0, 0x44, 0x33, 0x22, 0x11]);
    }
}
