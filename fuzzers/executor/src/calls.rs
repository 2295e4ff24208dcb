//! One program, step by step, in whatever task calls [`run`].

use std::sync::atomic::Ordering::Relaxed;

use gauntlet_protocol::mark;
use gauntlet_protocol::program::{
    Argument, MAX_ARGUMENTS, Operation, Operations, PSEUDO_CALLS, PSEUDO_SYSRQ, WINDOW_OFFSET,
};

use crate::batch::Executor;
use crate::shared::Words;

/// Runs a program to its end. Does not allocate and takes no lock: it may run in a task that shares our memory.
pub(crate) fn run(executor: &Executor<'_>, program: &Operations<'_>) {
    let page = executor.page();
    if let Some(kcov) = &executor.kcov {
        kcov.enable();
    }
    mark::begin();
    for operation in program.clone() {
        match operation {
            Ok(Operation::Data { offset, bytes }) => executor.arena.store(offset, bytes),
            Ok(Operation::Result { offset, slot, fallback }) => {
                executor.arena.store(offset, &value(page, slot, fallback).to_le_bytes());
            }
            Ok(Operation::Address { offset, target }) => {
                note_window(page, target);
                executor.arena.store(offset, &executor.arena.address(target).to_le_bytes());
            }
            Ok(Operation::Call { number, arguments, .. }) => call(executor, number, &arguments),
            Err(_) => page.malformed.store(1, Relaxed),
        }
    }
    mark::end();
    page.finished.store(1, Relaxed);
    if let Some(kcov) = &executor.kcov {
        kcov.disable();
    }
}

fn call(executor: &Executor<'_>, number: u32, arguments: &[Argument; MAX_ARGUMENTS]) {
    let page = executor.page();
    let index = page.calls.load(Relaxed);
    page.calls.store(index + 1, Relaxed);
    executor.flight.call(index);
    let mut words = [0u64; MAX_ARGUMENTS];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = match *argument {
            Argument::Number(number) => number,
            Argument::Pointer(offset) => {
                note_window(page, offset);
                executor.arena.address(offset)
            }
            Argument::Slot { slot, fallback } => value(page, slot, fallback) as u64,
        };
    }
    let result = match number {
        PSEUDO_SYSRQ if executor.options.dangerous => sysrq(words[0] as u8),
        PSEUDO_CALLS.. => -i64::from(libc::ENOSYS),
        _ => system_call(number, words),
    };
    let slot = index as usize;
    if let (Some(error), Some(value)) = (page.errors.get(slot), page.values.get(slot)) {
        let failed = (-4095..0).contains(&result);
        error.store(if failed { -result as u32 } else { 0 }, Relaxed);
        value.store(if failed { -1 } else { result as i32 }, Relaxed);
    }
}

/// The result of an earlier call, or the fallback when it failed.
fn value(page: &Words, slot: u8, fallback: i32) -> i32 {
    match page.values.get(usize::from(slot)).map(|value| value.load(Relaxed)) {
        Some(value) if value >= 0 => value,
        _ => fallback,
    }
}

fn note_window(page: &Words, offset: u32) {
    if offset >= WINDOW_OFFSET {
        page.window.store(1, Relaxed);
    }
}

/// The bare instruction: libc's wrapper would write `errno`, which a task that shares our memory shares too.
fn system_call(number: u32, words: [u64; MAX_ARGUMENTS]) -> i64 {
    let result: i64;
    // SAFETY: the kernel may write only where the arguments point: arena, window or nowhere (program.rs in the
    // protocol crate), and calls that change our own memory elsewhere are not described.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") i64::from(number) => result,
            in("rdi") words[0],
            in("rsi") words[1],
            in("rdx") words[2],
            in("r10") words[3],
            in("r8") words[4],
            in("r9") words[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    result
}

/// Source: Linux Documentation/admin-guide/sysrq.rst.
fn sysrq(letter: u8) -> i64 {
    // SAFETY: a literal path, and one byte of our own.
    unsafe {
        let descriptor = libc::open(c"/proc/sysrq-trigger".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        let written = libc::write(descriptor, (&raw const letter).cast(), 1);
        libc::close(descriptor);
        written as i64
    }
}
