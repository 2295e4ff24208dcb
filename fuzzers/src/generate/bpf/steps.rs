//! Steps: a few instructions each, legal wherever they stand.

use super::emit::{ALU64_CONSTANT, ALU64_REGISTER, MOVE, WIDTHS};
use super::{Choices, Map, Register, State};

/// ADD, SUB, MUL, OR, AND, XOR: legal with any operand.
const PLAIN: &[u8] = &[0x00, 0x10, 0x20, 0x40, 0x50, 0xa0];
/// LSH, RSH, ARSH.
const SHIFTS: &[u8] = &[0x60, 0x70, 0xc0];
/// JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE, JLT, JLE, JSLT, JSLE.
const JUMPS: &[u8] = &[0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0];
const JUMP_CONSTANT: u8 = 0x05;
const JUMP32_CONSTANT: u8 = 0x06;
/// The 32-bit class differs from the 64-bit one in these bits.
const NARROW: u8 = 0x03;
/// ktime_get_ns, get_prandom_u32, get_smp_processor_id, jiffies64.
const HELPERS: &[i32] = &[5, 7, 8, 118];
const LOOKUP: i32 = 1;
const UPDATE: i32 = 2;
const DELETE: i32 = 3;
/// Offsets of `struct __sk_buff` that every program type with a packet may read: len, pkt_type, mark, protocol, priority.
const CONTEXT: &[i16] = &[0, 4, 8, 16, 32];

