//! Marks: how guest code tells the TCG plugin where a window begins and ends.
//!
//! A mark is a NOP with a displacement that no compiler emits: `nopl disp32(%rax,%rax,1)`, eight bytes. The
//! plugin recognises it when QEMU translates the block it stands in; anywhere else (KVM, bare metal, no
//! plugin) it does nothing and costs one instruction.
//! Source: Intel SDM vol. 2, NOP, "multi-byte NOP": the memory operand is never accessed.

/// The first bytes of every mark: opcode, operand form, and the first three bytes of the displacement, "GNT".
pub const PREFIX: [u8; 7] = [0x0f, 0x1f, 0x84, 0x00, b'G', b'N', b'T'];

/// Bytes of one mark; the last is its [`Mark`].
pub const LENGTH: usize = PREFIX.len() + 1;

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mark {
    /// A window (one fuzz program, one operation of a workload) begins.
    Begin = 1,
    /// It ends.
    End = 2,
}

impl Mark {
    /// The mark that an instruction is; `None` for every other instruction.
    pub fn from_instruction(bytes: &[u8]) -> Option<Mark> {
        let (last, first) = bytes.split_last()?;
        match (first == PREFIX, last) {
            (true, 1) => Some(Mark::Begin),
            (true, 2) => Some(Mark::End),
            _ => None,
        }
    }
}

/// Marks the beginning of a window.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn begin() {
    // SAFETY: a NOP; without `nomem` it also keeps the compiler from moving memory accesses across it.
    unsafe {
        std::arch::asm!(
            ".byte 0x0f, 0x1f, 0x84, 0x00, 0x47, 0x4e, 0x54, 1",
            options(nostack, preserves_flags)
        );
    }
}

/// Marks the end of a window.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn end() {
    // SAFETY: as in `begin`.
    unsafe {
        std::arch::asm!(
            ".byte 0x0f, 0x1f, 0x84, 0x00, 0x47, 0x4e, 0x54, 2",
            options(nostack, preserves_flags)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the function's code up to and with the first mark in it.
    fn first_mark_in(function: fn()) -> Option<Mark> {
        // SAFETY: code is readable and a function with a mark in it is longer than the mark.
        let code = unsafe { std::slice::from_raw_parts(function as *const u8, 32) };
        code.windows(LENGTH).find_map(Mark::from_instruction)
    }

    #[test]
    fn what_begin_and_end_execute_is_recognised() {
        #[inline(never)]
        fn only_begin() {
            begin();
        }
        #[inline(never)]
        fn only_end() {
            end();
        }
        assert_eq!(first_mark_in(only_begin), Some(Mark::Begin));
        assert_eq!(first_mark_in(only_end), Some(Mark::End));
    }

    #[test]
    fn an_ordinary_long_nop_is_no_mark() {
        assert_eq!(Mark::from_instruction(&[0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0]), None);
        assert_eq!(Mark::from_instruction(&[]), None);
    }
}
