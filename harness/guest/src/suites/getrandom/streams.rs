//! That no two draws are related: within a stream, between calls, and between processes.
//!
//! Every statistical bound below fails a sound kernel less often than once in 10^12 runs.

use super::calls::{INSECURE, NONBLOCK, RANDOM, draw, getrandom};
use crate::case::{Stop, exists, setup, succeeds};
use crate::sys::read_all;
use crate::{CaseResult, Context, check, check_eq, child};
use std::collections::BTreeSet;

fn stream(length: usize) -> Result<Vec<u8>, Stop> {
    let mut bytes = vec![0; length];
    let n = succeeds("getrandom", exists("getrandom", getrandom(&mut bytes, 0))?)?;
    check_eq!(n, length, "bytes returned without a signal");
    Ok(bytes)
}

fn ones(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.map(u8::count_ones).sum()
}

/// The chi-square statistic of 255 degrees of freedom: mean 255, standard deviation 22.6. Too small is as suspicious
/// as too large: a generator that deals out all values evenly is not random either.
pub fn byte_values_are_evenly_spread(_: &Context) -> CaseResult {
    let mut counts = [0u32; 256];
    stream(1 << 16)?.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    let sum: u64 = counts.iter().map(|&count| u64::from(count.abs_diff(256)).pow(2)).sum();
    let chi_square = sum as f64 / 256.0;
    check!((120.0..460.0).contains(&chi_square), "chi-square of 65536 bytes is {chi_square:.1}");
    Ok(())
}

/// Half of the bits differ between a stream and itself shifted: not so in a counter, or in what has a short period.
pub fn stream_is_unrelated_to_itself_shifted(_: &Context) -> CaseResult {
    let bytes = stream(1 << 15)?;
    for shift in 1..=64 {
        let pairs = bytes.len() - shift;
        let differing = ones(bytes[shift..].iter().zip(&bytes).map(|(a, b)| a ^ b));
        // Standard deviation: half of the square root of 8 * 32768, that is 256. Nine of these.
        let expected = 4 * pairs as u32;
        check!(
            differing.abs_diff(expected) < 9 * 256,
            "{differing} of {} bits differ from those {shift} bytes before",
            8 * pairs
        );
    }
    Ok(())
}

/// Two draws differ in about 128 of 256 bits (standard deviation 8), and not in a counter only.
pub fn successive_calls_are_unrelated(_: &Context) -> CaseResult {
    let mut last = draw::<32>(0)?;
    for number in 1..512 {
        let next = draw::<32>(0)?;
        let differing = ones(last.iter().zip(&next).map(|(a, b)| a ^ b));
        check!(
            (56..=200).contains(&differing),
            "draw {number} differs from the last in {differing} of 256 bits"
        );
        last = next;
    }
    Ok(())
}

/// Whatever the flags and the length, nothing is dealt out twice.
pub fn flags_and_lengths_repeat_nothing(_: &Context) -> CaseResult {
    draw::<1>(0)?;
    let mut seen = BTreeSet::new();
    for _ in 0..16 {
        for flags in [0, NONBLOCK, RANDOM, INSECURE] {
            let draws =
                [draw::<16>(flags)?.to_vec(), draw::<96>(flags)?.to_vec(), draw::<4096>(flags)?.to_vec()];
            for block in draws.iter().flat_map(|bytes| bytes.chunks(16)) {
                check!(seen.insert(block.to_vec()), "16 bytes with flags {flags:#x} were dealt out before");
            }
        }
    }
    Ok(())
}

/// All forked from one state before any of them draws.
pub fn children_forked_at_once_draw_different_bytes(_: &Context) -> CaseResult {
    const CHILDREN: usize = 8;
    draw::<1>(0)?;
    let (reader, writer) = child::pipe()?;
    let (gate, opener) = child::pipe()?;
    let mut children = vec![];
    for _ in 0..CHILDREN {
        let pid = child::fork()?;
        if pid == 0 {
            drop(opener);
            let _ = read_all(&gate);
            let drawn = draw::<32>(0).unwrap_or([0; 32]);
            child::write_all(&writer, &drawn);
            child::exit(0);
        }
        children.push(pid);
    }
    drop((writer, opener));
    let bytes = setup("read of the children's bytes", read_all(&reader))?;
    children.into_iter().try_for_each(|pid| child::wait(pid).map(drop))?;
    check_eq!(bytes.len(), 32 * CHILDREN, "bytes from the children");
    let mut seen = BTreeSet::from([draw::<32>(0)?.to_vec()]);
    for drawn in bytes.chunks(32) {
        check!(drawn != [0; 32], "a child could not draw");
        check!(seen.insert(drawn.to_vec()), "two processes of one parent drew the same bytes");
    }
    Ok(())
}

pub fn threads_draw_different_bytes(_: &Context) -> CaseResult {
    draw::<1>(0)?;
    let drawing = || (0..64).map(|_| draw::<32>(0)).collect::<Result<Vec<_>, Stop>>();
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(drawing)).collect();
    let mut seen = BTreeSet::new();
    for thread in threads {
        let drawn = thread.join().map_err(|_| Stop::Broken("a thread panicked".into()))??;
        for bytes in drawn {
            check!(seen.insert(bytes), "two threads drew the same bytes");
        }
    }
    Ok(())
}
