//! One batch, from the agent's side: a process that runs it, and another one if a program ends the first.

use std::sync::atomic::Ordering::Relaxed;

use gauntlet_protocol::program::{Programs, Ran, RecordWriter, flag};

use crate::batch::{Executor, append};
use crate::isolate::Stack;
use crate::{Flight, Options};

/// Runs a batch and writes a record per program; gives the bytes of `results` used. Both slices may be memory shared
/// with the host, which neither reads nor writes them until it is told.
///
/// # Errors
/// When the batch cannot be read or nothing can be run: ours, never the kernel's.
pub fn serve(
    programs: &[u8],
    results: &mut [u8],
    options: Options,
    flight: &dyn Flight,
) -> Result<usize, &'static str> {
    let batch = Programs::new(programs).map_err(|_| "the bytes are not a batch")?;
    let executor = Executor::new(options, flight).ok_or("no memory for the executor")?;
    let stack = Stack::map().ok_or("no memory for the executor's stack")?;
    let total = batch.clone().count();
    let page = executor.page();
    while (page.next.load(Relaxed) as usize) < total {
        let at = serve_some(&mut Order { executor: &executor, batch: &batch, results }, &stack)?;
        // A program that ended the executor itself gets a record that says so, and the next process goes on behind it.
        let lost = |writer: &mut RecordWriter<'_>| {
            writer.push(&Ran { program: at, flags: flag::KILLED, ..Ran::default() })
        };
        if (at as usize) < total && !append(page, results, batch.cookie(), lost) {
            return Err("the results do not fit");
        }
    }
    Ok(page.length.load(Relaxed).min(results.len()))
}

/// What the process that runs programs needs.
struct Order<'a, 'b> {
    executor: &'a Executor<'b>,
    batch: &'a Programs<'a>,
    results: &'a mut [u8],
}

/// Runs programs in a process of their own until one ends it, or all are done; gives the first one without a record.
///
/// The process shares our memory, because that is what makes it cheap: a fork copies page tables, for milliseconds
/// under TCG, and device memory such as the region cannot be given to forked processes at all once it was withheld
/// from them (madvise(2), MADV_DOFORK).
fn serve_some(order: &mut Order<'_, '_>, stack: &Stack) -> Result<u32, &'static str> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the process runs on a stack of its own while we stand still, so `order` lives long enough.
    let child = unsafe { libc::clone(work, stack.top(), flags, std::ptr::from_mut(order).cast()) };
    if child < 0 {
        return Err("clone failed");
    }
    wait(child);
    Ok(order.executor.page().next.load(Relaxed))
}

extern "C" fn work(order: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `serve_some` gave us this pointer and waits.
    let order = unsafe { &mut *order.cast::<Order<'_, '_>>() };
    order.executor.run(order.batch.clone(), order.results);
    // SAFETY: ends this process without running anything of the agent's.
    unsafe { libc::_exit(0) }
}

fn wait(child: libc::pid_t) {
    let mut status = 0;
    // SAFETY: waits for the child just made; other children are reaped elsewhere.
    while unsafe { libc::waitpid(child, &raw mut status, 0) } < 0
        && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
    {}
}

#[cfg(test)]
mod tests;
