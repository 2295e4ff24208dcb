//! Blocks to numbers, windows to records. Knows nothing of QEMU.

use crate::mapping::Mapping;
use gauntlet_protocol::coverage::{
    BLOCK_CAPACITY, BLOCK_SIZE, BLOCKS_OFFSET, LOG_OFFSET, MAGIC, MIN_SIZE, PAIR_SIZE, RECORD_HEAD, VERSION,
    header,
};
use std::collections::HashMap;

/// Writes one coverage file.
pub struct Recorder {
    file: Mapping,
    /// Bytes of the log ring.
    capacity: usize,
    numbers: HashMap<(u64, u32), u32>,
    blocks_dropped: u64,
    begun: u64,
    ended: u64,
    dropped: u64,
    written: u64,
    open: bool,
    /// The record being made; kept to allocate once.
    record: Vec<u8>,
}

impl Recorder {
    /// Initialises the file.
    ///
    /// # Errors
    /// When the file cannot hold the block table and one record.
    pub fn new(mut file: Mapping, level: i32) -> Result<Recorder, String> {
        let size = file.size();
        if size < MIN_SIZE {
            return Err(format!("the coverage file has {size} bytes, at least {MIN_SIZE} are needed"));
        }
        file.publish(header::VERSION, u64::from(VERSION) | u64::from(level.unsigned_abs()) << 32);
        file.publish(header::SIZE, size as u64);
        file.publish(header::MAGIC, MAGIC);
        Ok(Recorder {
            file,
            capacity: size - LOG_OFFSET,
            numbers: HashMap::new(),
            blocks_dropped: 0,
            begun: 0,
            ended: 0,
            dropped: 0,
            written: 0,
            open: false,
            record: Vec::new(),
        })
    }

    /// How many blocks have a number.
    pub fn blocks(&self) -> usize {
        self.numbers.len()
    }

    /// The number of a block, the same each time it is translated; `None` when the table is full.
    pub fn number(&mut self, address: u64, instructions: u32) -> Option<usize> {
        if let Some(known) = self.numbers.get(&(address, instructions)) {
            return Some(*known as usize);
        }
        let number = self.numbers.len();
        if number == BLOCK_CAPACITY {
            self.blocks_dropped += 1;
            self.file.publish(header::BLOCKS_DROPPED, self.blocks_dropped);
            return None;
        }
        self.numbers.insert((address, instructions), u32::try_from(number).ok()?);
        let mut entry = [0; BLOCK_SIZE];
        entry[..8].copy_from_slice(&address.to_le_bytes());
        entry[8..12].copy_from_slice(&instructions.to_le_bytes());
        self.file.write(BLOCKS_OFFSET + number * BLOCK_SIZE, &entry);
        self.file.publish(header::BLOCKS, number as u64 + 1);
        Some(number)
    }

    /// Opens a window. `counters` are those of all numbered blocks.
    pub fn begin(&mut self, counters: &mut [u64]) {
        counters.fill(0);
        self.open = true;
        self.begun += 1;
        self.file.publish(header::BEGUN, self.begun);
    }

