//! The virtual clock of a stopped machine, out of its saved state. Pure.
//!
//! QEMU has no command that tells it. In exact mode the saved state holds it as two numbers in the subsection
//! `timer/icount`: what idle time added, and the instructions executed (QEMU softmmu/cpu-timers.c).

/// Length of the name, the name, and its version 1: how the subsection begins.
const HEADER: &[u8] = b"\x0ctimer/icount\0\0\0\x01";

/// Virtual nanoseconds since the machine was made; `None` when the state has no such clock.
pub fn virtual_nanoseconds(state: &[u8], shift: u8) -> Option<u64> {
    let start = state.windows(HEADER.len()).position(|window| window == HEADER)? + HEADER.len();
    let number = |index: usize| {
        let bytes = state.get(start + 8 * index..start + 8 * index + 8)?;
        Some(i64::from_be_bytes(bytes.try_into().ok()?))
    };
    let (bias, instructions) = (number(0)?, number(1)?);
    let executed = instructions.checked_mul(1i64.checked_shl(shift.into())?)?;
    u64::try_from(bias.checked_add(executed)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(bias: i64, instructions: i64) -> Vec<u8> {
        [b"QEVM\x05", HEADER, &bias.to_be_bytes(), &instructions.to_be_bytes(), b"\x05"].concat()
    }

    #[test]
    fn idle_time_and_instructions_add_up() {
        assert_eq!(virtual_nanoseconds(&state(1000, 7), 3), Some(1056));
        assert_eq!(virtual_nanoseconds(&state(0, 7), 0), Some(7));
    }

    #[test]
    fn a_state_without_the_clock_or_with_nonsense_has_none() {
        assert_eq!(virtual_nanoseconds(b"QEVM", 0), None);
        assert_eq!(virtual_nanoseconds(&state(0, i64::MAX), 3), None);
        assert_eq!(virtual_nanoseconds(&state(-9, 1), 0), None);
        assert_eq!(virtual_nanoseconds(&state(1, 1), 64), None);
        let whole = state(1, 2);
        (0..whole.len() - 1)
            .for_each(|end| assert_eq!(virtual_nanoseconds(&whole[..end], 0), None, "cut at {end}"));
    }
}
