//! Machine descriptions: plain data, and where its memory lies.

use serde::{Deserialize, Serialize};

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    Tcg,
    Kvm,
}

impl Accelerator {
    pub fn as_str(self) -> &'static str {
        match self {
            Accelerator::Tcg => "tcg",
            Accelerator::Kvm => "kvm",
        }
    }
}

/// Exact mode: virtual time counts instructions, and the run is a pure function of its inputs.
/// Source: QEMU docs/devel/tcg-icount.rst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exact {
    /// Feeds every random source QEMU has.
    pub seed: u64,
    /// One instruction takes `1 << shift` virtual nanoseconds; QEMU accepts 0 to 10.
    pub shift: u8,
}

/// A virtual machine. Two machines that compare equal behave alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub accelerator: Accelerator,
    pub exact: Option<Exact>,
    pub cpus: u32,
    /// Main RAM in MiB.
    pub memory_mib: u32,
    /// The shared region in MiB, behind main RAM.
    pub region_mib: u32,
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

impl Default for Machine {
    fn default() -> Machine {
        Machine { accelerator: Accelerator::Tcg, exact: None, cpus: 1, memory_mib: 256, region_mib: 32 }
    }
}

impl Machine {
    /// Physical address at which the guest sees the shared region.
    ///
    /// QEMU's `pc` machine puts all RAM below 4 GiB when it is less than 3.5 GiB, and splits it at 3 GiB
    /// otherwise (hw/i386/pc_piix.c). The region is the end of RAM; it must not straddle the split.
    ///
    /// # Errors
    /// With a sentence for the user when the sizes put the split inside the region.
    pub fn region_address(&self) -> Result<u64, String> {
        let ram = u64::from(self.memory_mib) * MIB;
        let total = ram + u64::from(self.region_mib) * MIB;
        let split = if total >= 3 * GIB + GIB / 2 { 3 * GIB } else { u64::MAX };
        if total <= split {
            return Ok(ram);
        }
        if ram >= split {
            return Ok(4 * GIB + (ram - split));
        }
        Err(format!(
            "{} MiB of memory puts the 3 GiB boundary inside the shared region; use at most {} or at least {} MiB",
            self.memory_mib,
            3584 - self.region_mib - 1,
            3072
        ))
    }

    /// For people: `tcg`, `kvm`, `tcg exact seed=1`.
    pub fn describe(&self) -> String {
        match self.exact {
            Some(exact) => format!("{} exact seed={}", self.accelerator.as_str(), exact.seed),
            None => self.accelerator.as_str().to_owned(),
        }
    }

    /// The checks that QEMU would make late and in its own words.
    ///
    /// # Errors
    /// With a sentence for the user.
    pub fn check(&self) -> Result<(), String> {
        if let Some(exact) = self.exact {
            if exact.shift > 10 {
                return Err(format!("exact mode's shift is {}, QEMU accepts 0 to 10", exact.shift));
            }
            if self.accelerator != Accelerator::Tcg {
                return Err("exact mode counts instructions, which only the tcg accelerator can".to_owned());
            }
        }
        if self.cpus == 0 || self.cpus > 64 {
            return Err(format!("{} CPUs: between 1 and 64 are possible", self.cpus));
        }
        if self.memory_mib < 64 {
            return Err(format!(
                "{} MiB of memory: a kernel and its cases need at least 64",
                self.memory_mib
            ));
        }
        self.region_address().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn machine(memory_mib: u32) -> Machine {
        Machine { memory_mib, ..Machine::default() }
    }

    #[test]
    fn small_memory_puts_the_region_right_behind_it() {
        assert_eq!(machine(256).region_address(), Ok(256 * MIB));
    }

    #[test]
    fn large_memory_puts_the_region_above_four_gib() {
        assert_eq!(machine(4096).region_address(), Ok(5 * GIB));
        assert_eq!(machine(3072).region_address().unwrap(), 3 * GIB);
        assert_eq!(machine(3552).region_address().unwrap(), 4 * GIB + 480 * MIB);
    }

    proptest! {
        #[test]
        fn the_region_never_touches_the_hole_below_four_gib(memory in 64u32..16_384) {
            if let Ok(address) = machine(memory).region_address() {
                let end = address + 32 * MIB;
                prop_assert!(end <= 3 * GIB + GIB / 2 || address >= 4 * GIB);
            }
        }
    }

    #[test]
    fn exact_mode_needs_tcg() {
        let machine = Machine {
            accelerator: Accelerator::Kvm,
            exact: Some(Exact { seed: 1, shift: 0 }),
            ..Machine::default()
        };
        assert!(machine.check().unwrap_err().contains("tcg"));
    }
}
