//! The two ways into the kernel: that of this program, and `int 0x80`, that of 32-bit ones, which a 64-bit program
//! may take as well. A 32-bit call is told by its number in arch/x86/entry/syscalls/syscall_32.tbl, and its pointers
//! must fit in 32 bits.

use crate::case::{CaseResult, Stop, setup};
use crate::child::{self, Ending};
use crate::sys::Errno;
use crate::{skip, syscall};

/// How a call enters the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Native,
    Int80,
}

/// The numbers of one call in both worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    pub native: i64,
    pub int80: u32,
}

impl Entry {
    /// Makes the call. Missing arguments are zero.
    ///
    /// # Safety
    /// As with `syscall(2)`; pointers must be to [`Low`] memory if this is to work for both.
    pub unsafe fn call(self, number: Number, arguments: &[u64]) -> Result<i64, Errno> {
        let mut all = [0u64; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        match self {
            // SAFETY: forwarded to the caller.
            Entry::Native => unsafe { crate::sys::raw(number.native, all) },
            // SAFETY: as well.
            Entry::Int80 => unsafe { int80(number.int80, all.map(|argument| argument as u32)) },
        }
    }
}

/// A 32-bit system call.
///
/// # Safety
/// As with `syscall(2)`.
pub unsafe fn int80(number: u32, arguments: [u32; 6]) -> Result<i64, Errno> {
    let [a, b, c, d, e, f] = arguments;
    let value: u64;
    // SAFETY: the pointers are the caller's matter; both registers that may not be named as operands are saved, and
    // the entry for 32-bit programs clears r8 to r11.
    unsafe {
        std::arch::asm!(
            "push rbx", "push rbp", "mov ebx, r12d", "mov ebp, r13d", "int 0x80", "pop rbp", "pop rbx",
            inlateout("rax") u64::from(number) => value,
            in("r12") u64::from(a), in("rcx") u64::from(b), in("rdx") u64::from(c), in("rsi") u64::from(d),
            in("rdi") u64::from(e), in("r13") u64::from(f),
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
        );
    }
    match value as i32 {
        errno @ -4095..=-1 => Err(Errno(-errno)),
        value => Ok(value.into()),
    }
}

/// Skips unless the kernel lets a 64-bit program make 32-bit calls.
pub fn needs_int80() -> CaseResult {
    const GETPID: u32 = 20;
    // SAFETY: takes no pointers. Where the entry does not exist, the child dies of it.
    let ending = child::run(|| child::exit(i32::from(unsafe { int80(GETPID, [0; 6]) }.is_err())))?;
    match ending {
        Ending::Exited(0) => Ok(()),
        ending => {
            skip!("missing config symbol: CONFIG_IA32_EMULATION, or switched off (int 0x80: {ending:?})")
        }
    }
}

/// Zeroed memory below 4 GiB, shared with children, which either kind of call can point to.
#[derive(Debug)]
pub struct Low {
    address: u64,
}

impl Low {
    pub const SIZE: usize = 16 << 10;

    pub fn new() -> Result<Low, Stop> {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses an address where nothing of ours is.
        let mapped = unsafe { syscall!(libc::SYS_mmap, 0, Low::SIZE, protection, flags, -1i32, 0) };
        Ok(Low { address: setup("mmap with MAP_32BIT", mapped)? as u64 })
    }

    /// Where the value at this offset is. Offsets are multiples of eight.
    pub fn at(&self, offset: usize) -> u64 {
        assert!(offset.is_multiple_of(8) && offset < Low::SIZE, "inside the memory");
        self.address + offset as u64
    }

    pub fn put<T: Copy>(&self, offset: usize, value: T) -> u64 {
        assert!(offset + size_of::<T>() <= Low::SIZE, "inside the memory");
        let address = self.at(offset);
        // SAFETY: inside our mapping and aligned to a word.
        unsafe { std::ptr::write_volatile(address as *mut T, value) };
        address
    }

    /// A plain value, for which every pattern of bits is valid, as the kernel or a child left it.
    pub fn get<T: Copy>(&self, offset: usize) -> T {
        assert!(offset + size_of::<T>() <= Low::SIZE, "inside the memory");
        // SAFETY: inside our mapping and aligned to a word.
        unsafe { std::ptr::read_volatile(self.at(offset) as *const T) }
    }
}

impl Drop for Low {
    fn drop(&mut self) {
        // SAFETY: ours, and not used any more.
        let _ = unsafe { syscall!(libc::SYS_munmap, self.address, Low::SIZE) };
    }
}
