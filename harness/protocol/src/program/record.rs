//! Records: what the executor says of each program.
//!
//! A fuzzed call can be made to write anywhere in the executor's memory, so a record carries the batch's cookie and a
//! checksum, and the host believes nothing that does not hold both (syzkaller met such false coverage: google/syzkaller
//! issues 4532 and 6015).

use super::{MAX_CALLS, RECORD_MAGIC};

const HEAD: usize = 32;
const TAIL: usize = 8;

/// Bytes that a record of so many calls and covered blocks takes.
pub fn record_size(calls: usize, coverage: usize) -> usize {
    (HEAD + 4 * (calls + coverage)).next_multiple_of(8) + TAIL
}

/// Writes records one behind the other. Does not allocate.
#[derive(Debug)]
pub struct RecordWriter<'a> {
    out: &'a mut [u8],
    length: usize,
    cookie: u64,
}

impl<'a> RecordWriter<'a> {
    pub fn new(out: &'a mut [u8], cookie: u64) -> RecordWriter<'a> {
        RecordWriter { out, length: 0, cookie }
    }

    /// Bytes written so far.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Adds the record of one program. `false` when there is no room left: the host then sees that the program has
    /// no record.
    pub fn push(&mut self, ran: &Ran<'_>) -> bool {
        let Ran { results, coverage, .. } = *ran;
        let size = record_size(results.len(), coverage.len());
        let Some(record) = self.out.get_mut(self.length..self.length + size) else {
            return false;
        };
        let (body, tail) = record.split_at_mut(size - TAIL);
        let mut words = body.chunks_exact_mut(4);
        let mut put = |word: u32| {
            if let Some(slot) = words.next() {
                slot.copy_from_slice(&word.to_le_bytes());
            }
        };
        put(RECORD_MAGIC);
        put(ran.program);
        put(self.cookie as u32);
        put((self.cookie >> 32) as u32);
        put(results.len() as u32);
        put(ran.flags);
        put(coverage.len() as u32);
        put(ran.micros);
        results.iter().for_each(|result| put(*result));
        coverage.iter().for_each(|counter| put(*counter as u32));
        if !(results.len() + coverage.len()).is_multiple_of(2) {
            put(0);
        }
        tail.copy_from_slice(&sum(body).to_le_bytes());
        self.length += size;
        true
    }
}

/// What the executor tells of one program's run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ran<'a> {
    /// Index in the batch.
    pub program: u32,
    /// See [`super::flag`].
    pub flags: u32,
    /// Guest time it took, in microseconds.
    pub micros: u32,
    /// `errno` per call, 0 for success, [`super::NOT_RUN`].
    pub results: &'a [u32],
    /// Program counters covered, of which the low halves travel.
    pub coverage: &'a [u64],
}

/// What is known of one program's run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Index in the batch.
    pub program: u32,
    /// See [`super::flag`].
    pub flags: u32,
    /// Guest time it took, in microseconds.
    pub micros: u32,
    /// `errno` per call, 0 for success, [`super::NOT_RUN`].
    pub results: Vec<u32>,
    /// Low halves of the program counters covered.
    pub coverage: Vec<u32>,
}

/// Reads records, on the host. Ends at the first one that does not hold.
#[derive(Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    cookie: u64,
}

impl<'a> Records<'a> {
    pub fn new(bytes: &'a [u8], cookie: u64) -> Records<'a> {
        Records { rest: bytes, cookie }
    }

    fn take(&mut self) -> Option<Record> {
        let word = |index: usize| -> Option<u32> {
            let bytes = self.rest.get(4 * index..4 * index + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let cookie = u64::from(word(2)?) | (u64::from(word(3)?) << 32);
        let calls = usize::try_from(word(4)?).ok()?;
        let covered = usize::try_from(word(6)?).ok()?;
        let fits = calls <= MAX_CALLS && covered <= self.rest.len() / 4;
        if word(0)? != RECORD_MAGIC || cookie != self.cookie || !fits {
            return None;
        }
        let size = record_size(calls, covered);
        let body = self.rest.get(..size - TAIL)?;
        let tail = self.rest.get(size - TAIL..size)?;
        if sum(body) != u64::from_le_bytes(tail.try_into().ok()?) {
            return None;
        }
        let record = Record {
            program: word(1)?,
            flags: word(5)?,
            micros: word(7)?,
            results: (0..calls).map_while(|index| word(8 + index)).collect(),
            coverage: (0..covered).map_while(|index| word(8 + calls + index)).collect(),
        };
        self.rest = &self.rest[size..];
        Some(record)
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let record = self.take();
        if record.is_none() {
            self.rest = &[];
        }
        record
    }
}

/// FNV-1a over words instead of bytes: eight times fewer steps on a slow emulated processor.
fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks_exact(8).fold(0xcbf2_9ce4_8422_2325, |hash, chunk| {
        let word = u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29)
    })
}
