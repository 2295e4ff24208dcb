//! The live output of a command: a growing list of pieces in bulk.
//!
//! Each piece is `channel u8 · length u32 · bytes`. The agent appends pieces and then raises the header's
//! `BULK_LENGTH`; the host reads what is new whenever it likes.

/// Which output a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Stdout,
    Stderr,
}

pub const HEAD: usize = 5;

/// The bytes of a piece's head.
pub fn head(channel: Channel, length: u32) -> [u8; HEAD] {
    let [a, b, c, d] = length.to_le_bytes();
    let channel = match channel {
        Channel::Stdout => 1,
        Channel::Stderr => 2,
    };
    [channel, a, b, c, d]
}

/// Splits the whole pieces off the front; gives them and the number of bytes they took. Stops at the first
/// thing no agent of ours writes.
pub fn pieces(mut bytes: &[u8]) -> (Vec<(Channel, &[u8])>, usize) {
    let whole = bytes.len();
    let mut found = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(HEAD) {
        let channel = match head[0] {
            1 => Channel::Stdout,
            2 => Channel::Stderr,
            _ => break,
        };
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let Some((piece, rest)) = rest.split_at_checked(length) else { break };
        found.push((channel, piece));
        bytes = rest;
    }
    (found, whole - bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_come_back_however_they_are_cut(
            texts in proptest::collection::vec((any::<bool>(), ".{0,40}"), 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let channel = |err: bool| if err { Channel::Stderr } else { Channel::Stdout };
            let mut bytes = Vec::new();
            for (err, text) in &texts {
                bytes.extend(head(channel(*err), text.len() as u32));
                bytes.extend(text.as_bytes());
            }
            let cut = cut.index(bytes.len() + 1);
            let (first, used) = pieces(&bytes[..cut]);
            let (second, _) = pieces(&bytes[used..]);
            let all: Vec<_> = first.into_iter().chain(second).collect();
            let expected: Vec<_> = texts.iter().map(|(err, text)| (channel(*err), text.as_bytes())).collect();
            prop_assert_eq!(all, expected);
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let (_, used) = pieces(&bytes);
            prop_assert!(used <= bytes.len());
        }
    }
}
