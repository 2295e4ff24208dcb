//! Files that are mostly holes, such as empty filesystems: their size, and the blocks that hold something.
//!
//! Layout, little-endian: the size (8 bytes), then for each run of blocks its offset (8), its length (8) and its
//! bytes. Runs are in order and do not overlap.

/// Granularity of holes.
const BLOCK: usize = 4096;

/// Leaves out every block of zeros.
pub fn encode(file: &[u8]) -> Vec<u8> {
    let mut encoded = (file.len() as u64).to_le_bytes().to_vec();
    let mut start = None;
    for (number, block) in file.chunks(BLOCK).enumerate() {
        let offset = number * BLOCK;
        match (start, block.iter().all(|&byte| byte == 0)) {
            (None, false) => start = Some(offset),
            (Some(from), true) => {
                push(&mut encoded, from, &file[from..offset]);
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        push(&mut encoded, from, &file[from..]);
    }
    encoded
}

fn push(encoded: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    encoded.extend((offset as u64).to_le_bytes());
    encoded.extend((bytes.len() as u64).to_le_bytes());
    encoded.extend(bytes);
}

/// A run of bytes of the file and its offset.
pub type Run<'a> = (u64, &'a [u8]);

/// The file's size and its runs; `None` for bytes that [`encode`] did not write.
pub fn decode(mut encoded: &[u8]) -> Option<(u64, Vec<Run<'_>>)> {
    let size = number(&mut encoded)?;
    let (mut runs, mut end) = (Vec::new(), 0);
    while !encoded.is_empty() {
        let (offset, length) = (number(&mut encoded)?, number(&mut encoded)?);
        let (bytes, rest) = encoded.split_at_checked(usize::try_from(length).ok()?)?;
        if offset < end || offset.checked_add(length)? > size {
            return None;
        }
        (end, encoded) = (offset + length, rest);
        runs.push((offset, bytes));
    }
    Some((size, runs))
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(file: &[u8]) -> Vec<u8> {
        let encoded = encode(file);
        let (size, runs) = decode(&encoded).expect("what was encoded decodes");
        let mut decoded = vec![0; size as usize];
        for (offset, bytes) in runs {
            decoded[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        decoded
    }

    #[test]
    fn holes_are_left_out_and_come_back() {
        let mut file = vec![0; 100 * BLOCK + 7];
        assert_eq!(encode(&file).len(), 8, "a file of zeros has a size and nothing else");
        for at in [0, 5 * BLOCK - 1, 5 * BLOCK, 50 * BLOCK + 9, 100 * BLOCK + 6] {
            file[at] = 1;
            assert_eq!(back(&file), file);
        }
        assert!(encode(&file).len() < 6 * BLOCK);
        assert_eq!(back(&[]), Vec::<u8>::new());
    }

    #[test]
    fn other_bytes_are_refused_and_never_panic() {
        let encoded = encode(&[7; 3 * BLOCK]);
        for cut in 0..encoded.len() - 1 {
            if let Some((_, runs)) = decode(&encoded[..cut]) {
                assert!(runs.is_empty(), "a run was cut at {cut} of {} bytes and decoded", encoded.len());
            }
        }
        let run = |size: u64, offset: u64, length: u64| {
            decode(&[size, offset, length].map(u64::to_le_bytes).concat()).is_some()
        };
        assert!(run(8, 0, 0), "an empty run is sound");
        for (size, offset, length) in [(8, 0, 9), (8, 9, 0), (8, u64::MAX, 1), (8, 1, u64::MAX)] {
            assert!(!run(size, offset, length), "{size} {offset} {length}");
        }
    }
}
