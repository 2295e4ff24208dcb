//! The host's side of the coverage file. QEMU writes it and a guest may have broken into QEMU: every claim is
//! checked, nothing panics.

use super::{
    BLOCK_CAPACITY, BLOCK_SIZE, BLOCKS_OFFSET, LOG_OFFSET, MAGIC, MIN_SIZE, PAIR_SIZE, RECORD_HEAD, VERSION,
    header,
};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Where the bytes are: a file that QEMU maps, or a vector in tests.
pub trait Store {
    /// Fills `into` from that offset.
    fn read_at(&self, offset: usize, into: &mut [u8]) -> io::Result<()>;
    fn write_at(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()>;
    fn size(&self) -> io::Result<usize>;
}

impl Store for File {
    fn read_at(&self, offset: usize, into: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(into, offset as u64)
    }

    fn write_at(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset as u64)
    }

    fn size(&self) -> io::Result<usize> {
        Ok(usize::try_from(self.metadata()?.len()).unwrap_or(usize::MAX))
    }
}

/// A translated block of kernel code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Virtual address of its first instruction.
    pub address: u64,
    /// Guest instructions in it.
    pub instructions: u32,
}

/// What ran between two marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// How many windows began before this one.
    pub ordinal: u64,
    /// Block and how often it ran, ascending by block.
    pub executions: Vec<(u32, u32)>,
}

/// The file is not what a plugin of this version writes.
#[derive(Debug)]
pub enum Malformed {
    Io(io::Error),
    /// No plugin has initialised the file (QEMU did not load it, or has not started yet).
    Uninitialised,
    Version(u32),
    /// A claim that cannot be true; the text says which.
    Claim(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Io(error) => write!(formatter, "coverage file: {error}"),
            Malformed::Uninitialised => formatter.write_str("coverage file: no plugin has written to it"),
            Malformed::Version(found) => {
                write!(formatter, "coverage file: version {found}, this program reads version {VERSION}")
            }
            Malformed::Claim(what) => write!(formatter, "coverage file: {what}"),
        }
    }
}

impl std::error::Error for Malformed {}

impl From<io::Error> for Malformed {
    fn from(error: io::Error) -> Malformed {
        Malformed::Io(error)
    }
}

/// Reads windows as they come.
#[derive(Debug)]
pub struct Reader<S> {
    store: S,
    capacity: usize,
    blocks: Vec<Block>,
    read: u64,
}

impl<S: Store> Reader<S> {
    /// # Errors
    /// When the file is too small, or no plugin of this version has initialised it yet.
    pub fn open(store: S) -> Result<Reader<S>, Malformed> {
        let size = store.size()?;
        if size < MIN_SIZE {
            return Err(Malformed::Claim(format!("{size} bytes, at least {MIN_SIZE} are needed")));
        }
        let mut reader = Reader { store, capacity: size - LOG_OFFSET, blocks: Vec::new(), read: 0 };
        if reader.word(header::MAGIC)? != MAGIC {
            return Err(Malformed::Uninitialised);
        }
        let version = reader.word(header::VERSION)? as u32;
        if version != VERSION {
            return Err(Malformed::Version(version));
        }
        reader.read = reader.word(header::READ)?;
        Ok(reader)
    }

    /// Windows begun so far: one more than ended while a window is open.
    pub fn begun(&self) -> Result<u64, Malformed> {
        self.word(header::BEGUN)
    }

    /// Windows that are missing because the ring was full, and blocks because the table was.
    pub fn dropped(&self) -> Result<(u64, u64), Malformed> {
        Ok((self.word(header::DROPPED)?, self.word(header::BLOCKS_DROPPED)?))
    }

    /// The block table as far as it is known; covers every block of the windows returned so far.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Every window that ended since the last call, and frees their room in the ring.
    pub fn windows(&mut self) -> Result<Vec<Window>, Malformed> {
        let written = self.word(header::WRITTEN)?;
        let pending = written
            .checked_sub(self.read)
            .and_then(|pending| usize::try_from(pending).ok())
            .filter(|pending| *pending <= self.capacity)
            .ok_or_else(|| {
                Malformed::Claim(format!("log position {written} after {} bytes read", self.read))
            })?;
        let bytes = self.log(pending)?;
        self.refresh_blocks()?;
        let windows = decode(&bytes, self.blocks.len())?;
        self.read = written;
        self.store.write_at(header::READ, &written.to_le_bytes())?;
        Ok(windows)
    }

