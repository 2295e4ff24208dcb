//! Decisions out of bytes.

use arbitrary::Unstructured;

/// `arbitrary::Unstructured` with one habit changed: when the bytes end, every decision is the plainest one (0, no),
/// so nothing has to handle an error, and loops ask [`Choices::ended`].
#[derive(Debug)]
pub struct Choices<'a> {
    bytes: Unstructured<'a>,
}

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices { bytes: Unstructured::new(bytes) }
    }

    /// Whether the bytes have ended.
    pub fn ended(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        match bound {
            0 | 1 => 0,
            _ => self.bytes.int_in_range(0..=bound - 1).unwrap_or(0),
        }
    }

    /// A number between two bounds, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.bytes.int_in_range(low..=high.max(low)).unwrap_or(low)
    }

    /// Yes, so many times out of so many.
    pub fn chance(&mut self, times: usize, of: usize) -> bool {
        !self.ended() && self.below(of) < times
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        let index = self.below(items.len());
        items.get(index).copied()
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let _ = self.bytes.fill_buffer(&mut bytes);
        bytes
    }

    /// A number that is likely to sit on somebody's bound.
    pub fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => 1 << self.below(64),
            2 => (1u64 << self.below(64)).wrapping_sub(1),
            3 => (1u64 << self.below(64)).wrapping_neg(),
            4 => u64::from(u32::MAX) + self.between(0, 2) - 1,
            5 => u64::MAX - self.between(0, 4),
            6 => self.between(0, 256),
            _ => self.between(0, u64::MAX),
        }
    }
}
