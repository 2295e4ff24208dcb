//! That what was dealt out leads neither forth nor back: each draw overwrites what it came from (random(7), forward
//! secrecy; drivers/char/random.c: fast key erasure).

use super::calls::draw;
use crate::{CaseResult, Context, check};

/// One block of ChaCha20 (RFC 8439, section 2.3) without a nonce.
fn chacha20_block(key: &[u8; 32], counter: u32) -> [u8; 64] {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let mut start = [0u32; 16];
    for (state, constant) in start.iter_mut().zip(b"expand 32-byte k".chunks(4).chain(key.chunks(4))) {
        *state = word(constant);
    }
    start[12] = counter;
    let mut state = start;
    let quarters = [
        [0, 4, 8, 12],
        [1, 5, 9, 13],
        [2, 6, 10, 14],
        [3, 7, 11, 15],
        [0, 5, 10, 15],
        [1, 6, 11, 12],
        [2, 7, 8, 13],
        [3, 4, 9, 14],
    ];
    for _ in 0..10 {
        for [a, b, c, d] in quarters {
            for (x, y, z, turn) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
                state[x] = state[x].wrapping_add(state[y]);
                state[z] = (state[z] ^ state[x]).rotate_left(turn);
            }
        }
    }
    let mut block = [0; 64];
    for ((bytes, word), start) in block.chunks_mut(4).zip(state).zip(start) {
        bytes.copy_from_slice(&word.wrapping_add(start).to_le_bytes());
    }
    block
}

/// The generator makes its next key and what it deals out from one block. Had it dealt out the key, whoever holds one
/// draw could compute all later ones.
pub fn draw_does_not_foretell_the_next(_: &Context) -> CaseResult {
    let mut last = draw::<32>(0)?;
    for number in 1..64 {
        let next = draw::<32>(0)?;
        for counter in 0..4 {
            let foretold = chacha20_block(&last, counter);
            let is_there = foretold.chunks(32).any(|half| half == next);
            check!(!is_there, "draw {number} is block {counter} of ChaCha20 with the last draw as its key");
        }
        last = next;
    }
    Ok(())
}

#[test]
fn chacha20_is_that_of_the_rfc() {
    // RFC 8439, appendix A.1, test vectors 1 and 2: the key of zeros, blocks 0 and 1.
    assert_eq!(chacha20_block(&[0; 32], 0)[..8], [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
    assert_eq!(chacha20_block(&[0; 32], 1)[..8], [0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a]);
}
