//! Live patching: a real module, made for the kernel, patched in and out.

use crate::module::DONOR;
use crate::{Case, CaseResult, Context, FileNeed, Need, Suite};

mod effect;
mod patch;
mod refusal;
mod transition;

use {effect::*, refusal::*, transition::*};

pub const SUITE: Suite = Suite {
    name: "livepatch",
    about: "live patching, Documentation/livepatch/livepatch.rst",
    needs: &[
        Need::Config("LIVEPATCH"),
        // 5.10 has the same structures, but our patches find neither their functions' tasks nor their callbacks there.
        Need::Since { major: 6, minor: 1, what: "kernels that the hand-made patches are known to fit" },
    ],
    cases: CASES,
};

/// Every case builds its patches after the pattern of a module of the kernel's own.
const fn case(name: &'static str, cites: &'static str, run: fn(&Context) -> CaseResult) -> Case {
    Case { name, cites, needs: &[], files: &[FileNeed::Module(DONOR)], splats: &[], run }
}

const CASES: &[Case] = &[
    case(
        "patched_function_is_called_instead",
        "livepatch.rst 2. Kprobes, Ftrace, Livepatching",
        patched_function_is_called_instead,
    ),
    case(
        "disabled_patch_gives_the_old_function_back",
        "livepatch.rst 5.4. Disabling",
        disabled_patch_gives_the_old_function_back,
    ),
    case(
        "patch_comes_and_goes_ten_times",
        "livepatch.rst 5. Livepatch life-cycle",
        patch_comes_and_goes_ten_times,
    ),
    case("two_functions_are_patched_apart", "livepatch.rst 4.2. Metadata", two_functions_are_patched_apart),
    case(
        "later_patch_of_a_function_wins",
        "livepatch.rst 4.1. New functions; struct klp_ops, the function stack",
        later_patch_of_a_function_wins,
    ),
    case("earlier_patch_can_go_first", "livepatch.rst 5.4. Disabling", earlier_patch_can_go_first),
    case(
        "cumulative_patch_replaces_all_others",
        "Documentation/livepatch/cumulative-patches.rst",
        cumulative_patch_replaces_all_others,
    ),
    case(
        "patch_shows_itself_in_sysfs",
        "Documentation/ABI/testing/sysfs-kernel-livepatch",
        patch_shows_itself_in_sysfs,
    ),
    case(
        "patch_taints_the_kernel",
        "Documentation/admin-guide/tainted-kernels.rst: bit 15",
        patch_taints_the_kernel,
    ),
    case("running_patch_cannot_be_unloaded", "livepatch.rst 5.5. Removing", running_patch_cannot_be_unloaded),
    case(
        "callbacks_are_called_in_order",
        "Documentation/livepatch/callbacks.rst",
        callbacks_are_called_in_order,
    ),
    case("unknown_function_is_refused", "livepatch.rst 5.1. Loading", unknown_function_is_refused),
    case(
        "module_that_is_no_livepatch_is_refused",
        "Documentation/livepatch/module-elf-format.rst 6: MODULE_INFO(livepatch)",
        module_that_is_no_livepatch_is_refused,
    ),
    case(
        "patch_that_wants_not_to_is_not_applied",
        "Documentation/livepatch/callbacks.rst: pre-patch callbacks may fail",
        patch_that_wants_not_to_is_not_applied,
    ),
    case(
        "enabled_takes_changes_only",
        "Documentation/ABI/testing/sysfs-kernel-livepatch: enabled",
        enabled_takes_changes_only,
    ),
    case(
        "only_root_switches_patches",
        "Documentation/ABI/testing/sysfs-kernel-livepatch",
        only_root_switches_patches,
    ),
    case(
        "readers_under_load_see_one_version_whole",
        "livepatch.rst 3. Consistency model",
        readers_under_load_see_one_version_whole,
    ),
    case(
        "no_task_is_between_worlds_afterwards",
        "livepatch.rst 3.: /proc/<pid>/patch_state is -1",
        no_task_is_between_worlds_afterwards,
    ),
    case(
        "sleeper_in_the_old_function_holds_the_transition",
        "livepatch.rst 3. Consistency model: stack checking",
        sleeper_in_the_old_function_holds_the_transition,
    ),
    Case {
        needs: &[Need::Config("INOTIFY_USER")],
        ..case(
            "task_that_has_not_switched_gets_the_old_function",
            "livepatch.rst 3. Consistency model: a function is never called in the wrong version by a task",
            task_that_has_not_switched_gets_the_old_function,
        )
    },
    case(
        "enabled_takes_changes_only_in_transition",
        "Documentation/ABI/testing/sysfs-kernel-livepatch: enabled; livepatch.rst 3.: the opposite value",
        enabled_takes_changes_only_in_transition,
    ),
    case(
        "transition_can_be_reversed",
        "livepatch.rst 3.: by writing the opposite value to enabled",
        transition_can_be_reversed,
    ),
    case("transition_can_be_forced", "livepatch.rst 3.: force", transition_can_be_forced),
    case(
        "second_patch_waits_for_the_transition",
        "kernel/livepatch/core.c klp_enable_patch: EBUSY",
        second_patch_waits_for_the_transition,
    ),
];
