//! Events: the spine. Whoever runs things emits them; the terminal, the store and the reports only consume
//! them, so a stored run can be rendered again, identically.

use crate::{Repetition, Verdict};
use serde::{Deserialize, Serialize};

/// Everything that happens during a run, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    RunStarted(RunInfo),
    /// The results the plan expects from a kernel, by name (cases and workloads alike); known before anything
    /// boots. Whatever of it gives no result is reported as missing, never dropped.
    Planned {
        kernel: String,
        cases: Vec<String>,
        /// How often each is to run; 0 when nobody knows yet.
        times: u32,
    },
    KernelReady(KernelInfo),
    /// A kernel that could not be brought to its ready point, and whose fault that is.
    KernelFailed {
        kernel: String,
        verdict: Verdict,
        reason: String,
        console: String,
    },
    CaseStarted {
        kernel: String,
        case: String,
    },
    CaseFinished(TestResult),
    WorkloadFinished(WorkloadResult),
    Found(Finding),
    /// Free text for the person watching; never carries a result.
    Note {
        text: String,
    },
    /// How it goes, for the person watching; not kept.
    Progress {
        text: String,
    },
    RunFinished {
        /// RFC 3339.
        at: String,
        interrupted: bool,
    },
}

/// One invocation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunInfo {
    /// Sortable and unique: `20261123-124501-3f2a`.
    pub id: String,
    /// `test`, `perf`, `fuzz`, `exec` …
    pub verb: String,
    /// RFC 3339.
    pub started: String,
    /// The command line, as typed.
    pub command: Vec<String>,
    pub gauntlet_version: String,
    pub host: String,
    /// Digest of the checked configuration.
    pub config_digest: String,
}

/// A kernel as it came up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KernelInfo {
    /// The name used in every result: `6.1.0-56-cloud-amd64`.
    pub name: String,
    /// How the user named it.
    pub spec: String,
    pub release: String,
    pub build: String,
    /// Digest of the image file.
    pub image_digest: String,
    /// Digest of the template the clones came from.
    pub template: String,
    /// `tcg`, `kvm`, or `tcg exact seed=1`.
    pub machine: String,
}

/// One case on one kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    pub kernel: String,
    /// `suite/case`.
    pub case: String,
    pub verdict: Verdict,
    /// Why; empty for a plain pass.
    pub reason: String,
    /// Host milliseconds from clone to verdict.
    pub duration_ms: u64,
    /// Guest nanoseconds of the case itself, when it answered.
    pub guest_ns: Option<u64>,
    /// What the case printed.
    pub output: String,
    /// The console during the case (head and tail when long).
    pub console: String,
    /// Title of the first splat, if any.
    pub splat: Option<String>,
    /// What the guest was doing when it died, from the flight record.
    pub flight: Option<String>,
    /// How many attempts it took; more than one only after infrastructure trouble.
    pub attempts: u32,
    /// Digest over everything a rerun must reproduce in exact mode (outcome, output, guest time, console).
    pub fingerprint: String,
    pub exact: bool,
    pub seed: u64,
    /// Host milliseconds for which its machine went on when it had passed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub linger_ms: u64,
    /// Each time it ran, where it was to run several times: then the rest is of the worst of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repetitions: Vec<Repetition>,
}

impl TestResult {
    /// A case of which nothing but the verdict is known: no clone ran it, or nobody measured.
    pub fn bare(kernel: &str, case: &str, verdict: Verdict) -> TestResult {
        TestResult {
            kernel: kernel.to_owned(),
            case: case.to_owned(),
            verdict,
            reason: String::new(),
            duration_ms: 0,
            guest_ns: None,
            output: String::new(),
            console: String::new(),
            splat: None,
            flight: None,
            attempts: 0,
            fingerprint: String::new(),
            exact: false,
            seed: 0,
            linger_ms: 0,
            repetitions: Vec::new(),
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One workload on one kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadResult {
    pub kernel: String,
    pub workload: String,
    pub verdict: Verdict,
    pub reason: String,
    pub exact: bool,
    pub seed: u64,
    /// `instructions` in exact mode, `nanoseconds` otherwise.
    pub unit: String,
    /// One figure per operation, in order.
    pub samples: Vec<u64>,
    /// Median of each seed's operations, `seed`'s first: how far seeds alone move the figure.
    #[serde(default)]
    pub medians: Vec<u64>,
    /// Instructions per kernel function over the timed operations, as if each had run like the median one; when
    /// they were counted.
    pub functions: Vec<(String, u64)>,
    pub duration_ms: u64,
}

/// A crash found by fuzzing, deduplicated by title.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub kernel: String,
    pub title: String,
    /// The minimal program in text form.
    pub program: String,
    /// The same as a standalone C program.
    pub c_program: String,
    pub console: String,
    /// Of how many replays in fresh clones it crashed with this title.
    pub reproduced: u32,
    pub replays: u32,
}
