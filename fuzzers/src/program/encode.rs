//! To the wire.

use gauntlet_protocol::program::{ARENA_SIZE, Argument, ProgramWriter, Tier, WINDOW_OFFSET};

use super::shape::NO_DESCRIPTOR;
use super::{Instruction, Program, Value};
use crate::description::{Field, Type};

/// Where a program's steps go: the wire, or C source.
pub(super) trait Sink {
    fn data(&mut self, offset: u32, bytes: &[u8]);
    fn result(&mut self, offset: u32, slot: u8);
    fn address(&mut self, offset: u32, target: u32);
    fn call(&mut self, index: usize, arguments: &[Argument]);
}

/// A failed call's result becomes an invalid descriptor.
const FALLBACK: i32 = -1;

impl Program {
    /// The strictest tier that one of the calls asks for.
    pub fn tier(&self) -> Tier {
        self.calls.iter().map(|call| call.description.tier).max().unwrap_or(Tier::InProcess)
    }

    /// Encodes the program.
    pub fn encode(&self) -> ProgramWriter {
        let mut sink = Wire { program: self, writer: ProgramWriter::new(self.tier()) };
        self.emit(&mut sink);
        sink.writer
    }

    pub(super) fn emit(&self, sink: &mut dyn Sink) {
        let mut emitter = Emitter { sink, next: 0 };
        for (index, call) in self.calls.iter().enumerate() {
            let arguments: Vec<Argument> = call
                .arguments
                .iter()
                .zip(call.description.arguments)
                .map(|(value, (_, kind))| emitter.argument(value, kind))
                .collect();
            emitter.sink.call(index, &arguments);
        }
    }
}

struct Wire<'a> {
    program: &'a Program,
    writer: ProgramWriter,
}

impl Sink for Wire<'_> {
    fn data(&mut self, offset: u32, bytes: &[u8]) {
        self.writer.data(offset, bytes);
    }

    fn result(&mut self, offset: u32, slot: u8) {
        self.writer.result(offset, slot, FALLBACK);
    }

    fn address(&mut self, offset: u32, target: u32) {
        self.writer.address(offset, target);
    }

    fn call(&mut self, index: usize, arguments: &[Argument]) {
        self.writer.call(self.program.calls[index].description.number, arguments);
    }
}

struct Emitter<'a> {
    sink: &'a mut dyn Sink,
    next: u32,
}

impl Emitter<'_> {
    fn argument(&mut self, value: &Value, kind: &Type) -> Argument {
        match value {
            Value::Number(number) => Argument::Number(*number),
            Value::Resource(target) => Argument::Slot { slot: slot(*target), fallback: FALLBACK },
            pointer => Argument::Pointer(self.pointer(pointer, kind)),
        }
    }

    /// Lays out what a value points at; gives its offset.
    fn pointer(&mut self, value: &Value, kind: &Type) -> u32 {
        match (value, kind) {
            (Value::Window(offset), _) => WINDOW_OFFSET.saturating_add(*offset),
            (Value::Data(bytes), Type::Path) => self.string(bytes),
            (Value::Data(bytes), _) => self.bytes(bytes),
            (Value::Output(room), _) => self.room(*room as usize).unwrap_or(ARENA_SIZE),
            (Value::Code(code), _) => self.code(code),
            (Value::Strings(strings), _) => self.strings(strings),
            (Value::Record(values), Type::Record(fields)) => self.record(values, fields),
            _ => ARENA_SIZE,
        }
    }

    /// Room in the arena, on a cache line of its own; `None` when it is full. Pointers then name the guard page behind it.
    fn room(&mut self, length: usize) -> Option<u32> {
        let end = self.next.checked_add(u32::try_from(length).ok()?)?;
        let offset = self.next;
        self.next = end.checked_next_multiple_of(64)?;
        (end <= ARENA_SIZE).then_some(offset)
    }

    fn bytes(&mut self, bytes: &[u8]) -> u32 {
        match self.room(bytes.len()) {
            Some(offset) => {
                self.sink.data(offset, bytes);
                offset
            }
            None => ARENA_SIZE,
        }
    }

    fn string(&mut self, text: &[u8]) -> u32 {
        let mut terminated = text.to_vec();
        terminated.push(0);
        self.bytes(&terminated)
    }

    fn code(&mut self, code: &[Instruction]) -> u32 {
        let bytes: Vec<u8> = code.iter().flat_map(|instruction| instruction.bits.to_le_bytes()).collect();
        let offset = self.bytes(&bytes);
        if offset == ARENA_SIZE {
            return offset;
        }
        for (place, instruction) in (offset..).step_by(8).zip(code) {
            if let Some(target) = instruction.resource {
                self.sink.result(place + 4, slot(target));
            }
        }
        offset
    }

    fn strings(&mut self, strings: &[Vec<u8>]) -> u32 {
        let targets: Vec<u32> = strings.iter().map(|string| self.string(string)).collect();
        let table = self.bytes(&vec![0; 8 * (strings.len() + 1)]);
        if table != ARENA_SIZE {
            for (place, target) in (table..).step_by(8).zip(targets) {
                self.sink.address(place, target);
            }
        }
        table
    }

    fn record(&mut self, values: &[Value], fields: &[Field]) -> u32 {
        let mut bytes = Vec::new();
        let mut patches = Vec::new();
        for (value, (_, width, kind)) in values.iter().zip(fields) {
            let width = usize::from(*width);
            let number = match value {
                Value::Number(number) => *number,
                Value::Resource(target) => {
                    patches.push((bytes.len(), Patch::Result(slot(*target))));
                    NO_DESCRIPTOR
                }
                pointer => {
                    patches.push((bytes.len(), Patch::Address(self.pointer(pointer, kind))));
                    0
                }
            };
            bytes.extend_from_slice(&number.to_le_bytes()[..width.min(8)]);
        }
        let offset = self.bytes(&bytes);
        if offset != ARENA_SIZE {
            for (place, patch) in patches {
                let place = offset + u32::try_from(place).expect("records are small");
                match patch {
                    Patch::Result(slot) => self.sink.result(place, slot),
                    Patch::Address(target) => self.sink.address(place, target),
                }
            }
        }
        offset
    }
}

enum Patch {
    Result(u8),
    Address(u32),
}

fn slot(call: usize) -> u8 {
    u8::try_from(call).expect("programs hold at most MAX_CALLS calls")
}
