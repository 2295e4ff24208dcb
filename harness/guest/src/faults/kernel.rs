//! Faults of the kernel itself, done by kernel code: the init function of a module made by hand.

use super::broken;
use crate::module::{Code, Data, Donor, Module, Register, Target};
use crate::{CaseResult, Context};
use std::fs;

/// Loads a module whose init is this code, which the body writes; its data begins with the module's name.
fn run(context: &Context, name: &'static str, body: impl FnOnce(&mut Module)) -> CaseResult {
    let mut module = Module { name, data: Data::default(), ..Module::default() };
    module.data.text(name);
    module.text.enter();
    body(&mut module);
    module.text.number(Register::Rax, 0).leave();
    module.load_or_skip(&Donor::of(context)?)
}

fn set(knob: &str, value: &str) -> CaseResult {
    fs::write(knob, value).map_err(broken(knob))
}

/// Spins for so many seconds by the kernel's clock, with the scheduler kept out; interrupts go on:
/// `rbx = ktime_get_seconds() + seconds; while (ktime_get_seconds() < rbx) pause;`.
fn spin(code: &mut Code, seconds: u8) {
    // push rbx; sub rsp, 8 … lea rbx, [rax + seconds].
    code.raw(&[0x53, 0x48, 0x83, 0xec, 0x08]).call("ktime_get_seconds").raw(&[0x48, 0x8d, 0x58, seconds]);
    // pause … cmp rax, rbx; jl to the pause; add rsp, 8; pop rbx.
    code.raw(&[0xf3, 0x90]).call("ktime_get_seconds").raw(&[0x48, 0x39, 0xd8, 0x7c, 0xf4]);
    code.raw(&[0x48, 0x83, 0xc4, 0x08, 0x5b]);
}

/// `xor eax, eax; mov rax, [rax + 8]`.
pub fn oops(context: &Context) -> CaseResult {
    run(context, "fault_oops", |module| {
        module.text.raw(&[0x31, 0xc0, 0x48, 0x8b, 0x40, 0x08]);
    })
}

/// The flags of a warning (include/linux/bug.h): one, said once, and its taint.
const WARNING: u16 = 1;
const ONCE: u16 = 2;
const TAINT_WARN: u16 = 9 << 8;

/// `ud2`, known to the kernel as a BUG() or a WARN() by its flags.
fn trap(module: &mut Module, flags: u16, times: u32) {
    let mut place = 0;
    module.text.repeat(times, |code| {
        place = code.here();
        code.raw(&[0x0f, 0x0b]);
    });
    module.warnings.push((place, flags));
}

pub fn bug(context: &Context) -> CaseResult {
    run(context, "fault_bug", |module| trap(module, 0, 1))
}

pub fn warn_once_twice(context: &Context) -> CaseResult {
    run(context, "fault_warn", |module| trap(module, WARNING | ONCE | TAINT_WARN, 2))
}

/// A soft lockup is what lasts twice the threshold (Documentation/admin-guide/lockup-watchdogs.rst).
pub fn lock_up_softly(context: &Context) -> CaseResult {
    set("/proc/sys/kernel/watchdog_thresh", "1")?;
    run(context, "fault_softlockup", |module| spin(&mut module.text, 5))
}

/// A grace period that begins while others may still run, and cannot end while they may not.
pub fn stall_rcu(context: &Context) -> CaseResult {
    set("/proc/sys/kernel/soft_watchdog", "0")?;
    // Three seconds are the least that the kernel takes (kernel/rcu/tree_stall.h).
    set("/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout", "3")?;
    run(context, "fault_rcu", |module| {
        module.text.call("start_poll_synchronize_rcu").call("yield");
        spin(&mut module.text, 7);
    })
}

/// Sleeps for five seconds in a way that nothing interrupts.
pub fn hang_a_task(context: &Context) -> CaseResult {
    set("/proc/sys/kernel/hung_task_timeout_secs", "1")?;
    run(context, "fault_hung", |module| {
        module.text.number(Register::Rdi, 5000).call("msleep");
    })
}

/// A thread of the kernel's own, which no case can be made to wait for: `msleep(1000); panic("too late")`.
pub fn crash_afterwards(context: &Context) -> CaseResult {
    run(context, "fault_afterwards", |module| {
        let (name, entry) = (module.data.text("too late"), module.data.bytes.len().next_multiple_of(8));
        module.data.bytes.resize(entry + 8, 0);
        // mov rdi, [entry]; no argument, any NUMA node; lea rcx, [name]; mov rdi, rax.
        module.text.with_data(&[0x48, 0x8b, 0x3d], entry);
        module.text.number(Register::Rsi, 0).number(Register::Rdx, -1);
        module.text.with_data(&[0x48, 0x8d, 0x0d], name).number(Register::Rax, 0);
        module.text.call("kthread_create_on_node").raw(&[0x48, 0x89, 0xc7]).call("wake_up_process");
        module.text.number(Register::Rax, 0).leave();
        module.data.point(entry, Target::Text(module.text.here()));
        module.text.enter().number(Register::Rdi, 1000).call("msleep");
        module.text.address(Register::Rdi, name).number(Register::Rax, 0).call("panic");
    })
}

/// `cli; jmp` to itself.
pub fn loop_with_interrupts_off(context: &Context) -> CaseResult {
    run(context, "fault_loop", |module| {
        module.text.raw(&[0xfa, 0xeb, 0xfe]);
    })
}

/// `cli; hlt; jmp` to the hlt.
pub fn halt_with_interrupts_off(context: &Context) -> CaseResult {
    run(context, "fault_halt", |module| {
        module.text.raw(&[0xfa, 0xf4, 0xeb, 0xfd]);
    })
}

/// `lidt` of an empty table; `ud2`.
pub fn triple_fault(context: &Context) -> CaseResult {
    run(context, "fault_triple", |module| {
        let table = module.data.bytes.len();
        module.data.bytes.extend([0; 16]);
        module.text.with_data(&[0x0f, 0x01, 0x1d], table).raw(&[0x0f, 0x0b]);
    })
}