    /// Closes the window and writes its record. Without an open window, does nothing.
    pub fn end(&mut self, counters: &[u64]) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        self.fill_record(counters);
        self.append_record();
        self.ended += 1;
        self.file.publish(header::ENDED, self.ended);
    }

    fn fill_record(&mut self, counters: &[u64]) {
        self.record.clear();
        self.record.resize(RECORD_HEAD, 0);
        // Most blocks of the kernel do not run in a window: skip them by the cache line.
        for (index, line) in counters.chunks(8).enumerate() {
            if line.iter().fold(0, |any, count| any | count) == 0 {
                continue;
            }
            for (offset, &count) in line.iter().enumerate().filter(|(_, count)| **count != 0) {
                let number = (index * 8 + offset) as u32;
                self.record.extend_from_slice(&number.to_le_bytes());
                self.record.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
            }
        }
        let entries = ((self.record.len() - RECORD_HEAD) / PAIR_SIZE) as u32;
        self.record[..4].copy_from_slice(&entries.to_le_bytes());
        self.record[8..RECORD_HEAD].copy_from_slice(&(self.begun - 1).to_le_bytes());
    }

    fn append_record(&mut self) {
        let pending = self.written.saturating_sub(self.file.load(header::READ));
        if pending.saturating_add(self.record.len() as u64) > self.capacity as u64 {
            self.dropped += 1;
            self.file.publish(header::DROPPED, self.dropped);
            return;
        }
        let start = (self.written % self.capacity as u64) as usize;
        let (head, tail) = self.record.split_at(self.record.len().min(self.capacity - start));
        self.file.write(LOG_OFFSET + start, head);
        self.file.write(LOG_OFFSET, tail);
        self.written += self.record.len() as u64;
        self.file.publish(header::WRITTEN, self.written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gauntlet_protocol::coverage::{Reader, Window};
    use std::fs::File;
    use std::os::fd::{AsRawFd, FromRawFd};

    fn file(size: usize) -> File {
        // SAFETY: the name ends with a zero byte, and the new descriptor is nobody else's.
        let file = unsafe { File::from_raw_fd(libc::memfd_create(c"coverage".as_ptr(), libc::MFD_CLOEXEC)) };
        file.set_len(size as u64).unwrap();
        file
    }

    fn recorder(size: usize) -> (Recorder, File) {
        let file = file(size);
        (Recorder::new(Mapping::of_descriptor(file.as_raw_fd()).unwrap(), 1).unwrap(), file)
    }

    #[test]
    fn the_host_reads_what_ran_between_the_marks_and_nothing_else() {
        let (mut recorder, file) = recorder(MIN_SIZE);
        let mut reader = Reader::open(file).unwrap();
        let mut counters = vec![9; 20];
        for block in 0..20 {
            assert_eq!(recorder.number(0xffff_ffff_8100_0000 + block, 5), Some(block as usize));
        }
        recorder.end(&counters);
        recorder.begin(&mut counters);
        counters[3] = 1;
        counters[17] = u64::MAX;
        recorder.end(&counters);
        let window = Window { ordinal: 0, executions: vec![(3, 1), (17, u32::MAX)] };
        assert_eq!(reader.windows().unwrap(), [window]);
        assert_eq!(reader.blocks()[17].address, 0xffff_ffff_8100_0011);
        assert_eq!(reader.blocks()[17].instructions, 5);
    }

    #[test]
    fn a_block_keeps_its_number_and_a_shorter_one_at_its_address_gets_another() {
        let (mut recorder, _file) = recorder(MIN_SIZE);
        assert_eq!(recorder.number(1, 5), Some(0));
        assert_eq!(recorder.number(1, 4), Some(1));
        assert_eq!(recorder.number(1, 5), Some(0));
    }

    #[test]
    fn a_full_table_drops_blocks_and_says_so() {
        let (mut recorder, file) = recorder(MIN_SIZE);
        for block in 0..BLOCK_CAPACITY as u64 {
            assert!(recorder.number(block, 1).is_some());
        }
        assert_eq!(recorder.number(u64::MAX, 1), None);
        assert_eq!(Reader::open(file).unwrap().dropped().unwrap(), (0, 1));
    }

    #[test]
    fn a_ring_nobody_reads_drops_windows_and_a_reader_frees_it() {
        let (mut recorder, file) = recorder(MIN_SIZE);
        let mut reader = Reader::open(file).unwrap();
        let mut counters = vec![0; BLOCK_CAPACITY];
        for window in 0..5 {
            recorder.number(window, 1);
        }
        let run = |recorder: &mut Recorder, counters: &mut Vec<u64>| {
            recorder.begin(counters);
            counters[..5].fill(1);
            recorder.end(counters);
        };
        let record = RECORD_HEAD + 5 * PAIR_SIZE;
        let fitting = (MIN_SIZE - LOG_OFFSET) / record;
        for _ in 0..fitting + 3 {
            run(&mut recorder, &mut counters[..5].to_vec());
        }
        assert_eq!(reader.dropped().unwrap(), (3, 0));
        assert_eq!(reader.windows().unwrap().len(), fitting);
        run(&mut recorder, &mut counters);
        let after = reader.windows().unwrap();
        assert_eq!(after.len(), 1);
        assert_eq!(after[0].ordinal as usize, fitting + 3);
    }

    #[test]
    fn a_file_that_is_too_small_is_refused() {
        let file = file(4096);
        let refused = Recorder::new(Mapping::of_descriptor(file.as_raw_fd()).unwrap(), 1).err();
        assert!(refused.is_some_and(|why| why.contains("4096 bytes")));
    }
}
