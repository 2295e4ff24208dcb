//! How a search is done: what is assumed, what things cost, when to stop.

use serde::{Deserialize, Serialize};

/// Which change is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seek {
    /// The first candidate that fails.
    FirstBad,
    /// The first that passes: a fix.
    FirstGood,
}

/// How often a run fails where the fault is, and where it is not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rates {
    /// The answer never varies: one run decides.
    Exact,
    /// Unknown: Beta distributions over both rates, integrated out.
    Unknown { faulty: (f64, f64), sound: (f64, f64) },
}

impl Rates {
    /// A fault shows more often than not, a sound kernel hardly ever fails.
    pub const FLAKY: Rates = Rates::Unknown { faulty: (1.5, 0.5), sound: (0.25, 10.0) };
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    pub seek: Seek,
    pub rates: Rates,
    /// Stop when one candidate (or a set that cannot be told apart) is this likely.
    pub confidence: f64,
    /// What it costs to have a kernel that was not asked before, in runs.
    pub build_cost: f64,
    /// Runs after which the search ends without an answer.
    pub max_runs: u32,
    /// Infrastructure troubles in a row after which it gives up.
    pub max_troubles: u32,
    /// How likely it is beforehand that nothing in the range changed the behaviour.
    pub no_change: f64,
}

impl Policy {
    /// For tests that may be flaky.
    pub fn flaky() -> Policy {
        Policy {
            seek: Seek::FirstBad,
            rates: Rates::FLAKY,
            confidence: 0.995,
            build_cost: 10.0,
            max_runs: 400,
            max_troubles: 10,
            no_change: 0.1,
        }
    }

    /// For tests whose answer never varies, such as any in exact mode.
    pub fn exact() -> Policy {
        Policy { rates: Rates::Exact, no_change: 0.01, ..Policy::flaky() }
    }

    /// Runs of the bad end and of the good end before the search begins: (enough failures, at least, at most).
    pub(super) fn calibration(&self) -> Calibration {
        match self.rates {
            Rates::Exact => Calibration { failures: 1, least: 1, most: 1, good: 1 },
            Rates::Unknown { .. } => Calibration { failures: 3, least: 4, most: 12, good: 4 },
        }
    }
}

/// How the ends are tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calibration {
    pub failures: u32,
    pub least: u32,
    pub most: u32,
    pub good: u32,
}
