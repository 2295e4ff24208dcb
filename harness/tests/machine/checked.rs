//! A kernel that checks itself: KASAN and lockdep speak on a real kernel, each with its one title, and lkdtm shows every
//! protection at work. It compiles for minutes: `GAUNTLET_SLOW=1` asks for it.

use crate::trees::linux::Linux;
use std::process::Output;

/// Lockdep, and lines for the frames.
const CHECKS: &str = "CONFIG_PROVE_LOCKING=y\nCONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y\n";

/// What lkdtm is asked for, and the title of what the kernel says.
const COMPLAINTS: &[(&str, &str)] = &[
    ("WRITE_AFTER_FREE", "KASAN: use-after-free Write in lkdtm_WRITE_AFTER_FREE"),
    ("READ_AFTER_FREE", "KASAN: use-after-free Read in lkdtm_READ_AFTER_FREE"),
    ("ABBA", "possible deadlock in lkdtm_ABBA"),
];

#[test]
fn kasan_lockdep_and_lkdtm_speak_for_themselves() {
    let Some(linux) = Linux::ready() else { return };
    let folder = tempfile::tempdir().unwrap();
    let fragment = folder.path().join("checks.config");
    std::fs::write(&fragment, CHECKS).unwrap();
    let spec = linux.spec("@abba", &format!("tiny+base+hardening+kasan+{}", fragment.display()));
    for (wanted, title) in COMPLAINTS {
        let script = format!("echo {wanted} > /sys/kernel/debug/provoke-crash/DIRECT; echo it goes on");
        let arguments = ["exec", "-k", &spec, "--mem", "1G", "--", "sh", "-c", &script];
        let (code, said) = run(linux.gauntlet(&arguments).output().unwrap());
        assert!(code == 1 && said.contains("CRASH: 6.1.") && said.contains(title), "{wanted}: {said}");
    }
    let output = linux.gauntlet(&["test", "-k", &spec, "--mem", "1G", "hardening/*"]).output().unwrap();
    let (code, said) = run(output);
    assert_eq!(code, 0, "a sound kernel: {said}");
    assert!(!said.contains("missing config symbol: CONFIG_LKDTM"), "{said}");
    let all = linux.last_results();
    let provoked = all.iter().find(|one| one.case == "hardening/overwritten_stack_is_noticed").unwrap();
    assert!(
        provoked.console.contains("drivers/misc/lkdtm/bugs.c:"),
        "no line of source: {}",
        provoked.console
    );
}

fn run(output: Output) -> (i32, String) {
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code().unwrap_or(-1), said.join("\n"))
}
