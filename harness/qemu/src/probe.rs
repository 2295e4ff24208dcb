//! Which accelerator works here.
//!
//! A `/dev/kvm` that opens proves nothing: some create machines and boot none. So a few instructions are
//! really run under a deadline; the answer is remembered until the host's kernel or QEMU changes.

use crate::error::{Error, Result};
use crate::host::Qemu;
use crate::machine::Accelerator;
use crate::memory::{recall, remember};
use crate::process::{Process, Spawn};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A machine that has not run twenty instructions by then will not run a kernel either.
const DEADLINE: Duration = Duration::from_secs(10);

/// What was found, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub accelerator: Accelerator,
    /// Why KVM is not used; `None` when it is.
    pub why_not_kvm: Option<String>,
    /// Rate of the host's TSC in kHz, which emulated guests read unscaled.
    pub tsc_khz: Option<u64>,
    host: String,
    qemu: String,
}

/// The accelerator to use: remembered, or found out now (at most ten seconds, once).
pub async fn accelerator(qemu: &Qemu, memory: &Path) -> Result<Answer> {
    let host = host_release();
    if let Some(answer) = remembered(memory, &host, &qemu.fingerprint()) {
        return Ok(answer);
    }
    let why_not_kvm = why_not_kvm(qemu).await;
    let accelerator = if why_not_kvm.is_none() { Accelerator::Kvm } else { Accelerator::Tcg };
    let answer =
        Answer { accelerator, why_not_kvm, tsc_khz: measure_tsc_khz(), host, qemu: qemu.fingerprint() };
    keep(memory, &answer)?;
    Ok(answer)
}

/// Records that KVM failed at something bigger than the probe, so that nobody waits for it again.
pub fn distrust_kvm(memory: &Path, answer: &Answer, why: &str) -> Result<Answer> {
    let answer =
        Answer { accelerator: Accelerator::Tcg, why_not_kvm: Some(why.to_owned()), ..answer.clone() };
    keep(memory, &answer)?;
    Ok(answer)
}

fn host_release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

fn remembered(memory: &Path, host: &str, qemu: &str) -> Option<Answer> {
    recall(memory).filter(|answer: &Answer| answer.host == host && answer.qemu == qemu)
}

fn keep(memory: &Path, answer: &Answer) -> Result<()> {
    remember(memory, answer)
        .map_err(Error::io(format!("cannot remember the accelerator in {}", memory.display())))
}

async fn why_not_kvm(qemu: &Qemu) -> Option<String> {
    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/kvm") {
        return Some(format!("/dev/kvm: {error}"));
    }
    match run_a_few_instructions(qemu).await {
        Ok(true) => None,
        Ok(false) => Some("a machine under KVM ran nothing within its deadline".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

/// Exit status QEMU's isa-debug-exit device makes of [`BOOT_CODE`]'s byte: `(0x10 << 1) | 1`.
const SUCCESS: i32 = 33;

async fn run_a_few_instructions(qemu: &Qemu) -> Result<bool> {
    let image = crate::descriptor::anonymous_copy("gauntlet-probe", &multiboot_image())?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&image);
    let arguments = [
        "-M",
        "pc",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-m",
        "32M",
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-device",
        "isa-debug-exit,iobase=0xf4,iosize=4",
        "-kernel",
    ];
    let mut arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    arguments.push(format!("/dev/fd/{fd}"));
    let mut process = Process::start(Spawn { program: qemu.program.clone(), arguments, keep: vec![fd] })?;
    match tokio::time::timeout(DEADLINE, process.wait()).await {
        Ok(exit) if exit.as_ref().is_ok_and(|exit| exit.code == Some(SUCCESS)) => Ok(true),
        Ok(_) => Err(Error::EndedEarly { stderr: process.stderr() }),
        Err(_) => Ok(false),
    }
}

/// `mov al, 0x10; out 0xf4, al; cli; hlt; jmp $-1` in 32-bit code.
const BOOT_CODE: [u8; 8] = [0xb0, 0x10, 0xe6, 0xf4, 0xfa, 0xf4, 0xeb, 0xfd];

/// A multiboot image (Multiboot Specification 0.6.96, section 3.1) with explicit addresses, loaded at 1 MiB.
fn multiboot_image() -> Vec<u8> {
    const MAGIC: u32 = 0x1bad_b002;
    const ADDRESSES_GIVEN: u32 = 1 << 16;
    const LOAD: u32 = 0x10_0000;
    const HEADER: u32 = 32;
    let end = LOAD + HEADER + BOOT_CODE.len() as u32;
    let checksum = 0u32.wrapping_sub(MAGIC.wrapping_add(ADDRESSES_GIVEN));
    // magic, flags, checksum, header address, load address, load end, bss end, entry
    let words = [MAGIC, ADDRESSES_GIVEN, checksum, LOAD, LOAD, end, end, LOAD + HEADER];
    let mut image: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    image.extend(BOOT_CODE);
    image
}

/// The host's TSC rate against its monotonic clock, to about one part in ten thousand, rounded to 10 kHz.
fn measure_tsc_khz() -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: rdtsc is available on every x86-64 CPU and touches no memory.
        let ticks = || unsafe { std::arch::x86_64::_rdtsc() };
        let mut rates: Vec<u64> = (0..5)
            .map(|_| {
                let (clock, start) = (Instant::now(), ticks());
                std::thread::sleep(Duration::from_millis(20));
                let (spent, elapsed) = (ticks().wrapping_sub(start), clock.elapsed());
                (u128::from(spent) * 1_000_000 / elapsed.as_nanos().max(1)) as u64
            })
            .collect();
        rates.sort_unstable();
        Some((rates[2] + 5) / 10 * 10)
    }
    #[cfg(not(target_arch = "x86_64"))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_multiboot_header_sums_to_zero() {
        let image = multiboot_image();
        let word = |index: usize| u32::from_le_bytes(image[index * 4..index * 4 + 4].try_into().unwrap());
        assert_eq!(word(0).wrapping_add(word(1)).wrapping_add(word(2)), 0);
        assert_eq!(word(7) - word(4), 32);
    }

    #[test]
    fn an_answer_from_another_host_or_qemu_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let memory = folder.path().join("accelerator.json");
        let answer = Answer {
            accelerator: Accelerator::Tcg,
            why_not_kvm: Some("no".into()),
            tsc_khz: Some(2_000_000),
            host: "h".into(),
            qemu: "q".into(),
        };
        keep(&memory, &answer).unwrap();
        assert_eq!(remembered(&memory, "h", "q"), Some(answer));
        assert_eq!(remembered(&memory, "other", "q"), None);
        assert_eq!(remembered(&memory, "h", "newer"), None);
    }
}