    fn word(&self, offset: usize) -> Result<u64, Malformed> {
        let mut bytes = [0; 8];
        self.store.read_at(offset, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// `length` bytes of log from the read position on, unwrapped.
    fn log(&self, length: usize) -> Result<Vec<u8>, Malformed> {
        let mut bytes = vec![0; length];
        let start = (self.read % self.capacity as u64) as usize;
        let first = length.min(self.capacity - start);
        let (head, tail) = bytes.split_at_mut(first);
        self.store.read_at(LOG_OFFSET + start, head)?;
        self.store.read_at(LOG_OFFSET, tail)?;
        Ok(bytes)
    }

    fn refresh_blocks(&mut self) -> Result<(), Malformed> {
        let claimed = self.word(header::BLOCKS)?;
        let known = self.blocks.len();
        let total = usize::try_from(claimed)
            .ok()
            .filter(|total| (known..=BLOCK_CAPACITY).contains(total))
            .ok_or_else(|| Malformed::Claim(format!("{claimed} blocks after {known}")))?;
        let mut bytes = vec![0; (total - known) * BLOCK_SIZE];
        self.store.read_at(BLOCKS_OFFSET + known * BLOCK_SIZE, &mut bytes)?;
        self.blocks.extend(bytes.chunks_exact(BLOCK_SIZE).map(|entry| Block {
            address: u64::from(u32_at(entry, 0)) | u64::from(u32_at(entry, 4)) << 32,
            instructions: u32_at(entry, 8),
        }));
        Ok(())
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(word)
}

/// Records to windows; `blocks` bounds the block numbers.
fn decode(mut log: &[u8], blocks: usize) -> Result<Vec<Window>, Malformed> {
    let mut windows = Vec::new();
    while !log.is_empty() {
        let Some((head, rest)) = log.split_at_checked(RECORD_HEAD) else {
            return Err(Malformed::Claim(format!("a record's head ends after {} bytes", log.len())));
        };
        let entries = u32_at(head, 0) as usize;
        let Some((pairs, rest)) = entries.checked_mul(PAIR_SIZE).and_then(|size| rest.split_at_checked(size))
        else {
            return Err(Malformed::Claim(format!("a record of {entries} entries does not fit the log")));
        };
        let executions: Vec<(u32, u32)> =
            pairs.chunks_exact(PAIR_SIZE).map(|pair| (u32_at(pair, 0), u32_at(pair, 4))).collect();
        if let Some((block, _)) = executions.iter().find(|(block, _)| *block as usize >= blocks) {
            return Err(Malformed::Claim(format!("block {block} of {blocks}")));
        }
        let ordinal = u64::from(u32_at(head, 8)) | u64::from(u32_at(head, 12)) << 32;
        windows.push(Window { ordinal, executions });
        log = rest;
    }
    Ok(windows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Store for Vec<u8> {
        fn read_at(&self, offset: usize, into: &mut [u8]) -> io::Result<()> {
            let end = offset + into.len();
            into.copy_from_slice(self.get(offset..end).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        }

        fn write_at(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
            let end = offset + bytes.len();
            self.get_mut(offset..end).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(bytes);
            Ok(())
        }

        fn size(&self) -> io::Result<usize> {
            Ok(self.len())
        }
    }

    /// A file as a plugin leaves it, with `log` in the ring from position `start` on.
    fn file(blocks: u64, start: u64, log: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; MIN_SIZE];
        let capacity = (MIN_SIZE - LOG_OFFSET) as u64;
        for (offset, word) in [
            (header::MAGIC, MAGIC),
            (header::VERSION, u64::from(VERSION)),
            (header::BLOCKS, blocks),
            (header::READ, start),
            (header::WRITTEN, start + log.len() as u64),
        ] {
            bytes[offset..offset + 8].copy_from_slice(&word.to_le_bytes());
        }
        for (position, byte) in (start..).zip(log) {
            bytes[LOG_OFFSET + (position % capacity) as usize] = *byte;
        }
        bytes
    }

    fn record(ordinal: u64, executions: &[(u32, u32)]) -> Vec<u8> {
        let mut words = vec![executions.len() as u32, 0, ordinal as u32, (ordinal >> 32) as u32];
        words.extend(executions.iter().flat_map(|(block, count)| [*block, *count]));
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn an_empty_file_says_that_no_plugin_wrote_it() {
        assert!(matches!(Reader::open(vec![0; MIN_SIZE]), Err(Malformed::Uninitialised)));
        assert!(matches!(Reader::open(vec![0; 10]), Err(Malformed::Claim(_))));
    }

    #[test]
    fn a_record_that_wraps_is_read_whole_and_once() {
        let capacity = (MIN_SIZE - LOG_OFFSET) as u64;
        let log = record(1 << 33, &[(0, 7), (2, 1)]);
        let mut reader = Reader::open(file(3, capacity - 20, &log)).unwrap();
        let window = Window { ordinal: 1 << 33, executions: vec![(0, 7), (2, 1)] };
        assert_eq!(reader.windows().unwrap(), [window]);
        assert_eq!(reader.windows().unwrap(), []);
        assert_eq!(reader.blocks().len(), 3);
    }

    #[test]
    fn a_block_outside_the_table_is_refused() {
        let mut reader = Reader::open(file(2, 0, &record(0, &[(2, 1)]))).unwrap();
        assert!(matches!(reader.windows(), Err(Malformed::Claim(_))));
    }

    proptest! {
        #[test]
        fn decoding_a_hostile_log_never_panics(log in proptest::collection::vec(any::<u8>(), 0..512), blocks in 0usize..9) {
            let _ = decode(&log, blocks);
        }

        #[test]
        fn a_hostile_header_never_panics(words in proptest::collection::vec(any::<u64>(), header::LENGTH / 8 - 2)) {
            let mut bytes = file(0, 0, &[]);
            for (word, place) in words.iter().zip(bytes[16..].chunks_exact_mut(8)) {
                place.copy_from_slice(&word.to_le_bytes());
            }
            if let Ok(mut reader) = Reader::open(bytes) {
                let _ = reader.windows();
            }
        }

        #[test]
        fn windows_survive(expected in proptest::collection::vec(
            (any::<u64>(), proptest::collection::vec((0u32..50, any::<u32>()), 0..20)), 0..20)
        ) {
            let log: Vec<u8> = expected.iter().flat_map(|(ordinal, pairs)| record(*ordinal, pairs)).collect();
            let found = decode(&log, 50).unwrap();
            let found: Vec<_> = found.into_iter().map(|w| (w.ordinal, w.executions)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
