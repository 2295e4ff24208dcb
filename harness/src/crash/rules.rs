//! The heads of reports: what a complaint starts with, what kind it is, and how it is called.

use super::Kind;

/// How a title is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// These words, then ` in FUNCTION`.
    Function(&'static str),
    /// These words and no more.
    Words(&'static str),
    /// What the kernel said up to the first text, then the second, then ` in FUNCTION`.
    Until(&'static str, &'static str),
    /// `BUG kmalloc-64: Right Redzone overwritten`: the cache, and what is wrong with it.
    Slab,
    /// These words, then what the kernel said after the head, without its numbers.
    Message(&'static str),
    /// `KASAN: slab-use-after-free Read in FUNCTION`: the words after `BUG: ` up to ` in `.
    Sanitizer,
    /// `WARN()`: the words depend on who warned.
    Warn,
}

/// One row of [`RULES`].
#[derive(Debug)]
pub(super) struct Rule {
    /// What a record must start with; after a `*`, what must come later in it.
    pub head: &'static str,
    pub kind: Kind,
    pub naming: Naming,
    /// Continues a report that has only just begun: `Oops: 0000 [#1]` after `BUG: kernel NULL pointer …`.
    pub joins: bool,
}

const fn new(head: &'static str, kind: Kind, naming: Naming) -> Rule {
    Rule { head, kind, naming, joins: false }
}

/// A report of the form "words in FUNCTION".
const fn at(head: &'static str, kind: Kind, words: &'static str) -> Rule {
    new(head, kind, Naming::Function(words))
}

/// A trap: it may follow a line that tells more.
const fn trap(head: &'static str, kind: Kind, words: &'static str) -> Rule {
    Rule { head, kind, naming: Naming::Function(words), joins: true }
}

/// A report that names neither a function nor anything else that would stay the same.
const fn words(head: &'static str, kind: Kind, words: &'static str) -> Rule {
    new(head, kind, Naming::Words(words))
}

/// First match wins.
pub(super) const RULES: &[Rule] = &[
    // Panics.
    at(
        "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in",
        Kind::Panic,
        "kernel panic: stack is corrupted",
    ),
    new("Kernel panic - not syncing: ", Kind::Panic, Naming::Message("kernel panic: ")),
    at("Kernel panic - not syncing", Kind::Panic, "kernel panic"),
    // Sanitizers.
    new("BUG: KASAN: ", Kind::Kasan, Naming::Sanitizer),
    new("BUG: KMSAN: ", Kind::Kmsan, Naming::Sanitizer),
    new("BUG: KCSAN: ", Kind::Kcsan, Naming::Sanitizer),
    new("BUG: KFENCE: ", Kind::Kfence, Naming::Sanitizer),
    new("UBSAN: ", Kind::Ubsan, Naming::Sanitizer),
    // Bad accesses.
    at(
        "BUG: kernel NULL pointer dereference",
        Kind::Oops,
        "BUG: unable to handle kernel NULL pointer dereference",
    ),
    at(
        "BUG: unable to handle kernel NULL pointer dereference",
        Kind::Oops,
        "BUG: unable to handle kernel NULL pointer dereference",
    ),
    at(
        "BUG: unable to handle page fault for address",
        Kind::Oops,
        "BUG: unable to handle kernel paging request",
    ),
    at(
        "BUG: unable to handle kernel paging request",
        Kind::Oops,
        "BUG: unable to handle kernel paging request",
    ),
    at("BUG: unable to handle kernel access", Kind::Oops, "BUG: unable to handle kernel paging request"),
    at(
        "Unable to handle kernel NULL pointer dereference",
        Kind::Oops,
        "BUG: unable to handle kernel NULL pointer dereference",
    ),
    at("Unable to handle kernel paging request", Kind::Oops, "BUG: unable to handle kernel paging request"),
    // Said before the fault itself: it only tells what the access was.
    at(
        "kernel tried to execute NX-protected page",
        Kind::Oops,
        "BUG: unable to handle kernel paging request",
    ),
    at("unable to execute userspace code (SMEP?)", Kind::Oops, "BUG: unable to handle kernel paging request"),
    at("BUG: TASK stack guard page was hit", Kind::Oops, "BUG: stack guard page was hit"),
    at("BUG: *stack guard page was hit", Kind::Oops, "BUG: stack guard page was hit"),
    // Traps.
    trap("general protection fault", Kind::GeneralProtection, "general protection fault"),
    trap("PANIC: double fault", Kind::DoubleFault, "double fault"),
    trap("traps: PANIC: double fault", Kind::DoubleFault, "double fault"),
    trap("double fault: ", Kind::DoubleFault, "double fault"),
    at("kernel BUG at ", Kind::KernelBug, "kernel BUG"),
    trap("invalid opcode: ", Kind::Oops, "invalid opcode"),
    trap("divide error: ", Kind::Oops, "divide error"),
    trap("stack guard page: ", Kind::Oops, "BUG: stack guard page was hit"),
    trap("stack segment: ", Kind::Oops, "stack segment fault"),
    trap("int3: ", Kind::Oops, "unexpected breakpoint"),
    trap("alignment check: ", Kind::Oops, "alignment check"),
    trap("control protection fault: ", Kind::Oops, "control protection fault"),
    trap("Internal error: ", Kind::Oops, "internal error"),
    trap("Oops: ", Kind::Oops, "Oops"),
    // Watchdogs.
    at("watchdog: BUG: soft lockup", Kind::SoftLockup, "BUG: soft lockup"),
    at("NMI watchdog: BUG: soft lockup", Kind::SoftLockup, "BUG: soft lockup"),
    at("BUG: soft lockup", Kind::SoftLockup, "BUG: soft lockup"),
    at("watchdog: *Watchdog detected hard LOCKUP", Kind::HardLockup, "BUG: hard lockup"),
    at("NMI watchdog: Watchdog detected hard LOCKUP", Kind::HardLockup, "BUG: hard lockup"),
    at("Watchdog detected hard LOCKUP", Kind::HardLockup, "BUG: hard lockup"),
    at("rcu: INFO: *stall", Kind::RcuStall, "INFO: rcu detected stall"),
    at("INFO: rcu*stall", Kind::RcuStall, "INFO: rcu detected stall"),
    at("INFO: task *blocked *for more than", Kind::HungTask, "INFO: task hung"),
    at("INFO: task *can't die for more than", Kind::HungTask, "INFO: task can't die"),
    words(
        "unregister_netdevice: waiting for *to become free",
        Kind::Bug,
        "unregister_netdevice: waiting for DEV to become free",
    ),
    at("BUG: workqueue lockup", Kind::WorkqueueLockup, "BUG: workqueue lockup"),
    // Lock validator. The old words of a deadlock, and the new.
    at("WARNING: possible circular locking dependency", Kind::Lockdep, "possible deadlock"),
    at("INFO: possible circular locking dependency", Kind::Lockdep, "possible deadlock"),
    at("WARNING: possible recursive locking", Kind::Lockdep, "possible deadlock"),
    at("INFO: possible recursive locking", Kind::Lockdep, "possible deadlock"),
    at("WARNING: possible irq lock inversion dependency", Kind::Lockdep, "possible deadlock"),
    at("WARNING: *-safe -> *-unsafe lock order", Kind::Lockdep, "possible deadlock"),
    at("WARNING: inconsistent lock state", Kind::Lockdep, "inconsistent lock state"),
    at("WARNING: suspicious RCU usage", Kind::Lockdep, "WARNING: suspicious RCU usage"),
    at("WARNING: bad unlock balance", Kind::Lockdep, "WARNING: bad unlock balance"),
    at("WARNING: held lock freed", Kind::Lockdep, "WARNING: held lock freed"),
    at(
        "WARNING: lock held when returning to user space",
        Kind::Lockdep,
        "WARNING: lock held when returning to user space",
    ),
    at("WARNING: Nested lock was not taken", Kind::Lockdep, "WARNING: nested lock was not taken"),
    at("WARNING: bad contention detected", Kind::Lockdep, "WARNING: bad contention detected"),
    at("WARNING: *still has locks held", Kind::Lockdep, "WARNING: still has locks held"),
    at("WARNING: chain_key collision", Kind::Lockdep, "WARNING: chain_key collision"),
    at("WARNING: locking bug", Kind::Lockdep, "WARNING: locking bug"),
    at("INFO: trying to register non-static key", Kind::Lockdep, "INFO: trying to register non-static key"),
    new("BUG: MAX_", Kind::Lockdep, Naming::Message("BUG: MAX_")),
    at("BUG: Invalid wait context", Kind::Lockdep, "invalid wait context"),
    at("[ BUG: Invalid wait context ]", Kind::Lockdep, "invalid wait context"),
    // Warnings: before 6.18 with the CPU first, since then with the place first.
    new("WARNING: CPU: *PID: ", Kind::Warning, Naming::Warn),
    new("WARNING: *, CPU#", Kind::Warning, Naming::Warn),
    // What only says BUG.
    at(
        "BUG: sleeping function called from invalid context",
        Kind::AtomicSleep,
        "BUG: sleeping function called from invalid context",
    ),
    at("BUG: scheduling while atomic", Kind::AtomicSleep, "BUG: scheduling while atomic"),
    at(
        "BUG: scheduling in a non-blocking section",
        Kind::AtomicSleep,
        "BUG: scheduling in a non-blocking section",
    ),
    at("BUG: assuming atomic context", Kind::AtomicSleep, "BUG: assuming atomic context"),
    at("BUG: assuming non migratable context", Kind::AtomicSleep, "BUG: assuming non migratable context"),
    new("BUG: using *in preemptible", Kind::Bug, Naming::Until(" [", " code")),
    new("BUG: spinlock ", Kind::Bug, Naming::Until(" on CPU", "")),
    new("BUG: rwlock ", Kind::Bug, Naming::Until(" on CPU", "")),
    new("BUG: rwsem ", Kind::Bug, Naming::Until(" on CPU", "")),
    at("BUG: Bad page state", Kind::Bug, "BUG: Bad page state"),
    at("BUG: Bad page map", Kind::Bug, "BUG: Bad page map"),
    at("BUG: Bad page cache", Kind::Bug, "BUG: Bad page cache"),
    words("BUG: Bad rss-counter state", Kind::Bug, "BUG: Bad rss-counter state"),
    words(
        "BUG: non-zero pgtables_bytes on freeing mm",
        Kind::Bug,
        "BUG: non-zero pgtables_bytes on freeing mm",
    ),
    at("BUG: Dentry *still in use", Kind::Bug, "BUG: Dentry still in use"),
    at("BUG: workqueue leaked ", Kind::Bug, "BUG: workqueue leaked lock or atomic"),
    words("VFS: Busy inodes after unmount", Kind::Bug, "VFS: Busy inodes after unmount"),
    new("BUG *ainted*): ", Kind::Bug, Naming::Slab),
    // mm/kmemleak.c: on the console, and in debugfs.
    at("BUG: memory leak", Kind::MemoryLeak, "memory leak"),
    at("unreferenced object 0x", Kind::MemoryLeak, "memory leak"),
    at("kmemleak: unreferenced object 0x", Kind::MemoryLeak, "memory leak"),
    words("kmemleak: *new suspected memory leaks", Kind::MemoryLeak, "memory leak"),
    new("BUG: ", Kind::Bug, Naming::Message("BUG: ")),
];

/// What heads start with.
const FIRST_LETTERS: [char; 21] =
    ['B', 'I', 'K', 'N', 'O', 'P', 'U', 'V', 'W', '[', 'a', 'c', 'd', 'g', 'i', 'k', 'r', 's', 't', 'u', 'w'];

/// The rule whose head this record is.
pub(super) fn head(body: &str) -> Option<&'static Rule> {
    let body = without_oops(body);
    // Most records are none: the first letter tells at once.
    if !body.starts_with(FIRST_LETTERS) {
        return None;
    }
    RULES.iter().find(|rule| matches(rule.head, body))
}

/// 6.9 and later say `Oops: general protection fault` and `Oops: Oops: 0000 [#1]`: the trap's own name counts.
pub(super) fn without_oops(body: &str) -> &str {
    match body.strip_prefix("Oops: ") {
        Some(rest) if !rest.starts_with(|first: char| first.is_ascii_digit()) => without_oops(rest),
        _ => body,
    }
}

pub(super) fn matches(head: &str, body: &str) -> bool {
    let mut parts = head.split('*');
    let Some(mut rest) = parts.next().and_then(|start| body.strip_prefix(start)) else { return false };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rule_hides_a_later_one() {
        for (index, rule) in RULES.iter().enumerate() {
            let sample = rule.head.replace('*', "x");
            let first = RULES.iter().position(|other| matches(other.head, &sample)).unwrap();
            let same = RULES[first].kind == rule.kind && RULES[first].naming == rule.naming;
            assert!(first == index || same, "{:?} is hidden by {:?}", rule.head, RULES[first].head);
        }
    }

    #[test]
    fn every_head_starts_with_a_known_letter() {
        let letters: std::collections::BTreeSet<char> =
            RULES.iter().filter_map(|rule| rule.head.chars().next()).collect();
        assert_eq!(letters, FIRST_LETTERS.into());
    }

    #[test]
    fn every_kind_has_a_rule() {
        for kind in Kind::ALL {
            assert!(RULES.iter().any(|rule| rule.kind == kind), "{kind:?}");
        }
    }

    #[test]
    fn benign_lines_are_no_heads() {
        for line in [
            "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible!",
            "WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data leaks possible!",
            "WARNING: the 'nomodules' option is deprecated",
            "[Firmware Bug]: TSC doesn't count with P0 frequency!",
            "ACPI BIOS Error (bug): Could not resolve symbol",
            "INFO: lockdep is turned off.",
            "the test says 'Kernel panic - not syncing: no'",
            "Command line: oops=panic BUG: x",
            "Oopses are counted",
            "rcu: INFO: nothing special",
            "rcu: INFO: Stall ended before state dump start",
            "kmemleak: Kernel memory leak detector initialized (mem pool available: 15679)",
            "BUG_ON is a macro",
            "VFS: Disk quotas dquot_6.6.0",
            "unregister_netdevice: all is well",
            "INFO: task blocked for a while",
            "UBSAN is enabled",
            "workqueue: lab_work_fn hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND",
        ] {
            assert!(head(line).is_none(), "{line}");
        }
    }
}
