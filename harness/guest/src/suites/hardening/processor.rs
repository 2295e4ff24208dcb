//! Protections that the processor offers and the kernel must switch on.

use super::facts::*;
use crate::child::{self, Ending};
use crate::{CaseResult, Context, Stop, check, check_eq, skip};

/// Bits of CPUID leaf 7: the register's index (EBX 0, ECX 1) and the bit.
const SMEP: (usize, u32) = (0, 7);
const SMAP: (usize, u32) = (0, 20);
const UMIP: (usize, u32) = (1, 2);

#[cfg(target_arch = "x86_64")]
fn offered((register, bit): (usize, u32)) -> bool {
    let leaf = std::arch::x86_64::__cpuid_count(7, 0);
    [leaf.ebx, leaf.ecx][register] >> bit & 1 == 1
}

pub fn has_flag(name: &str) -> Result<bool, Stop> {
    let text = read("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("flags"));
    let line = line.ok_or_else(|| Stop::Broken("/proc/cpuinfo has no flags".into()))?;
    Ok(line.split_whitespace().any(|word| word == name))
}

/// The kernel takes a flag away when it does not use what the processor has.
fn used(name: &str, feature: (usize, u32)) -> CaseResult {
    if !offered(feature) {
        skip!("missing hardware: a processor with {name}");
    }
    let off = [format!("no{name}"), "clearcpuid".to_owned()];
    if let Some(word) = off.iter().find(|word| commanded(word)) {
        skip!("{word} on the kernel command line");
    }
    check!(has_flag(name)?, "the processor has {name}, the kernel does not use it");
    Ok(())
}

pub fn smep_is_used_where_there_is_one(_: &Context) -> CaseResult {
    used("smep", SMEP)
}

pub fn smap_is_used_where_there_is_one(_: &Context) -> CaseResult {
    used("smap", SMAP)
}

pub fn no_execute_is_used(_: &Context) -> CaseResult {
    check!(has_flag("nx")?, "the kernel does not use the processor's NX bit");
    Ok(())
}

/// The instructions that would tell where the kernel's tables are give made-up addresses (arch/x86/kernel/umip.c).
#[cfg(target_arch = "x86_64")]
pub fn umip_hides_where_the_kernels_tables_are(_: &Context) -> CaseResult {
    const GDT: u64 = 0xffff_ffff_fffe_0000;
    const IDT: u64 = 0xffff_ffff_ffff_0000;
    used("umip", UMIP)?;
    let (mut gdt, mut idt) = ([0u8; 10], [0u8; 10]);
    // SAFETY: both store ten bytes into buffers of ten.
    unsafe {
        std::arch::asm!("sgdt [{}]", in(reg) gdt.as_mut_ptr());
        std::arch::asm!("sidt [{}]", in(reg) idt.as_mut_ptr());
    }
    let base = |table: [u8; 10]| u64::from_le_bytes(table[2..].try_into().expect("eight bytes"));
    let (gdt, idt) = (base(gdt), base(idt));
    check!(gdt == GDT, "SGDT tells {gdt:#x}, not the made-up {GDT:#x}");
    check!(idt == IDT, "SIDT tells {idt:#x}, not the made-up {IDT:#x}");
    Ok(())
}

const VSYSCALL: u64 = 0xffff_ffff_ff60_0000;

/// Jumps to an address, in a child.
fn jump(address: u64) -> Result<Ending, Stop> {
    child::run(|| {
        // SAFETY: where code is, it is the kernel's own for this ABI; elsewhere a signal ends this child.
        let function: extern "C" fn(u64, u64) -> i64 = unsafe { std::mem::transmute(address) };
        function(0, 0);
        Ok(())
    })
}

/// The one page at a place known to everybody: what it holds could serve an attacker, so nobody may read it.
fn is_unreadable() -> CaseResult {
    if commanded("vsyscall") {
        skip!("vsyscall on the kernel command line");
    }
    child::killed_by("a read of the vsyscall page", libc::SIGSEGV, || {
        // SAFETY: where the page is there it is readable; elsewhere a signal ends this child.
        let byte = unsafe { std::ptr::read_volatile(VSYSCALL as *const u8) };
        Err(Stop::Fail(format!("the vsyscall page can be read: {byte:#x}")))
    })?;
    let ending = jump(VSYSCALL + 0x123)?;
    check_eq!(ending, Ending::Killed(libc::SIGSEGV), "a jump into the middle of the vsyscall page");
    Ok(())
}

pub fn vsyscall_page_can_only_be_executed(_: &Context) -> CaseResult {
    is_unreadable()?;
    check_eq!(jump(VSYSCALL)?, Ending::Returned(Ok(())), "a call of gettimeofday in the vsyscall page");
    Ok(())
}

pub fn vsyscall_page_is_not_there(_: &Context) -> CaseResult {
    is_unreadable()?;
    check_eq!(jump(VSYSCALL)?, Ending::Killed(libc::SIGSEGV), "a call of gettimeofday in the vsyscall page");
    Ok(())
}
