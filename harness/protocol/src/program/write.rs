//! Encoding, on the host.

use super::{Argument, BATCH_MAGIC, MAX_ARGUMENTS, Tier, code};

/// Collects programs into one batch.
#[derive(Debug)]
pub struct BatchWriter {
    bytes: Vec<u8>,
    count: u64,
}

impl BatchWriter {
    /// Starts a batch. `cookie` comes back in every record, so that a record of another batch is not taken for ours.
    pub fn new(cookie: u64) -> BatchWriter {
        let mut bytes = Vec::with_capacity(64 << 10);
        bytes.extend_from_slice(&BATCH_MAGIC.to_le_bytes());
        bytes.extend_from_slice(&cookie.to_le_bytes());
        bytes.extend_from_slice(&0u64.to_le_bytes());
        BatchWriter { bytes, count: 0 }
    }

    /// Adds a program.
    pub fn push(&mut self, program: &ProgramWriter) {
        let length = u64::try_from(program.bytes.len()).expect("usize fits u64");
        let head = length | (u64::from(program.tier as u8) << 32);
        self.bytes.extend_from_slice(&head.to_le_bytes());
        self.bytes.extend_from_slice(&program.bytes);
        self.count += 1;
    }

    /// Bytes so far.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The finished batch.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes[16..24].copy_from_slice(&self.count.to_le_bytes());
        self.bytes
    }
}

/// Collects the operations of one program.
#[derive(Debug, Clone)]
pub struct ProgramWriter {
    bytes: Vec<u8>,
    tier: Tier,
}

impl ProgramWriter {
    pub fn new(tier: Tier) -> ProgramWriter {
        ProgramWriter { bytes: Vec::with_capacity(512), tier }
    }

    /// Bytes so far.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// See [`super::Operation::Data`]. At most 16 MiB per operation; the arena is smaller.
    pub fn data(&mut self, offset: u32, data: &[u8]) {
        let length = u64::try_from(data.len()).expect("usize fits u64");
        self.word(code::DATA | (length << 8) | (u64::from(offset) << 32));
        self.bytes.extend_from_slice(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    /// See [`super::Operation::Result`].
    pub fn result(&mut self, offset: u32, slot: u8, fallback: i32) {
        self.word(code::RESULT | (u64::from(slot) << 8) | (u64::from(offset) << 32));
        self.word(u64::from(fallback.cast_unsigned()));
    }

    /// See [`super::Operation::Address`].
    pub fn address(&mut self, offset: u32, target: u32) {
        self.word(code::ADDRESS | (u64::from(offset) << 32));
        self.word(u64::from(target));
    }

    /// See [`super::Operation::Call`]. Arguments beyond the sixth are dropped: no system call has them.
    pub fn call(&mut self, number: u32, arguments: &[Argument]) {
        let arguments = &arguments[..arguments.len().min(MAX_ARGUMENTS)];
        let mut head = code::CALL | (arguments.len() as u64) << 8 | (u64::from(number) << 32);
        for (index, argument) in arguments.iter().enumerate() {
            head |= tag(argument) << (16 + 2 * index);
        }
        self.word(head);
        for argument in arguments {
            self.word(value(argument));
        }
    }

    fn word(&mut self, word: u64) {
        self.bytes.extend_from_slice(&word.to_le_bytes());
    }
}

fn tag(argument: &Argument) -> u64 {
    match argument {
        Argument::Number(_) => 0,
        Argument::Pointer(_) => 1,
        Argument::Slot { .. } => 2,
    }
}

fn value(argument: &Argument) -> u64 {
    match *argument {
        Argument::Number(number) => number,
        Argument::Pointer(offset) => u64::from(offset),
        Argument::Slot { slot, fallback } => u64::from(slot) | (u64::from(fallback.cast_unsigned()) << 32),
    }
}
