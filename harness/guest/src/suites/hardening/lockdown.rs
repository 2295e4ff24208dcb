//! Lockdown: what even root may not do to the kernel (integrity) or learn of it (confidentiality). Whatever is judged
//! here works before, so that nothing but lockdown can be the cause.

use super::facts::*;
use crate::bpf::{Instruction, Load, ProgramKind, Register, load as load_program};
use crate::case::{fails_with, setup, succeeds};
use crate::child::{self, needs_root};
use crate::module::{self, Donor, Module};
use crate::perf_event::Event;
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, code, file, skip, syscall};
use std::ffi::CStr;
use std::os::fd::OwnedFd;

const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

fn lock_down(level: &str) -> CaseResult {
    needs_root()?;
    let Ok(levels) = std::fs::read_to_string(LOCKDOWN) else {
        skip!("lockdown is not among the active security modules, or securityfs is missing");
    };
    if !levels.contains("[none]") {
        skip!("the kernel is locked down already: {}", levels.trim());
    }
    set(LOCKDOWN, level)
}

/// The call must work, and must not any more on this level.
fn ends_with(level: &str, what: &str, call: impl Fn() -> Result<(), Errno>) -> CaseResult {
    if let Err(errno) = call() {
        skip!("{what} does not work before lockdown either: {errno}");
    }
    lock_down(level)?;
    fails_with(&format!("{what} under lockdown {level}"), call(), libc::EPERM)
}

fn open(path: &CStr, flags: i32) -> Result<OwnedFd, Errno> {
    file::open_at(libc::AT_FDCWD, path, flags | libc::O_CLOEXEC, 0)
}

/// Those of these files that can be opened now.
fn openable<'a>(paths: &[(&'a CStr, i32)]) -> Vec<(&'a CStr, i32)> {
    paths.iter().copied().filter(|(path, flags)| open(path, *flags).is_ok()).collect()
}

fn are_closed(paths: &[(&CStr, i32)]) -> CaseResult {
    let judge = |(path, flags): &(&CStr, i32)| {
        fails_with(&format!("open of {path:?} under lockdown"), open(path, *flags), libc::EPERM)
    };
    paths.iter().try_for_each(judge)
}

pub fn lockdown_integrity_keeps_the_kernel_whole(_: &Context) -> CaseResult {
    // SAFETY: this asks for no more than that the call exists; ports stay untouched.
    let ports = || unsafe { syscall!(libc::SYS_iopl, 3) };
    succeeds("iopl(3) before lockdown", ports())?;
    let (read, both) = (libc::O_RDONLY, libc::O_RDWR);
    let devices =
        openable(&[(c"/dev/mem", read), (c"/dev/mem", both), (c"/dev/port", read), (c"/dev/port", both)]);
    lock_down("integrity")?;
    are_closed(&devices)?;
    child::isolated(|| {
        // SAFETY: gives back what the first call got, then asks again.
        unsafe { syscall!(libc::SYS_iopl, 0) }.map_err(|errno| Stop::Broken(format!("iopl(0): {errno}")))?;
        fails_with("iopl(3) under lockdown", ports(), libc::EPERM)
    })?;
    for level in ["none", "integrity"] {
        let lowered = std::fs::write(LOCKDOWN, level).map_err(|error| error.raw_os_error());
        check_eq!(lowered, Err(Some(libc::EPERM)), "{level} after integrity");
    }
    check!(read_level()?.contains("[integrity]"), "the level after refused writes");
    succeeds("the level above", std::fs::write(LOCKDOWN, "confidentiality").map_err(|_| Errno::last()))
        .map(drop)
}

fn read_level() -> Result<String, Stop> {
    read(LOCKDOWN)
}

/// A list of no segments takes the loaded kernel away, and there is none.
pub fn lockdown_integrity_loads_no_other_kernel(_: &Context) -> CaseResult {
    // SAFETY: no pointers but a null one with a length of zero.
    ends_with("integrity", "kexec_load", || unsafe { syscall!(libc::SYS_kexec_load, 0, 0, 0, 0) }.map(drop))
}

/// A module that does nothing, is right in all, and bears no signature.
pub fn lockdown_integrity_takes_no_unsigned_module(context: &Context) -> CaseResult {
    let mut plain = Module { name: "gauntlet_plain", ..Module::default() };
    plain.text.enter().number(module::Register::Rax, 0).leave();
    plain.exit = Some(plain.text.here());
    plain.text.enter().leave();
    let donor = Donor::of(context)?;
    ends_with("integrity", "init_module of an unsigned module", || {
        plain.load(&donor)?;
        // Before lockdown, that is.
        module::unload(plain.name)
    })
}

