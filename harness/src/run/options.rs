//! From the checked configuration to how sessions and cases are run. Pure.

use super::case::CasePolicy;
use crate::config::{Accelerator as Wanted, Config};
use crate::session::{Host, SessionOptions};
use gauntlet_qemu::{Accelerator, Exact, Machine};

/// How every kernel of the run is brought up.
pub fn session_options(config: &Config, host: &Host) -> SessionOptions {
    SessionOptions {
        machine: machine(config, host.best_accelerator()),
        append: config.machine.append.clone(),
        boot_deadline: config.deadlines.boot,
        retries: config.retries,
    }
}

fn machine(config: &Config, best: Accelerator) -> Machine {
    let exact = config.exact.enabled.then_some(Exact { seed: config.seed, shift: config.exact.shift });
    let accelerator = match (exact, config.machine.accelerator) {
        // Only TCG can count instructions.
        (Some(_), _) | (None, Wanted::Tcg) => Accelerator::Tcg,
        (None, Wanted::Kvm) => Accelerator::Kvm,
        (None, Wanted::Auto) => best,
    };
    let memory_mib = u32::try_from(config.machine.memory.0 >> 20).unwrap_or(u32::MAX);
    Machine { accelerator, exact, cpus: config.machine.cpus, memory_mib, ..Machine::default() }
}

/// How every case of the run is run.
pub fn case_policy(config: &Config) -> CasePolicy {
    CasePolicy {
        seed: config.seed,
        deadline: config.deadlines.case,
        retries: config.retries,
        linger: config.deadlines.linger,
    }
}
