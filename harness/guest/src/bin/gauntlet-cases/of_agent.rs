//! One case, as the agent asks for it.

use gauntlet_guest::order::Order;
use gauntlet_guest::word::Word;
use gauntlet_guest::{Stop, suites};
use gauntlet_protocol::Outcome;
use std::process::ExitCode;

/// Waits for the agent's order, runs that case and leaves its outcome where the agent looks; `None` when the arguments
/// are not the agent's.
pub fn run(arguments: &[String]) -> Option<ExitCode> {
    let order = Order::wait(arguments)?;
    // Before the case, which may close every descriptor.
    let word = Word::inherited()?;
    let outcome = suites::find(&order.name).map(|(_, case)| match (case.run)(&order.context) {
        Ok(()) => Outcome::Pass,
        Err(Stop::Fail(message)) => Outcome::Fail { message },
        Err(Stop::Skip(cause)) => Outcome::Skip { cause },
        Err(Stop::Broken(reason)) => Outcome::Broken { reason },
    });
    word.write(&outcome);
    // SAFETY: ends the process at once: what a case left behind must not run.
    unsafe { libc::_exit(0) }
}
