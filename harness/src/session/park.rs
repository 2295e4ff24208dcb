//! Stopping at the ready point, in exact mode: to the bit the same from boot to boot.
//!
//! The guest stops itself, at an instruction of its own. But between that and the moment QEMU's main loop takes note
//! of it, the main loop may still find all CPUs stopped and move the virtual clock to the next timer, as it does when
//! a guest idles (QEMU softmmu/icount.c, `icount_start_warp_timer`). Whether it does is a race that the host's load
//! decides. So the stop is taken only when the clock moved: then it stands exactly at the next timer, however often
//! the guest tried before.

use super::failure::Failure;
use gauntlet_protocol::region::header;
use gauntlet_qemu::Exact;
use gauntlet_qemu::virtual_clock::virtual_nanoseconds;
use gauntlet_qemu::vm::{Happening, Vm};
use std::time::Duration;

/// Even a host that mostly loses the race wins it by then.
const ATTEMPTS: u32 = 400;
/// Instructions between the agent's look at the clock and its stop: a handful.
const STEPS: u64 = 64;
/// For one attempt: a few dozen instructions.
const LIMIT: Duration = Duration::from_secs(20);

/// What a stop turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The clock moved on to the next timer.
    AtNextTimer,
    /// The clock stands where the guest stopped.
    AtInstruction,
}

fn classify(parked_at: u64, stopped_at: u64, shift: u8) -> Option<Stop> {
    let moved = stopped_at.checked_sub(parked_at)?;
    Some(if moved > STEPS << shift { Stop::AtNextTimer } else { Stop::AtInstruction })
}

/// The device state of a machine that has parked: saved when its clock stands at the next timer.
pub(super) async fn exact_state(vm: &mut Vm, exact: Exact) -> Result<Vec<u8>, Failure> {
    for _ in 0..ATTEMPTS {
        let state = vm.save().await?;
        let stopped_at = virtual_nanoseconds(&state, exact.shift).ok_or_else(|| {
            Failure::lasting("this QEMU saves no virtual clock: exact mode is not possible")
        })?;
        let parked_at = vm.region.load64(header::PARKED_AT);
        match classify(parked_at, stopped_at, exact.shift) {
            Some(Stop::AtNextTimer) => {
                vm.region.store32(header::PARK_AGAIN, 0);
                return Ok(state);
            }
            Some(Stop::AtInstruction) => park_again(vm).await?,
            None => {
                return Err(Failure::infra(format!(
                    "the guest's clock runs ahead of its machine's: {parked_at} against {stopped_at} ns"
                )));
            }
        }
    }
    Err(Failure::infra(format!("the machine never stopped at a timer in {ATTEMPTS} attempts")))
}

async fn park_again(vm: &mut Vm) -> Result<(), Failure> {
    vm.region.store32(header::PARK_AGAIN, 1);
    vm.resume().await?;
    let happening = tokio::time::timeout(LIMIT, vm.next())
        .await
        .map_err(|_| Failure::infra("the agent did not park again when asked to"))??;
    match happening {
        Happening::Parked => Ok(()),
        other => {
            Err(Failure::infra(format!("asked to park again, the machine did something else: {other:?}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_moved_is_told_from_one_that_did_not() {
        assert_eq!(classify(1000, 1020, 0), Some(Stop::AtInstruction));
        assert_eq!(classify(1000, 1000 + (20 << 3), 3), Some(Stop::AtInstruction));
        assert_eq!(classify(1000, 501_000, 3), Some(Stop::AtNextTimer));
        assert_eq!(classify(1000, 999, 0), None);
    }
}
