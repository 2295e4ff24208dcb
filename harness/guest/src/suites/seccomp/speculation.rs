//! SECCOMP_FILTER_FLAG_SPEC_ALLOW: whether a filter also turns speculation off
//! (Documentation/userspace-api/spec_ctrl.rst).

use super::filter::*;
use crate::case::{CaseResult, setup, succeeds};
use crate::child::isolated;
use crate::{Context, check_eq, skip, syscall};

const GET_SPECULATION_CONTROL: i32 = 52;
const STORE_BYPASS: u64 = 0;
const FORCE_DISABLED: i64 = 1 << 0 | 1 << 3;
const STATE: &str = "/sys/devices/system/cpu/vulnerabilities/spec_store_bypass";

fn control() -> Result<i64, crate::Stop> {
    // SAFETY: takes no pointers.
    let state = unsafe { syscall!(libc::SYS_prctl, GET_SPECULATION_CONTROL, STORE_BYPASS, 0, 0, 0) };
    setup("PR_GET_SPECULATION_CTRL", state)
}

/// The mitigation by seccomp was the default until 5.16, and remains a choice.
pub fn filter_mitigates_speculation_unless_allowed(_: &Context) -> CaseResult {
    let Ok(state) = std::fs::read_to_string(STATE) else { skip!("no {STATE}") };
    let by_seccomp = state.contains("via prctl and seccomp");
    for (flags, mitigates) in [(SPEC_ALLOW, false), (0, by_seccomp)] {
        isolated(|| {
            let before = control()?;
            succeeds("filter", install(&[ret(ALLOW)], flags))?;
            let expected = if mitigates && before & 1 << 0 != 0 { FORCE_DISABLED } else { before };
            let what =
                format!("PR_SPEC_STORE_BYPASS after a filter with flags {flags:#x} ({})", state.trim());
            check_eq!(control()?, expected, "{what}");
            Ok(())
        })?;
    }
    Ok(())
}