/// Files that nobody may write stay readable; others are closed.
pub fn lockdown_integrity_closes_debugfs_to_writers(_: &Context) -> CaseResult {
    ends_with("integrity", "open of a writable file of debugfs", || {
        open(c"/sys/kernel/debug/clear_warn_once", libc::O_WRONLY).map(drop)
    })
}

/// What is written is what is there, and only under lockdown: the kernel complains of who may.
pub fn lockdown_integrity_keeps_the_processors_registers(_: &Context) -> CaseResult {
    const SYSENTER_CS: i64 = 0x174;
    needs_root()?;
    let registers = setup("open of /dev/cpu/0/msr", open(c"/dev/cpu/0/msr", libc::O_RDWR))?;
    let value = setup("read of a register", file::read_at(&registers, 8, SYSENTER_CS))?;
    lock_down("integrity")?;
    let written = file::write_at(&registers, &value, SYSENTER_CS);
    fails_with("write of a register under lockdown", written, libc::EPERM)
}

pub fn lockdown_confidentiality_keeps_the_kernels_secrets(_: &Context) -> CaseResult {
    let files = openable(&[(c"/proc/kcore", libc::O_RDONLY), (c"/dev/mem", libc::O_RDONLY)]);
    check!(files.first().is_some_and(|(path, _)| *path == c"/proc/kcore"), "/proc/kcore cannot be opened");
    lock_down("confidentiality")?;
    are_closed(&files)?;
    let lowered = std::fs::write(LOCKDOWN, "integrity").map_err(|error| error.raw_os_error());
    check_eq!(lowered, Err(Some(libc::EPERM)), "integrity after confidentiality");
    Ok(())
}

pub fn lockdown_confidentiality_closes_tracefs(_: &Context) -> CaseResult {
    let files = openable(&[
        (c"/sys/kernel/tracing/trace", libc::O_RDONLY),
        (c"/sys/kernel/tracing/set_event", libc::O_RDWR),
        (c"/sys/kernel/tracing/kprobe_events", libc::O_RDWR),
    ]);
    if files.is_empty() {
        skip!("missing filesystem: tracefs");
    }
    lock_down("confidentiality")?;
    are_closed(&files)
}

/// A program that would read the kernel's memory is refused when it is loaded.
pub fn lockdown_confidentiality_hides_memory_from_bpf(_: &Context) -> CaseResult {
    const READ_KERNEL: i32 = 113;
    let reading = code![
        Instruction::mov(Register::R1, Register::R10),
        Instruction::add(Register::R1, -8),
        Instruction::mov(Register::R2, 8),
        Instruction::mov(Register::R3, 0),
        Instruction::call(READ_KERNEL),
        Instruction::mov(Register::R0, 0),
        Instruction::exit(),
    ];
    let load = || load_program(&Load::new(ProgramKind::Kprobe, &reading));
    if let Err(rejection) = load() {
        skip!("bpf_probe_read_kernel does not work before lockdown either: {}", rejection.errno);
    }
    lock_down("confidentiality")?;
    check!(load().is_err(), "a program that reads the kernel's memory was loaded under lockdown");
    let harmless = code![Instruction::mov(Register::R0, 0), Instruction::exit()];
    let loaded = load_program(&Load::new(ProgramKind::Kprobe, &harmless));
    check!(loaded.is_ok(), "a program that reads nothing was refused under lockdown: {loaded:?}");
    Ok(())
}

pub fn lockdown_confidentiality_sets_no_probe(_: &Context) -> CaseResult {
    let Ok(kind) = number("/sys/bus/event_source/devices/kprobe/type") else {
        skip!("missing config symbol: CONFIG_KPROBE_EVENTS");
    };
    // The function's name, and the offset in config2.
    let config1 = c"do_exit".as_ptr() as u64;
    let probe = Event { kind: kind as u32, config1, ..Event::default() };
    ends_with("confidentiality", "a kernel probe", || probe.open(-1, 0).map(drop))
}

pub fn lockdown_confidentiality_shows_no_registers(_: &Context) -> CaseResult {
    const SOFTWARE: u32 = 1;
    const SAMPLE_REGISTERS: u64 = 1 << 18;
    const INSTRUCTION_POINTER: u64 = 1 << 8;
    let (sample_type, registers) = (SAMPLE_REGISTERS, INSTRUCTION_POINTER);
    let clock = Event { kind: SOFTWARE, sample_type, registers, ..Event::default() };
    ends_with("confidentiality", "sampling of registers", || clock.open(0, -1).map(drop))
}
