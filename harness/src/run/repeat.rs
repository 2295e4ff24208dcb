//! How often, in which order and with which seeds the cases of a run go. Pure.

/// What was asked for. The default is every case once, in the order of the suites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// Rounds over all cases and seeds; none: until something fails.
    pub times: Option<u32>,
    /// Stop after the round in which something failed.
    pub until_fail: bool,
    /// Another order of the cases in each round.
    pub shuffle: Option<u64>,
    /// One machine per seed; at least one.
    pub seeds: Vec<u64>,
}

/// All cases once, with one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Which repetition of a case this is, from 1.
    pub number: u32,
    /// Place in [`Repeat::seeds`].
    pub seed: usize,
}

impl Repeat {
    pub fn once(seed: u64) -> Repeat {
        Repeat { times: Some(1), until_fail: false, shuffle: None, seeds: vec![seed] }
    }

    /// Whether results are repetitions at all.
    pub fn is_single(&self) -> bool {
        self.rounds() == Some(1)
    }

    /// How many rounds there will be at most; None without end.
    pub fn rounds(&self) -> Option<u32> {
        let seeds = u32::try_from(self.seeds.len()).unwrap_or(u32::MAX);
        self.times.map(|times| times.saturating_mul(seeds))
    }

    /// The round after so many. Seeds change fastest: each has had its turn before one has its second.
    pub fn round(&self, done: u32) -> Option<Round> {
        if self.rounds().is_some_and(|rounds| done >= rounds) {
            return None;
        }
        Some(Round { number: done + 1, seed: done as usize % self.seeds.len().max(1) })
    }

    /// The order of a round's cases: as they come, or shuffled (Fisher and Yates), the same for the same seed.
    pub fn order<T>(&self, round: Round, cases: &mut [T]) {
        let Some(seed) = self.shuffle else { return };
        let mut state = seed ^ u64::from(round.number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for last in (1..cases.len()).rev() {
            cases.swap(last, (next(&mut state) % (last as u64 + 1)) as usize);
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(repeat: &Repeat) -> Vec<(u32, usize)> {
        (0..9).map_while(|done| repeat.round(done)).map(|round| (round.number, round.seed)).collect()
    }

    #[test]
    fn seeds_take_turns_and_rounds_end() {
        let once = Repeat::once(1);
        assert!(once.is_single());
        assert_eq!(numbers(&once), [(1, 0)]);
        let swept = Repeat { times: Some(2), seeds: vec![1, 2], ..once.clone() };
        assert_eq!(numbers(&swept), [(1, 0), (2, 1), (3, 0), (4, 1)]);
        let endless = Repeat { times: None, ..once };
        assert_eq!((numbers(&endless).len(), endless.is_single()), (9, false));
    }

    #[test]
    fn a_shuffle_keeps_every_case_and_can_be_had_again() {
        let order = |shuffle, number| {
            let mut cases: Vec<u32> = (0..50).collect();
            Repeat { shuffle, ..Repeat::once(1) }.order(Round { number, seed: 0 }, &mut cases);
            cases
        };
        let plain: Vec<u32> = (0..50).collect();
        assert_eq!(order(None, 1), plain);
        assert_eq!(order(Some(7), 1), order(Some(7), 1));
        assert_ne!(order(Some(7), 1), order(Some(7), 2), "each round has its own");
        assert_ne!(order(Some(7), 1), order(Some(8), 1));
        let mut sorted = order(Some(7), 1);
        sorted.sort_unstable();
        assert_eq!(sorted, plain);
    }
}