impl State {
    pub(super) fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(16) {
            0 | 1 => {
                let constant = choices.number() as i32;
                self.set(choices.below(10) as u8 % 6, constant);
            }
            2..5 => self.arithmetic(choices),
            5 => self.spill(choices),
            6 => self.fill(choices),
            7 => {
                let offset = choices.pick(CONTEXT).unwrap_or(0);
                self.load(0, choices.below(6) as u8, 6, offset);
            }
            8 => {
                let helper = choices.pick(HELPERS).unwrap_or(7);
                self.helper(helper);
            }
            9 | 10 => self.branch(choices),
            11 => self.bounded_loop(choices),
            12..15 => self.lookup(choices),
            _ => self.update(choices),
        }
    }

    /// Ends the program with a number in r0.
    pub(super) fn end(&mut self, choices: &mut Choices<'_>) {
        if self.registers[0] != Register::Scalar || choices.chance(1, 2) {
            self.set(0, choices.below(3) as i32);
        }
        self.exit();
    }

    /// One operation on numbers.
    fn arithmetic(&mut self, choices: &mut Choices<'_>) {
        let scalars = self.scalars();
        let (Some(target), Some(source)) = (choices.pick(&scalars), choices.pick(&scalars)) else { return };
        let narrow = if choices.chance(1, 3) { NARROW } else { 0 };
        match choices.below(8) {
            0..3 => {
                let operation = choices.pick(PLAIN).unwrap_or(0);
                self.alu((ALU64_REGISTER ^ narrow) | operation, target, source, 0);
            }
            3..5 => {
                let operation = choices.pick(PLAIN).unwrap_or(0);
                self.alu((ALU64_CONSTANT ^ narrow) | operation, target, 0, choices.number() as i32);
            }
            5 => {
                let operation = choices.pick(SHIFTS).unwrap_or(0x60);
                let bits = if narrow == 0 { 64 } else { 32 };
                self.alu((ALU64_CONSTANT ^ narrow) | operation, target, 0, choices.below(bits) as i32);
            }
            // DIV and MOD by a constant that is not 0; a register may be 0.
            6 => self.alu((ALU64_CONSTANT ^ narrow) | 0x30, target, 0, 1 + choices.below(1 << 20) as i32),
            _ => self.alu((ALU64_REGISTER ^ narrow) | 0x90, target, source, 0),
        }
    }

    fn slot(choices: &mut Choices<'_>) -> (usize, i16) {
        let slot = choices.below(8);
        (slot, -8 * (slot as i16 + 1))
    }

    fn spill(&mut self, choices: &mut Choices<'_>) {
        let (slot, offset) = State::slot(choices);
        let scalars = self.scalars();
        match choices.pick(&scalars) {
            Some(source) => self.store(0x18, 10, offset, source),
            None => self.store_constant(0x18, 10, offset, choices.number() as i32),
        }
        self.stack[slot] = true;
    }

    fn fill(&mut self, choices: &mut Choices<'_>) {
        let (slot, offset) = State::slot(choices);
        if self.stack[slot] {
            let (width, _) = choices.pick(&WIDTHS).unwrap_or(WIDTHS[0]);
            self.load(width, choices.below(6) as u8, 10, offset);
        }
    }

    /// A conditional jump over some arithmetic: what registers hold is the same on both ways.
    fn branch(&mut self, choices: &mut Choices<'_>) {
        let scalars = self.scalars();
        let Some(left) = choices.pick(&scalars) else { return };
        let class = if choices.chance(1, 3) { JUMP32_CONSTANT } else { JUMP_CONSTANT };
        let jump = choices.pick(JUMPS).unwrap_or(0x10);
        self.put(class | jump, left, 0, 0, choices.number() as i32);
        let place = self.code.len() - 1;
        for _ in 0..=choices.below(4) {
            self.arithmetic(choices);
        }
        self.land(place);
    }

    /// A loop of known length over r9, which nothing else writes.
    fn bounded_loop(&mut self, choices: &mut Choices<'_>) {
        self.set(9, 1 + choices.below(7) as i32);
        self.registers[9] = Register::Unknown;
        let start = self.code.len();
        for _ in 0..=choices.below(3) {
            self.arithmetic(choices);
        }
        self.alu(ALU64_CONSTANT, 9, 0, -1);
        let back = i16::try_from(self.code.len() + 1 - start).unwrap_or(1);
        self.put(JUMP_CONSTANT | 0x50, 9, 0, -back, 0);
    }

    fn pick_map(&self, choices: &mut Choices<'_>) -> Option<Map> {
        choices.pick(&self.maps)
    }

    /// Writes a key (or a value) onto the stack and points `target` at it.
    fn on_stack(&mut self, choices: &mut Choices<'_>, target: u8, top: usize, size: u32) {
        let slots = (size as usize).div_ceil(8);
        for slot in top..top + slots {
            self.store_constant(0x18, 10, -8 * (slot as i16 + 1), choices.below(4) as i32);
            self.stack[slot] = true;
        }
        self.frame(target, -8 * ((top + slots) as i16));
    }

    /// Looks an element up, checks for null, and works on it.
    fn lookup(&mut self, choices: &mut Choices<'_>) {
        let Some(map) = self.pick_map(choices) else { return self.arithmetic(choices) };
        self.on_stack(choices, 2, 8, map.key_size);
        self.map(1, map.call);
        self.helper(LOOKUP);
        self.put(JUMP_CONSTANT | 0x10, 0, 0, 0, 0);
        let place = self.code.len() - 1;
        if choices.chance(1, 3) {
            self.variable_offset(choices, map);
        }
        self.access(choices, map);
        self.land(place);
        // r0 is a pointer on one way and null on the other: give it a number on both.
        self.set(0, choices.number() as i32);
    }

    /// r0 += a number that is known to stay within the first half of the value.
    fn variable_offset(&mut self, choices: &mut Choices<'_>, map: Map) {
        let half = map.value_size / 2;
        let mask = (half.next_power_of_two() / 2).saturating_sub(1) & !7;
        self.alu(ALU64_REGISTER | MOVE, 3, 7, 0);
        self.alu(ALU64_CONSTANT | 0x50, 3, 0, mask.cast_signed());
        self.alu(ALU64_REGISTER, 0, 3, 0);
        let width = WIDTHS[3].0;
        if choices.chance(1, 2) {
            self.store(width, 0, 0, 7);
        }
        self.registers[3] = Register::Unknown;
        // Back to the start, so that constant offsets are legal again.
        self.alu(ALU64_REGISTER | MOVE, 3, 7, 0);
        self.alu(ALU64_CONSTANT | 0x50, 3, 0, mask.cast_signed());
        self.alu(ALU64_REGISTER | 0x10, 0, 3, 0);
    }

    /// A load, a store or an atomic addition within the value that r0 points at.
    fn access(&mut self, choices: &mut Choices<'_>, map: Map) {
        let (width, bytes) = choices.pick(&WIDTHS).unwrap_or(WIDTHS[0]);
        let last = (map.value_size.min(4096) as i16 / bytes).max(1);
        let offset = bytes * choices.below(last as usize) as i16;
        match choices.below(4) {
            // r7 always holds a number.
            0 => self.load(width, 7, 0, offset),
            1 => self.store(width, 0, offset, 7),
            2 => self.store_constant(width, 0, offset, choices.number() as i32),
            // BPF_ATOMIC | BPF_ADD, eight bytes.
            _ => self.put(0xdb, 0, 7, offset & !7, 0),
        }
    }

    fn update(&mut self, choices: &mut Choices<'_>) {
        let Some(map) = self.pick_map(choices) else { return self.spill(choices) };
        self.on_stack(choices, 2, 8, map.key_size);
        if choices.chance(1, 4) {
            self.map(1, map.call);
            return self.helper(DELETE);
        }
        if map.value_size > 128 {
            return;
        }
        self.on_stack(choices, 3, 16, map.value_size);
        self.map(1, map.call);
        self.set(4, choices.below(4) as i32);
        self.helper(UPDATE);
    }
}
