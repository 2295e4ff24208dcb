//! Protections shown at work: the kernel's own crash test module breaks one rule each (fault-injection/
//! provoke-crashes.rst). The kernel must notice, complain, and stop whoever did it; each case says which complaint
//! that is, and any other is held against the kernel as ever.

use super::facts::set;
use super::processor::has_flag;
use crate::case::{Complaint, Stop};
use crate::child::{self, Ending, needs_root};
use crate::{CaseResult, Context, skip};

const FOLDER: &str = "/sys/kernel/debug/provoke-crash/DIRECT";

/// The file through which a crash is asked for is on the stack of every one.
const fn through_lkdtm(title: &'static str) -> Complaint {
    Complaint { title, through: Some("direct_entry"), may_end: true }
}

pub const BAD_ACCESS: Complaint = through_lkdtm("BUG: unable to");
pub const PROTECTION_FAULT: Complaint = through_lkdtm("general protection fault");
pub const GUARD_PAGE: Complaint = through_lkdtm("BUG: stack guard page was hit");
pub const BAD_USERCOPY: Complaint = through_lkdtm("BUG: bad usercopy");
pub const OVERFLOW: Complaint = through_lkdtm("BUG: buffer overflow");
/// Since 6.9 before the other, with the sizes.
pub const OVERFLOW_WARNING: Complaint = through_lkdtm("WARNING: buffer overflow");
pub const CORRUPTED_LIST: Complaint = through_lkdtm("BUG: corrupted list");
pub const REFCOUNT_BUG: Complaint = through_lkdtm("WARNING: refcount bug");
/// What a kernel with KASAN says first, before what is judged happens.
pub const KASAN_STACK: Complaint = through_lkdtm("KASAN: stack-out-of-bounds");
pub const KASAN_GUARD: Complaint = through_lkdtm("KASAN: vmalloc-out-of-bounds");
pub const KASAN_USER: Complaint = through_lkdtm("KASAN: user-memory-access");
/// Nothing on a stack that was overwritten can be trusted, and the kernel stops at once.
pub const STACK_PROTECTOR: Complaint =
    Complaint { title: "kernel panic: stack is corrupted in", through: None, may_end: true };

/// What the kernel does to who broke the rule.
enum Consequence {
    Killed,
    /// Complained of, and made harmless.
    GoesOn,
    /// Killed; or only complained of, by KASAN, whose red zone lies before the canary. That somebody complains is asked
    /// for by the case's splats.
    Noticed,
}

/// Crashes that only a processor's feature stops, and its flag in /proc/cpuinfo.
const FEATURES: &[(&str, &str)] = &[("EXEC_USERSPACE", "smep"), ("ACCESS_USERSPACE", "smap")];

/// Lets a child ask for the crash of this name.
fn provoke(point: &str, consequence: &Consequence) -> CaseResult {
    needs_root()?;
    if let Some((_, flag)) = FEATURES.iter().find(|(name, _)| *name == point)
        && !has_flag(flag)?
    {
        skip!("missing hardware: a processor with {flag} that the kernel uses");
    }
    let offered = std::fs::read_to_string(FOLDER)
        .map_err(|error| Stop::Broken(format!("{FOLDER}: {error}; is debugfs mounted?")))?;
    if !offered.lines().any(|line| line == point) {
        skip!("this release's lkdtm has no {point}");
    }
    // The complaint is what is asked for, not the panic that some configurations make of it.
    for setting in ["/proc/sys/kernel/panic_on_oops", "/proc/sys/kernel/panic_on_warn"] {
        set(setting, "0")?;
    }
    let ending = child::run(|| {
        std::fs::write(FOLDER, point).map_err(|error| Stop::Skip(format!("{point} in lkdtm: {error}")))
    })?;
    match (consequence, ending) {
        (Consequence::Killed | Consequence::Noticed, Ending::Killed(libc::SIGKILL | libc::SIGSEGV))
        | (Consequence::GoesOn | Consequence::Noticed, Ending::Returned(Ok(()))) => Ok(()),
        (_, Ending::Returned(Err(stop))) => Err(stop),
        (_, ending) => {
            Err(Stop::Fail(format!("{point}: nothing stopped it; its process ended so: {ending:?}")))
        }
    }
}

/// One row each: the case, the crash of lkdtm's that it asks for, and the consequence.
macro_rules! provoked {
    ($($name:ident: $point:literal, $consequence:ident;)+) => {
        $(pub fn $name(_: &Context) -> CaseResult {
            provoke($point, &Consequence::$consequence)
        })+
    };
}

provoked! {
    overwritten_stack_is_noticed: "CORRUPT_STACK", Noticed;
    stack_ends_at_a_guard_page_below: "STACK_GUARD_PAGE_LEADING", Killed;
    stack_ends_at_a_guard_page_above: "STACK_GUARD_PAGE_TRAILING", Killed;
    constants_cannot_be_written: "WRITE_RO", Killed;
    data_sealed_after_boot_cannot_be_written: "WRITE_RO_AFTER_INIT", Killed;
    code_cannot_be_written: "WRITE_KERN", Killed;
    data_of_the_kernel_cannot_be_executed: "EXEC_DATA", Killed;
    stack_of_the_kernel_cannot_be_executed: "EXEC_STACK", Killed;
    heap_of_the_kernel_cannot_be_executed: "EXEC_KMALLOC", Killed;
    vmalloc_memory_cannot_be_executed: "EXEC_VMALLOC", Killed;
    constants_cannot_be_executed: "EXEC_RODATA", Killed;
    smep_stops_execution_of_user_memory: "EXEC_USERSPACE", Killed;
    smap_stops_access_to_user_memory: "ACCESS_USERSPACE", Killed;
    usercopy_stops_copies_beyond_the_stack: "USERCOPY_STACK_BEYOND", Killed;
    usercopy_stops_copies_of_code: "USERCOPY_KERNEL", Killed;
    fortify_stops_copies_beyond_an_object: "FORTIFY_MEM_OBJECT", Killed;
    fortify_stops_strings_beyond_an_object: "FORTIFY_STR_OBJECT", Killed;
    corrupt_list_is_not_added_to: "CORRUPT_LIST_ADD", Killed;
    corrupt_list_is_not_deleted_from: "CORRUPT_LIST_DEL", Killed;
    reference_count_saturates: "REFCOUNT_INC_OVERFLOW", GoesOn;
    reference_count_does_not_pass_zero: "REFCOUNT_DEC_NEGATIVE", GoesOn;
    freed_object_is_not_revived: "REFCOUNT_INC_ZERO", GoesOn;
}
