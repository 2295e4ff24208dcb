//! From what the plugin saw to instructions per kernel function. Pure.

use crate::crash::Symbols;
use gauntlet_perf::{Profile, representative};
use gauntlet_protocol::coverage::{Block, Window};
use std::collections::HashMap;

/// Operations at the median that are looked at. They are alike, so more would say the same.
const ENOUGH: usize = 64;

/// Beyond this from the nearest symbol, the code belongs to none of them: a BPF program, or a module that was
/// loaded after the symbols were read. No function of a kernel is that long.
const LONGEST_FUNCTION: u64 = 256 << 10;

/// Instructions per function over all operations, as if each had run like those at the median.
///
/// `windows` may begin with some that belong to no sample (the measuring loop times empty operations first);
/// the last ones belong to the samples. Fewer windows than samples give nothing rather than something wrong.
pub fn functions(
    samples: &[u64],
    windows: &[Window],
    blocks: &[Block],
    symbols: &Symbols,
) -> Vec<(String, u64)> {
    let Some(surplus) = windows.len().checked_sub(samples.len()) else { return Vec::new() };
    let windows = &windows[surplus..];
    let chosen = representative(samples, ENOUGH);
    let mut profile = Profile::default();
    let mut names: HashMap<u32, &str> = HashMap::new();
    for index in &chosen {
        profile.begin_operation();
        for (block, executions) in &windows[*index].executions {
            let Some(entry) = blocks.get(*block as usize) else { continue };
            let name = *names.entry(*block).or_insert_with(|| name_of(entry.address, symbols));
            profile.add(name, u64::from(*executions) * u64::from(entry.instructions));
        }
    }
    let operations = samples.len() as u64;
    profile.per_operation().into_iter().map(|(name, each)| (name, each.saturating_mul(operations))).collect()
}

fn name_of(address: u64, symbols: &Symbols) -> &str {
    match symbols.lookup(address) {
        Some((name, offset)) if offset < LONGEST_FUNCTION => name,
        _ => "[outside the kernel's text]",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(ordinal: u64, executions: &[(u32, u32)]) -> Window {
        Window { ordinal, executions: executions.to_vec() }
    }

    const BLOCKS: [Block; 3] = [
        Block { address: 0xffff_ffff_8100_0000, instructions: 10 },
        Block { address: 0xffff_ffff_8100_0040, instructions: 3 },
        Block { address: 0xffff_ffff_c000_0000, instructions: 7 },
    ];

    fn symbols() -> Symbols {
        Symbols::parse("ffffffff81000000 T first\nffffffff81000040 t second\n")
    }

    #[test]
    fn operations_at_the_median_are_counted_and_empty_and_odd_ones_are_not() {
        let windows = [
            window(0, &[(0, 1000)]),
            window(1, &[(0, 2), (1, 1)]),
            window(2, &[(0, 900), (1, 900)]),
            window(3, &[(0, 2), (1, 1), (2, 1)]),
        ];
        let samples = [30, 9000, 30];
        let found = functions(&samples, &windows, &BLOCKS, &symbols());
        let expected = [("first", 60), ("[outside the kernel's text]", 12), ("second", 9)];
        assert_eq!(found, expected.map(|(name, count)| (name.to_owned(), count)));
    }

    #[test]
    fn lost_windows_give_nothing() {
        assert!(functions(&[1, 2], &[window(0, &[(0, 1)])], &BLOCKS, &symbols()).is_empty());
    }

    #[test]
    fn a_block_that_is_not_in_the_table_is_left_out() {
        assert!(functions(&[1], &[window(0, &[(99, 1)])], &BLOCKS, &symbols()).is_empty());
    }
}
