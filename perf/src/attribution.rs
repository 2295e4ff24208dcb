//! Which kernel functions account for a figure, and for the difference of two.
//!
//! The plugin counts how often each block of kernel code ran in each operation; blocks × instructions, summed
//! by the function they lie in, is the operation's profile. The figure is a median, so the profile is that of
//! the operations at the median, not of all: the slice that a kernel thread took from some other operation
//! must not appear as a change of this one.
//!
//! A block that an exception leaves in the middle counts in full, so a profile may exceed the figure slightly.

use crate::summary::median;
use std::collections::BTreeMap;

/// Instructions per function over some operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    operations: u64,
    functions: BTreeMap<String, u64>,
}

impl Profile {
    /// Counts one more operation.
    pub fn begin_operation(&mut self) {
        self.operations += 1;
    }

    /// Adds instructions to a function of the current operation.
    pub fn add(&mut self, function: &str, instructions: u64) {
        let name = source_name(function);
        match self.functions.get_mut(name) {
            Some(total) => *total = total.saturating_add(instructions),
            None => drop(self.functions.insert(name.to_owned(), instructions)),
        }
    }

    /// Instructions per operation (rounded) by function, largest first, then by name.
    pub fn per_operation(&self) -> Vec<(String, u64)> {
        let operations = self.operations.max(1);
        let mut ranked: Vec<(String, u64)> = self
            .functions
            .iter()
            .map(|(name, total)| (name.clone(), (total + operations / 2) / operations))
            .filter(|(_, instructions)| *instructions > 0)
            .collect();
        ranked.sort_by(|(a_name, a), (b_name, b)| b.cmp(a).then_with(|| a_name.cmp(b_name)));
        ranked
    }
}

/// The function as its author named it: without what the compiler appends to clones and cold parts, so that
/// two builds can be compared. Source: GCC's clone suffixes `.constprop`, `.isra`, `.part`, `.cold`; LLVM's `.llvm`.
fn source_name(symbol: &str) -> &str {
    const SUFFIXES: [&str; 5] = [".constprop.", ".isra.", ".part.", ".cold", ".llvm."];
    let cut = SUFFIXES.iter().filter_map(|suffix| symbol.find(suffix)).min();
    cut.filter(|at| *at > 0).map_or(symbol, |at| &symbol[..at])
}

/// The operations that stand for the figure: the `most` nearest to the median, ascending. Ties go to the earlier.
pub fn representative(samples: &[u64], most: usize) -> Vec<usize> {
    let Some(centre) = median(samples) else { return Vec::new() };
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by_key(|index| (samples[*index].abs_diff(centre), *index));
    let exact = samples.iter().filter(|sample| **sample == centre).count();
    // Operations at the median are alike; others are taken for want of them, and never the far half.
    order.truncate(most.min(exact.max(MIXED.min(samples.len().div_ceil(2)))));
    order.sort_unstable();
    order
}

/// How many operations near the median are averaged when hardly any are at it.
const MIXED: usize = 16;

/// One function's part in the difference of two kernels.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    pub function: String,
    /// Instructions per operation in A and B.
    pub a: u64,
    pub b: u64,
    /// Of the whole difference; negative when the function changed the other way.
    pub share: f64,
}

impl Contribution {
    /// Instructions per operation that B needs more.
    pub fn delta(&self) -> i64 {
        self.b.wrapping_sub(self.a) as i64
    }
}

/// What changed between two profiles (as [`Profile::per_operation`] gives them), largest change first.
/// `delta` is the difference of the figures, B − A, in instructions.
pub fn contributions(a: &[(String, u64)], b: &[(String, u64)], delta: i64) -> Vec<Contribution> {
    let mut both: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (name, instructions) in a {
        both.entry(name).or_default().0 += instructions;
    }
    for (name, instructions) in b {
        both.entry(name).or_default().1 += instructions;
    }
    let mut changed: Vec<Contribution> = both
        .into_iter()
        .filter(|(_, (a, b))| a != b)
        .map(|(name, (a, b))| {
            let share = if delta == 0 { 0.0 } else { (b as f64 - a as f64) / delta as f64 };
            Contribution { function: name.to_owned(), a, b, share }
        })
        .collect();
    changed.sort_by(|x, y| y.delta().abs().cmp(&x.delta().abs()).then_with(|| x.function.cmp(&y.function)));
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn clones_of_a_function_count_as_the_function() {
        let mut profile = Profile::default();
        profile.begin_operation();
        profile.add("vfs_write", 10);
        profile.add("vfs_write.part.0", 5);
        profile.add("vfs_write.constprop.0.cold", 1);
        profile.add(".cold", 2);
        assert_eq!(profile.per_operation(), [("vfs_write".to_owned(), 16), (".cold".to_owned(), 2)]);
    }

    #[test]
    fn operations_at_the_median_stand_for_it_and_outliers_do_not() {
        let samples = [5, 900, 5, 5, 7, 5];
        assert_eq!(representative(&samples, 3), [0, 2, 3]);
        let mixed: Vec<u64> = (0..100).collect();
        assert_eq!(representative(&mixed, 300).len(), MIXED);
        assert!(representative(&mixed, 300).contains(&49));
        assert_eq!(representative(&[30, 9000, 30], 64), [0, 2]);
        assert!(representative(&[], 3).is_empty());
    }

    #[test]
    fn the_function_that_got_slower_comes_first_with_its_share() {
        let profile = |pairs: &[(&str, u64)]| -> Vec<(String, u64)> {
            pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        let a = profile(&[("lookup", 100), ("copy", 50), ("same", 9)]);
        let b = profile(&[("lookup", 180), ("new", 30), ("copy", 40), ("same", 9)]);
        let found = contributions(&a, &b, 100);
        let names: Vec<(&str, i64)> = found.iter().map(|c| (c.function.as_str(), c.delta())).collect();
        assert_eq!(names, [("lookup", 80), ("new", 30), ("copy", -10)]);
        assert!((found[0].share - 0.8).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn contributions_add_up_to_the_difference(
            a in proptest::collection::btree_map("[a-d]", 0u64..1000, 0..5),
            b in proptest::collection::btree_map("[a-d]", 0u64..1000, 0..5),
        ) {
            let total = |profile: &BTreeMap<String, u64>| profile.values().sum::<u64>() as i64;
            let delta = total(&b) - total(&a);
            let (a, b): (Vec<_>, Vec<_>) = (a.into_iter().collect(), b.into_iter().collect());
            let found = contributions(&a, &b, delta);
            prop_assert_eq!(found.iter().map(Contribution::delta).sum::<i64>(), delta);
            prop_assert!(found.windows(2).all(|pair| pair[0].delta().abs() >= pair[1].delta().abs()));
        }

        #[test]
        fn a_profile_of_like_operations_is_one_operation(counts in proptest::collection::btree_map("[a-f]+", 1u64..1000, 1..6), n in 1u64..50) {
            let mut profile = Profile::default();
            for _ in 0..n {
                profile.begin_operation();
                counts.iter().for_each(|(name, count)| profile.add(name, *count));
            }
            let found: BTreeMap<String, u64> = profile.per_operation().into_iter().collect();
            prop_assert_eq!(found, counts);
        }
    }
}
