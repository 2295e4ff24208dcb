//! How many programs make a batch.

use std::time::Duration;

/// Largest batch: what the shared region surely holds.
const MOST: usize = 256;
/// First batch, before anything was measured.
const FIRST: usize = 8;
/// Smallest batch: the round trip is in the measured time too, and alone in a batch a program would seem as slow as it.
const LEAST: usize = 8;

/// Sizes batches by time, not by count: a program takes 30 µs or 30 ms.
#[derive(Debug)]
pub(super) struct Pacer {
    target: Duration,
    /// Moving mean of the time per program.
    mean: Option<Duration>,
}

impl Pacer {
    pub(super) fn new(target: Duration) -> Pacer {
        Pacer { target, mean: None }
    }

    /// Learns from a batch. The new mean moves a quarter of the way: one slow batch does not halve the next.
    pub(super) fn learn(&mut self, programs: usize, elapsed: Duration) {
        let Ok(programs) = u32::try_from(programs.max(1)) else { return };
        let mean = elapsed / programs;
        self.mean = Some(match self.mean {
            Some(old) => (old * 3 + mean) / 4,
            None => mean,
        });
    }

    pub(super) fn size(&self) -> usize {
        match self.mean {
            Some(mean) if !mean.is_zero() => {
                let size = self.target.as_nanos() / mean.as_nanos();
                usize::try_from(size).unwrap_or(MOST).clamp(LEAST, MOST)
            }
            Some(_) => MOST,
            None => FIRST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_until_they_take_the_time_asked_for() {
        let mut pacer = Pacer::new(Duration::from_millis(80));
        assert_eq!(pacer.size(), FIRST);
        for _ in 0..20 {
            let size = pacer.size();
            pacer.learn(size, Duration::from_millis(1) * size as u32);
        }
        assert_eq!(pacer.size(), 80);
    }

    #[test]
    fn a_batch_is_never_tiny_nor_boundless() {
        let mut pacer = Pacer::new(Duration::from_millis(80));
        pacer.learn(1, Duration::from_secs(10));
        assert_eq!(pacer.size(), LEAST);
        let mut pacer = Pacer::new(Duration::from_millis(80));
        pacer.learn(1000, Duration::ZERO);
        assert_eq!(pacer.size(), MOST);
    }
}
