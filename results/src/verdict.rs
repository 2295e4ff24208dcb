//! The verdict model: the one place that decides what a result is called.

use serde::{Deserialize, Serialize};

/// What a case came to. The order is from best to worst, so that "worst of" is `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    Pass,
    /// Failed as a recorded expectation says it does.
    Xfail,
    /// Cannot run here; the reason always names why.
    Skip,
    /// We broke: QEMU died by itself, no disk, no memory. Never held against a kernel.
    Infra,
    /// The test itself broke: it ended without an answer, or its set-up failed.
    Error,
    Fail,
    /// Did not end within its deadline.
    Timeout,
    /// The kernel complained or died.
    Crash,
}

impl Verdict {
    pub const ALL: [Verdict; 8] = [
        Verdict::Pass,
        Verdict::Xfail,
        Verdict::Skip,
        Verdict::Infra,
        Verdict::Error,
        Verdict::Fail,
        Verdict::Timeout,
        Verdict::Crash,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "PASS",
            Verdict::Xfail => "XFAIL",
            Verdict::Skip => "SKIP",
            Verdict::Infra => "INFRA",
            Verdict::Error => "ERROR",
            Verdict::Fail => "FAIL",
            Verdict::Timeout => "TIMEOUT",
            Verdict::Crash => "CRASH",
        }
    }

    /// Held against the kernel (or, for ERROR, against the run): makes the exit code 1.
    pub fn is_failure(self) -> bool {
        match self {
            Verdict::Error | Verdict::Fail | Verdict::Timeout | Verdict::Crash => true,
            Verdict::Pass | Verdict::Xfail | Verdict::Skip | Verdict::Infra => false,
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// One thing that speaks for a verdict, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub verdict: Verdict,
    pub reason: String,
}

impl Evidence {
    pub fn new(verdict: Verdict, reason: impl Into<String>) -> Evidence {
        Evidence { verdict, reason: reason.into() }
    }
}

/// The worst of all evidence. No evidence at all is ERROR: nothing missing ever becomes a pass.
pub fn judge(evidence: &[Evidence]) -> Evidence {
    evidence
        .iter()
        .max_by_key(|one| one.verdict)
        .cloned()
        .unwrap_or_else(|| Evidence::new(Verdict::Error, "the case gave no answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_not_a_pass() {
        assert_eq!(judge(&[]).verdict, Verdict::Error);
    }

    #[test]
    fn a_splat_outweighs_a_claimed_pass() {
        let judged = judge(&[
            Evidence::new(Verdict::Pass, ""),
            Evidence::new(Verdict::Crash, "WARNING in foo"),
            Evidence::new(Verdict::Fail, "taint changed"),
        ]);
        assert_eq!(judged, Evidence::new(Verdict::Crash, "WARNING in foo"));
    }

    #[test]
    fn every_verdict_is_listed_once_in_order() {
        assert!(Verdict::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
