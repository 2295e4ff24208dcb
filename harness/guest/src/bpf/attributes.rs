//! `union bpf_attr` as bytes.

use crate::sys::Errno;
use crate::{sys, syscall};
use std::os::fd::{AsRawFd, OwnedFd};

/// Commands of bpf(2), `enum bpf_cmd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Command {
    MapCreate = 0,
    MapLookup = 1,
    MapUpdate = 2,
    MapDelete = 3,
    MapNextKey = 4,
    ProgramLoad = 5,
    ObjectPin = 6,
    ObjectGet = 7,
    ProgramAttach = 8,
    ProgramDetach = 9,
    TestRun = 10,
    ProgramNextId = 11,
    MapNextId = 12,
    ProgramById = 13,
    MapById = 14,
    Information = 15,
    ProgramQuery = 16,
    RawTracepointOpen = 17,
    BtfLoad = 18,
    BtfById = 19,
    MapLookupAndDelete = 21,
    MapFreeze = 22,
    BtfNextId = 23,
    MapLookupBatch = 24,
    MapLookupAndDeleteBatch = 25,
    MapUpdateBatch = 26,
    MapDeleteBatch = 27,
    LinkCreate = 28,
    LinkUpdate = 29,
    LinkById = 30,
    LinkNextId = 31,
    LinkDetach = 34,
}

/// Bytes of `union bpf_attr` that every kernel from 5.10 on knows: up to `attach_prog_fd` of BPF_PROG_LOAD.
/// A kernel takes fewer bytes than it knows and fills up with zeroes, so one size serves all.
const SIZE: usize = 120;

/// The attributes of one call: fields are set and read at the byte offsets of `union bpf_attr`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    // Words, because the kernel reads pointers from eight-byte boundaries.
    words: Vec<u64>,
    size: usize,
}

impl Default for Attributes {
    fn default() -> Attributes {
        Attributes::sized(SIZE)
    }
}

impl Attributes {
    /// Attributes that tell the kernel this size in bytes, all zero.
    pub fn sized(size: usize) -> Attributes {
        Attributes { words: vec![0; size.div_ceil(8)], size }
    }

    #[must_use]
    pub fn u32(mut self, offset: usize, value: u32) -> Attributes {
        let shift = (offset % 8) * 8;
        let word = &mut self.words[offset / 8];
        *word = *word & !(0xffff_ffff << shift) | u64::from(value) << shift;
        self
    }

    #[must_use]
    pub fn u64(mut self, offset: usize, value: u64) -> Attributes {
        self.words[offset / 8] = value;
        self
    }

    /// The descriptor's number.
    #[must_use]
    pub fn fd(self, offset: usize, fd: &impl AsRawFd) -> Attributes {
        self.u32(offset, fd.as_raw_fd().cast_unsigned())
    }

    /// Address of memory that the kernel reads; it must live until the call. Nothing is the null pointer.
    #[must_use]
    pub fn input<T>(self, offset: usize, memory: &[T]) -> Attributes {
        let address = if memory.is_empty() { 0 } else { memory.as_ptr() as u64 };
        self.u64(offset, address)
    }

    /// Address of memory that the kernel writes; it must live until the call.
    #[must_use]
    pub fn output<T>(self, offset: usize, memory: &mut [T]) -> Attributes {
        self.u64(offset, memory.as_mut_ptr() as u64)
    }

    /// Up to 16 bytes of an object's name, as they are.
    #[must_use]
    pub fn name(mut self, offset: usize, name: &[u8]) -> Attributes {
        for (at, &byte) in (offset..).zip(name) {
            self.words[at / 8] |= u64::from(byte) << (at % 8 * 8);
        }
        self
    }

    pub fn get_u32(&self, offset: usize) -> u32 {
        (self.words[offset / 8] >> (offset % 8 * 8)) as u32
    }

    /// Issues the command.
    pub fn call(&mut self, command: Command) -> Result<i64, Errno> {
        bpf(command as u32, self)
    }

    /// Issues a command that returns a descriptor.
    pub fn open(&mut self, command: Command) -> Result<OwnedFd, Errno> {
        self.call(command).map(sys::owned)
    }
}

/// Any command, known or not.
pub fn bpf(command: u32, attributes: &mut Attributes) -> Result<i64, Errno> {
    // SAFETY: the attributes are ours and as long as said; what they point to is alive by the callers' borrows.
    unsafe { syscall!(libc::SYS_bpf, command, attributes.words.as_mut_ptr(), attributes.size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_touch_their_neighbours() {
        let attributes = Attributes::default().u32(0, !0).u32(4, 0x1122_3344).u32(0, 7).name(12, b"abcdef");
        assert_eq!(attributes.get_u32(0), 7);
        assert_eq!(attributes.get_u32(4), 0x1122_3344);
        assert_eq!(attributes.get_u32(8), 0);
        assert_eq!(attributes.get_u32(12).to_le_bytes(), *b"abcd");
        assert_eq!(attributes.get_u32(16).to_le_bytes(), *b"ef\0\0");
    }
}
