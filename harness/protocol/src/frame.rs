//! Frames for the second serial port, used when the kernel forbids mapping the shared region.
//!
//! `GF` · length u32 · CRC-32 u32 · payload. A reader that meets noise skips to the next `GF` whose checksum
//! holds, so a stray byte from the kernel costs one frame at most.

use crate::message::checksum;

const MARK: [u8; 2] = *b"GF";
const HEAD: usize = 10;
/// Longest payload a reader accepts.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// Wraps a payload.
pub fn wrap(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("messages are far below 4 GiB");
    let mut frame = Vec::with_capacity(HEAD + payload.len());
    frame.extend_from_slice(&MARK);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&checksum(payload).to_le_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Collects bytes and gives back whole payloads.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    /// Adds bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole payload, if there is one.
    pub fn next_payload(&mut self) -> Option<Vec<u8>> {
        loop {
            self.skip_to_mark();
            let head = self.buffer.get(..HEAD)?;
            let length = u32::from_le_bytes(head[2..6].try_into().expect("four bytes")) as usize;
            let expected = u32::from_le_bytes(head[6..10].try_into().expect("four bytes"));
            if length > MAX_PAYLOAD {
                self.buffer.drain(..1);
                continue;
            }
            let payload = self.buffer.get(HEAD..HEAD + length)?;
            if checksum(payload) != expected {
                self.buffer.drain(..1);
                continue;
            }
            let payload = payload.to_vec();
            self.buffer.drain(..HEAD + length);
            return Some(payload);
        }
    }

    fn skip_to_mark(&mut self) {
        let mark = self.buffer.windows(2).position(|pair| pair == MARK);
        // Keep a last byte that may be the first half of a mark.
        let keep_from = mark.unwrap_or(self.buffer.len().saturating_sub(1));
        self.buffer.drain(..keep_from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_are_found_between_noise(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..5),
            noise in "[a-f]{0,20}",
            chunk in 1usize..64,
        ) {
            let mut stream = Vec::new();
            for payload in &payloads {
                stream.extend_from_slice(noise.as_bytes());
                stream.extend_from_slice(&wrap(payload));
            }
            let mut reader = Reader::default();
            let mut found = Vec::new();
            for piece in stream.chunks(chunk) {
                reader.push(piece);
                while let Some(payload) = reader.next_payload() {
                    found.push(payload);
                }
            }
            prop_assert_eq!(found, payloads);
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let mut reader = Reader::default();
            reader.push(&bytes);
            while reader.next_payload().is_some() {}
        }
    }
}
