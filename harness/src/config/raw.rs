//! The configuration as written: every knob may be missing. Never leaves `config/`.

use super::Accelerator;
use super::expectation::Expectation;
use super::glob::Glob;
use super::layer::{Layer, knobs, value};
use super::scalar::{Auto, Percent, ReportName, Size, Span, SuiteName};
use std::num::{NonZeroU32, NonZeroUsize};

value!(bool, u8, u32, u64, String, NonZeroU32, Size, Span, Percent, Accelerator);
value!(Auto<NonZeroUsize>, Auto<NonZeroU32>);
value!(Vec<String>, Vec<SuiteName>, Vec<Glob>, Vec<ReportName>, Vec<Expectation>);

knobs! {
    Raw {
        kernels: Vec<String>,
        suites: Vec<SuiteName>,
        cases: Vec<Glob>,
        jobs: Auto<NonZeroUsize>,
        retries: u32,
        seed: u64,
        exact: RawExact,
        machine: RawMachine,
        deadlines: RawDeadlines,
        cache: RawCache,
        perf: RawPerf,
        fuzz: RawFuzz,
        bisect: RawBisect,
        reports: Vec<ReportName>,
        expectations: Vec<Expectation>,
    }
}

knobs! { RawExact { enabled: bool, shift: u8 } }

knobs! {
    RawMachine {
        memory: Size,
        cpus: NonZeroU32,
        accelerator: Accelerator,
        append: String,
    }
}

knobs! { RawDeadlines { boot: Span, case: Span, linger: Span } }

knobs! { RawCache { size: Size, age: Span } }

knobs! {
    RawPerf {
        workloads: Vec<Glob>,
        operations: Auto<NonZeroU32>,
        seeds: NonZeroU32,
        threshold: Percent,
    }
}

knobs! { RawFuzz { duration: Span, batch: Span, dangerous: bool } }

knobs! { RawBisect { confidence: Percent, budget: Span } }
