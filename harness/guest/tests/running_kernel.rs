//! Runs the cases that leave no trace on the kernel that runs the tests. It shows that a case's idea of the
//! kernel is right somewhere; whether it is right everywhere, the real kernels in QEMU show.

use gauntlet_guest::unprivileged::in_child;
use gauntlet_guest::{Context, Stop, Suite, suites};

/// Cases that change the machine's settings or take its processors.
const NOT_HERE: &[&str] =
    &["bpf/interpreter_", "bpf/disabled_", "bpf/privileged_", "bpf/pointer_leak_", "bpf/long_or_"];

fn run_here(suite: &Suite) {
    // SAFETY: no arguments.
    if unsafe { libc::geteuid() } != 0 {
        println!("{}: cases run as root only", suite.name);
        return;
    }
    let wanted = std::env::var("CASE").unwrap_or_default();
    let mut failures = vec![];
    for case in suite.cases {
        let name = format!("{}/{}", suite.name, case.name);
        if NOT_HERE.iter().any(|prefix| name.starts_with(prefix)) || !name.contains(&wanted) {
            continue;
        }
        let scratch = std::env::temp_dir().join(format!("gauntlet-{}-{}", std::process::id(), case.name));
        std::fs::create_dir_all(&scratch).unwrap();
        let context =
            Context { seed: 7, exact: false, scratch: scratch.clone(), files: scratch.clone(), region: None };
        let started = std::time::Instant::now();
        let verdict = in_child(|| Ok(()), || (case.run)(&context));
        println!("{name}: {verdict:?} after {:?}", started.elapsed());
        if let Err(Stop::Fail(_) | Stop::Broken(_)) = verdict {
            failures.push(format!("{name}: {verdict:?}"));
        }
        std::fs::remove_dir_all(&scratch).unwrap();
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn bpf() {
    run_here(&suites::bpf::SUITE);
}
