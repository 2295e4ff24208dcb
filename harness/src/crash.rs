//! Reading a kernel's complaints off its console.
//!
//! [`Scanner`] takes console bytes as they come, in bounded time and memory, and never panics: whatever a
//! guest prints is hostile input. [`scan`] is the same for a whole log. Formats are those of
//! `kernel/panic.c`, `arch/x86/kernel/dumpstack.c`, `mm/kasan/report.c`, `kernel/locking/lockdep.c`,
//! `kernel/watchdog.c` and `kernel/rcu/tree_stall.h`, 5.x to 6.x; titles are worded as syzbot words them, so
//! that they can be searched for. [`DebugInfo`] tells afterwards where in the source its frames are.
//!
//! Architecture invariant: nothing here knows about cases, verdicts or virtual machines.

mod blame;
mod frame;
mod line;
mod message;
mod placement;
mod prefaces;
mod report;
mod rules;
mod scanner;
mod source;
mod symbols;

pub use frame::{Frame, Source};
pub use placement::Placement;
pub use scanner::{Scan, Scanner};
pub use source::DebugInfo;
pub use symbols::Symbols;

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// One complaint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splat {
    /// What it is deduplicated by: `KASAN: slab-use-after-free Read in foo`.
    pub title: String,
    pub kind: Kind,
    /// The function held responsible: the first one that is no helper, allocator or lock.
    pub frame: Option<String>,
    /// Where the processor was, or where the head says it happened.
    pub at: Option<Frame>,
    /// The first stack trace of the report, innermost call first.
    pub stack: Vec<Frame>,
    pub cpu: Option<u32>,
    /// The task's name (`comm`).
    pub task: Option<String>,
    /// Taint letters without spaces, as `Documentation/admin-guide/tainted-kernels.rst` lists them.
    pub taint: String,
    /// The bytes of the log it covers, first to last line that belongs to it.
    pub range: Range<u64>,
    /// Whoever hit it does not go on: an oops, a panic, a hard lockup.
    pub fatal: bool,
    /// Another splat came before it in this log: perhaps a mere consequence.
    pub secondary: bool,
    /// Torn, cut short, or without the function it should name: the title is not to be trusted.
    pub corrupted: bool,
}

impl Splat {
    /// Where the processor was, then the calls that led there, innermost first; without what was merely found on
    /// the stack.
    pub fn frames(&self) -> impl Iterator<Item = &Frame> {
        let stack = || self.stack.iter().filter(|frame| frame.reliable);
        // A report's own functions come first on a stack, and among them the place that the head names.
        let within =
            move |at: &&Frame| stack().any(|frame| frame.symbol == at.symbol && frame.offset == at.offset);
        self.at.iter().filter(move |at| !within(at)).chain(stack())
    }

    /// Once addresses have names, a function may be found that was not there to be found before.
    fn find_guilty_again(&mut self) {
        if self.frame.is_some() {
            return;
        }
        self.frame = blame::guilty(self.kind, self.at.as_ref(), &self.stack);
        if let Some(frame) = &self.frame {
            self.title = format!("{} in {frame}", self.title);
            self.corrupted = false;
        }
    }
}

/// What sort of complaint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `Kernel panic - not syncing`.
    Panic,
    DoubleFault,
    /// A bad access or a trap in kernel mode.
    Oops,
    GeneralProtection,
    /// `BUG_ON()`.
    KernelBug,
    /// A complaint that starts with `BUG:` and has no kind of its own.
    Bug,
    Kasan,
    Kmsan,
    Kcsan,
    Kfence,
    Ubsan,
    /// `WARN_ON()` and its family.
    Warning,
    /// Lock order, lock state and RCU usage.
    Lockdep,
    /// Sleeping or scheduling where that is forbidden.
    AtomicSleep,
    HardLockup,
    SoftLockup,
    RcuStall,
    HungTask,
    WorkqueueLockup,
    MemoryLeak,
}

impl Kind {
    pub const ALL: [Kind; 20] = [
        Kind::Panic,
        Kind::DoubleFault,
        Kind::Oops,
        Kind::GeneralProtection,
        Kind::KernelBug,
        Kind::Bug,
        Kind::Kasan,
        Kind::Kmsan,
        Kind::Kcsan,
        Kind::Kfence,
        Kind::Ubsan,
        Kind::Warning,
        Kind::Lockdep,
        Kind::AtomicSleep,
        Kind::HardLockup,
        Kind::SoftLockup,
        Kind::RcuStall,
        Kind::HungTask,
        Kind::WorkqueueLockup,
        Kind::MemoryLeak,
    ];

    /// Whoever hit it does not go on.
    pub fn is_fatal(self) -> bool {
        match self {
            Kind::Panic | Kind::DoubleFault | Kind::Oops | Kind::GeneralProtection | Kind::KernelBug => true,
            Kind::HardLockup => true,
            Kind::Bug | Kind::Kasan | Kind::Kmsan | Kind::Kcsan | Kind::Kfence | Kind::Ubsan => false,
            Kind::Warning | Kind::Lockdep | Kind::AtomicSleep | Kind::SoftLockup => false,
            Kind::RcuStall | Kind::HungTask | Kind::WorkqueueLockup | Kind::MemoryLeak => false,
        }
    }

    /// A timer noticed it from an interrupt: frames of that interrupt say nothing.
    pub fn is_stall(self) -> bool {
        matches!(self, Kind::HardLockup | Kind::SoftLockup | Kind::RcuStall | Kind::WorkqueueLockup)
    }

    /// Its stack traces come without the line `Call Trace:`.
    fn has_bare_stack(self) -> bool {
        matches!(self, Kind::Kmsan | Kind::Kcsan | Kind::Kfence)
    }

    /// Reports that may rightly come without a stack trace.
    fn may_lack_stack(self) -> bool {
        matches!(self, Kind::Panic | Kind::MemoryLeak | Kind::WorkqueueLockup | Kind::Bug)
    }
}

/// All complaints of a console log, in order.
pub fn scan(console: &[u8]) -> Vec<Splat> {
    let mut scanner = Scanner::default();
    scanner.push(console);
    scanner.finish().splats
}
