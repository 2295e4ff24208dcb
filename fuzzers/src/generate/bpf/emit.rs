//! Single instructions.

use super::{Map, Register, State};
use crate::program::Instruction;

/// Width codes of loads and stores: 4, 2, 1 and 8 bytes.
pub(super) const WIDTHS: [(u8, i16); 4] = [(0x00, 4), (0x08, 2), (0x10, 1), (0x18, 8)];

pub(super) const ALU64_CONSTANT: u8 = 0x07;
pub(super) const ALU64_REGISTER: u8 = 0x0f;
pub(super) const MOVE: u8 = 0xb0;
const LOAD: u8 = 0x61;
const STORE_REGISTER: u8 = 0x63;
const STORE_CONSTANT: u8 = 0x62;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const LOAD_WIDE: u8 = 0x18;
/// BPF_PSEUDO_MAP_FD: the constant is a map's descriptor.
const MAP_DESCRIPTOR: u8 = 1;

impl State {
    pub(super) fn new(maps: Vec<Map>) -> State {
        let mut registers = [Register::Unknown; 11];
        registers[1] = Register::Context;
        registers[10] = Register::Frame;
        let mut state = State { code: Vec::with_capacity(64), registers, stack: [false; 64], maps };
        // Helpers clobber r1: the context lives in r6 from the start.
        state.alu(ALU64_REGISTER | MOVE, 6, 1, 0);
        state.registers[6] = Register::Context;
        state.set(7, 0);
        state
    }

    pub(super) fn put(&mut self, code: u8, target: u8, source: u8, offset: i16, constant: i32) {
        let bits = u64::from(code)
            | u64::from(target & 15) << 8
            | u64::from(source & 15) << 12
            | u64::from(offset.cast_unsigned()) << 16
            | u64::from(constant.cast_unsigned()) << 32;
        self.code.push(Instruction { bits, resource: None });
    }

    pub(super) fn alu(&mut self, code: u8, target: u8, source: u8, constant: i32) {
        self.put(code, target, source, 0, constant);
    }

    /// target = constant.
    pub(super) fn set(&mut self, target: u8, constant: i32) {
        self.alu(ALU64_CONSTANT | MOVE, target, 0, constant);
        self.registers[usize::from(target)] = Register::Scalar;
    }

    /// target = *(base + offset), `width` a code of [`WIDTHS`].
    pub(super) fn load(&mut self, width: u8, target: u8, base: u8, offset: i16) {
        self.put(LOAD | width, target, base, offset, 0);
        self.registers[usize::from(target)] = Register::Scalar;
    }

    pub(super) fn store(&mut self, width: u8, base: u8, offset: i16, source: u8) {
        self.put(STORE_REGISTER | width, base, source, offset, 0);
    }

    pub(super) fn store_constant(&mut self, width: u8, base: u8, offset: i16, constant: i32) {
        self.put(STORE_CONSTANT | width, base, 0, offset, constant);
    }

    /// Calls a helper: r0 holds its result, r1 to r5 nothing any more.
    pub(super) fn helper(&mut self, number: i32) {
        self.put(CALL, 0, 0, 0, number);
        self.registers[0] = Register::Scalar;
        self.registers[1..=5].fill(Register::Unknown);
    }

    /// target = the map of an earlier call; takes two instructions.
    pub(super) fn map(&mut self, target: u8, call: usize) {
        self.put(LOAD_WIDE, target, MAP_DESCRIPTOR, 0, -1);
        if let Some(last) = self.code.last_mut() {
            last.resource = Some(call);
        }
        self.put(0, 0, 0, 0, 0);
        self.registers[usize::from(target)] = Register::Unknown;
    }

    /// target = frame pointer + offset.
    pub(super) fn frame(&mut self, target: u8, offset: i16) {
        self.alu(ALU64_REGISTER | MOVE, target, 10, 0);
        self.alu(ALU64_CONSTANT, target, 0, i32::from(offset));
        self.registers[usize::from(target)] = Register::Unknown;
    }

    pub(super) fn exit(&mut self) {
        self.put(EXIT, 0, 0, 0, 0);
    }

    /// Makes the jump at `place` land behind the last instruction.
    pub(super) fn land(&mut self, place: usize) {
        let distance = i16::try_from(self.code.len() - place - 1).unwrap_or(i16::MAX);
        self.code[place].bits |= u64::from(distance.cast_unsigned()) << 16;
    }

    /// The registers that hold a number.
    pub(super) fn scalars(&self) -> Vec<u8> {
        (0..10u8).filter(|index| self.registers[usize::from(*index)] == Register::Scalar).collect()
    }
}
