//! From the layered knobs to a [`Config`]: every knob present, every combination possible.

use super::raw::Raw;
use super::{Accelerator, Bisect, CacheLimits, Config, Deadlines, Exact, Fuzz, Machine, Perf, Size};
use crate::{Error, Result};
use std::num::NonZeroUsize;

/// QEMU refuses more (`MAX_ICOUNT_SHIFT` in its accel/tcg/icount-common.c).
const MAX_SHIFT: u8 = 10;

/// What the smallest distribution kernel and the agent need.
const MIN_MEMORY: Size = Size(128 << 20);

pub(super) fn resolve(raw: Raw, host_cpus: usize) -> Result<Config> {
    let config = complete(raw, host_cpus).ok_or_else(|| Error::infra("a knob has no built-in default"))?;
    check(&config)?;
    Ok(config)
}

impl Config {
    /// Digest of every knob's value: two runs with the same digest were asked the same thing.
    pub fn digest(&self) -> String {
        let text = serde_json::to_vec(self).expect("plain numbers, words and lists always serialize");
        blake3::hash(&text).to_hex()[..16].to_owned()
    }
}

/// Every knob, or nothing when one is missing: `gauntlet.yaml` sets them all, as a test proves.
fn complete(raw: Raw, host_cpus: usize) -> Option<Config> {
    let (exact, machine, deadlines) = (raw.exact?, raw.machine?, raw.deadlines?);
    let (cache, perf, fuzz, bisect) = (raw.cache?, raw.perf?, raw.fuzz?, raw.bisect?);
    let host_cpus = NonZeroUsize::new(host_cpus).unwrap_or(NonZeroUsize::MIN);
    Some(Config {
        kernels: raw.kernels?,
        suites: raw.suites?.into_iter().map(|suite| suite.0).collect(),
        cases: raw.cases?,
        jobs: raw.jobs?.unwrap_or(host_cpus).get(),
        retries: raw.retries?,
        seed: raw.seed?,
        exact: Exact { enabled: exact.enabled?, shift: exact.shift? },
        machine: Machine {
            memory: machine.memory?,
            cpus: machine.cpus?.get(),
            accelerator: machine.accelerator?,
            append: machine.append?,
        },
        deadlines: Deadlines {
            boot: deadlines.boot?.0,
            case: deadlines.case?.0,
            linger: deadlines.linger?.0,
        },
        cache: CacheLimits { size: cache.size?, age: cache.age?.0 },
        perf: Perf {
            workloads: perf.workloads?,
            operations: perf.operations?.map(std::num::NonZeroU32::get),
            seeds: perf.seeds?.get(),
            threshold: perf.threshold?,
        },
        fuzz: Fuzz { duration: fuzz.duration?.0, batch: fuzz.batch?.0, dangerous: fuzz.dangerous? },
        bisect: Bisect { confidence: bisect.confidence?, budget: bisect.budget?.0 },
        reports: raw.reports?.into_iter().map(|report| report.0).collect(),
        expectations: raw.expectations?,
    })
}

/// What no single knob can know.
fn check(config: &Config) -> Result<()> {
    if config.exact.enabled && config.machine.accelerator == Accelerator::Kvm {
        return Err(Error::usage("exact mode needs virtual time, which KVM does not have")
            .hint("set machine.accelerator to auto or tcg, or leave exact mode"));
    }
    if config.exact.shift > MAX_SHIFT {
        return Err(Error::usage(format!(
            "exact.shift is {}, QEMU takes 0 to {MAX_SHIFT}",
            config.exact.shift
        )));
    }
    if config.machine.memory < MIN_MEMORY {
        let asked = config.machine.memory;
        return Err(Error::usage(format!("{asked} of memory boots no kernel; {MIN_MEMORY} is the least")));
    }
    if config.expectations.iter().any(|known| !known.verdict.is_failure()) {
        return Err(Error::usage("an expectation's verdict must be FAIL, CRASH, TIMEOUT or ERROR"));
    }
    Ok(())
}
