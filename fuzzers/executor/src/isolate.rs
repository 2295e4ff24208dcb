//! Running a program apart from the executor, as far as its tier asks for it.

use gauntlet_protocol::mark;
use gauntlet_protocol::program::{Operations, Tier, flag};
use std::sync::atomic::Ordering::Relaxed;

use crate::batch::Executor;
use crate::{calls, scratch};

const STACK: usize = 128 << 10;
/// Guest time that a program in a task of its own may take.
const PATIENCE: libc::timeval = libc::timeval { tv_sec: 0, tv_usec: 200_000 };

/// A stack for tasks that share our memory, with an untouchable page below.
#[derive(Debug)]
pub(crate) struct Stack {
    top: *mut libc::c_void,
}

impl Stack {
    pub(crate) fn map() -> Option<Stack> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        // SAFETY: fresh memory, whose lowest page is then made untouchable.
        unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let base = libc::mmap(std::ptr::null_mut(), STACK, protection, flags, -1, 0);
            if base == libc::MAP_FAILED || libc::mprotect(base, 4096, libc::PROT_NONE) != 0 {
                return None;
            }
            Some(Stack { top: base.byte_add(STACK) })
        }
    }

    /// Stacks grow downwards.
    pub(crate) fn top(&self) -> *mut libc::c_void {
        self.top
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping that `map` made; the task that ran on it is dead.
        unsafe { libc::munmap(self.top.byte_sub(STACK), STACK) };
    }
}

/// Runs a program in its tier; gives the flags of its record.
pub(crate) fn run(executor: &Executor<'_>, tier: Tier, program: &Operations<'_>) -> u32 {
    match tier {
        Tier::InProcess => {
            calls::run(executor, program);
            0
        }
        Tier::Task | Tier::Process => {
            scratch::prepare();
            let child = start(executor, tier, program);
            if child < 0 {
                return flag::KILLED;
            }
            flags(executor, wait(child))
        }
    }
}

struct Order<'a, 'b> {
    executor: &'a Executor<'b>,
    program: &'a Operations<'a>,
}

fn start(executor: &Executor<'_>, tier: Tier, program: &Operations<'_>) -> libc::pid_t {
    let order = Order { executor, program };
    // Our memory, but nothing else of ours; and we stand still until the task ends or executes another file.
    let shared = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the task runs on a stack of its own while we stand still, so `order` lives long enough; a forked
    // process has copies of everything.
    unsafe {
        match tier {
            Tier::Process => match libc::fork() {
                0 => {
                    task((&raw const order).cast_mut().cast());
                }
                child => return child,
            },
            _ => {
                return libc::clone(task, executor.stack.top(), shared, (&raw const order).cast_mut().cast());
            }
        }
    }
    -1
}

extern "C" fn task(order: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `start` gave us this pointer and waits.
    let order = unsafe { &*order.cast::<Order<'_, '_>>() };
    let timer = libc::itimerval { it_interval: PATIENCE, it_value: PATIENCE };
    // SAFETY: plain calls of a task about itself. The default action ends the task: a handler would need
    // rt_sigreturn, which a filter may forbid.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut());
    }
    scratch::enter();
    calls::run(order.executor, order.program);
    end()
}

/// Ends the task whatever its filters say: exit, or an instruction that no filter sees.
fn end() -> ! {
    // SAFETY: ends this task without running anything of the parent's.
    unsafe {
        std::arch::asm!(
            "xor edi, edi",
            "mov eax, {exit_group}",
            "syscall",
            "mov eax, {exit}",
            "syscall",
            "ud2",
            exit_group = const libc::SYS_exit_group,
            exit = const libc::SYS_exit,
            options(noreturn)
        )
    }
}

fn wait(child: libc::pid_t) -> libc::c_int {
    let mut status = 0;
    // SAFETY: waits for a child of ours; __WALL because a program may have made it anything.
    unsafe {
        while libc::waitpid(child, &raw mut status, libc::__WALL) < 0 {
            if *libc::__errno_location() != libc::EINTR {
                break;
            }
        }
    }
    status
}

/// What the task's end says of its program.
fn flags(executor: &Executor<'_>, status: libc::c_int) -> u32 {
    if executor.page().finished.load(Relaxed) != 0 {
        return 0;
    }
    // It died, or became another program, inside the window: end it for it.
    mark::end();
    match libc::WIFSIGNALED(status) {
        true if libc::WTERMSIG(status) == libc::SIGALRM => flag::KILLED | flag::TIMED_OUT,
        true => flag::KILLED,
        false => 0,
    }
}
