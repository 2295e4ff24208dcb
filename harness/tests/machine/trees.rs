//! What a developer does with a kernel tree, on a real one: builds, its own tests, `make test`, a series, a bisection.
//! One test, because its parts share the first build. It compiles for minutes: `GAUNTLET_SLOW=1` asks for it, and
//! `GAUNTLET_STEPS=series` for the steps whose name has that word.

pub mod linux;

use gauntlet_results::{Store, TestResult, Verdict};
use linux::{Linux, SEAL, processes_with};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// One configuration for everything: the kernel is compiled as a whole once.
const CONFIG: &str = "tiny+selftest+kunit";
/// A case that the bug in mm/memfd.c breaks, whatever else it breaks.
const CASE: &str = "memfd/grow_seal_refuses_every_growing";

type Step = (&'static str, fn(&Linux));

#[test]
fn a_developers_day() {
    let Some(linux) = Linux::ready() else { return };
    let steps: [Step; 8] = [
        ("the same revision is built once", built_once),
        ("kselftest: a verdict per subtest, KUnit: one per case", own_tests),
        ("make test names the seal case", make_test),
        ("make knows our targets and its own words", makes_words),
        ("Ctrl-C", stopped),
        ("a series", series),
        ("a bisection", bisection),
        ("other compilers", other_compilers),
    ];
    let wanted = std::env::var("GAUNTLET_STEPS").unwrap_or_default();
    for (name, step) in steps.into_iter().filter(|(name, _)| name.contains(&wanted)) {
        let started = Instant::now();
        step(&linux);
        println!("{name}: {} s", started.elapsed().as_secs());
    }
}

fn text(output: &Output) -> String {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    format!("{out}\n--- standard error ---\n{err}")
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{}: {}", output.status, text(output)))
}

fn built_once(linux: &Linux) {
    let build = || linux.gauntlet(&["kernel", "build", "-k", &linux.spec("@base", CONFIG)]).output().unwrap();
    let first = build();
    assert_eq!(code(&first), 0, "{}", text(&first));
    let started = Instant::now();
    let again = build();
    let said = text(&again);
    assert!(!said.contains("compiling") && !said.contains("configuring"), "{said}");
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "nothing is built, and yet it takes {:?}",
        started.elapsed()
    );
    assert_eq!(first.stdout, again.stdout);
}

fn own_tests(linux: &Linux) {
    let spec = linux.spec("@base", CONFIG);
    let mut arguments = vec!["test", "-k", &spec];
    const TARGETS: [&str; 5] = ["memfd", "seccomp", "exec", "timers", "cgroup"];
    TARGETS.iter().for_each(|target| arguments.extend(["--kselftest", target]));
    let output = linux.gauntlet(&arguments).output().unwrap();
    // Some of them fail in a virtual machine, whoever runs them; that everything has an answer is ours.
    assert!([0, 1].contains(&code(&output)), "{}", text(&output));
    let all = linux.last_results();
    for target in TARGETS {
        let of_target = |one: &&TestResult| one.case.starts_with(&format!("kselftest/{target}:"));
        let passed = all.iter().filter(of_target).filter(|one| one.verdict == Verdict::Pass).count();
        assert!(passed > 0, "nothing of {target} passes: {}", text(&output));
    }
    let subtests = all.iter().filter(|one| one.case.starts_with("kselftest/seccomp:seccomp_bpf/"));
    assert!(subtests.count() >= 80, "{}", text(&output));
    let unit: Vec<&TestResult> = all.iter().filter(|one| one.case.starts_with("kunit/")).collect();
    assert!(unit.len() >= 30, "{} cases of KUnit", unit.len());
    let bad = all.iter().filter(|one| {
        let silent = one.verdict != Verdict::Pass && one.reason.is_empty();
        one.verdict == Verdict::Infra
            || silent
            || (one.case.starts_with("kunit/") && one.verdict.is_failure())
    });
    let bad: Vec<String> = bad.map(|one| format!("{} {}: {}", one.case, one.verdict, one.reason)).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

fn make_test(linux: &Linux) {
    let tests = |more: &[&str]| linux.make(&[&["test", &format!("CONFIG={CONFIG}")], more].concat());
    assert_eq!(code(&linux.gauntlet(&["tree", "init", &linux.path()]).output().unwrap()), 0);
    linux.check_out("base");
    linux.replace("mm/memfd.c", SEAL);
    let broken = tests(&[]);
    let said = text(&broken);
    assert_eq!(code(&broken), 2, "make fails: {said}");
    for wanted in [CASE, "kselftest: memfd", "again ", "shell ", "bisect "] {
        assert!(said.contains(wanted), "{wanted} is missing: {said}");
    }
    assert_eq!(linux.git(&["status", "--porcelain"]), " M mm/memfd.c\n");
    linux.check_out("base");
    let undone = tests(&["CASE=memfd/*"]);
    assert_eq!(code(&undone), 0, "{}", text(&undone));
    assert_eq!(linux.git(&["status", "--porcelain"]), "");
}

fn makes_words(linux: &Linux) {
    let said = |arguments: &[&str]| {
        let output = linux.make(arguments);
        assert_eq!(code(&output), 0, "{}", text(&output));
        text(&output)
    };
    let help = said(&["help"]);
    assert!(help.contains("test-bisect") && help.contains("bzImage"), "{help}");
    let dry = said(&["-n", "test", "TARGETS=memfd exec", "SKIP_TARGETS=exec", "CASE=memfd/*"]);
    assert!(
        dry.contains("kselftest/memfd") && !dry.contains("kselftest/exec") && dry.contains(CASE),
        "{dry}"
    );
    linux.replace("mm/memfd.c", ("#include <linux/fs.h>", "#include <linux/fs.h> /* again */"));
    let config = format!("CONFIG={CONFIG}");
    let verbose = said(&["-j2", "test", &config, "V=1", &format!("CASE={CASE}")]);
    assert!(verbose.contains("-c -o mm/memfd.o"), "{verbose}");
    assert!(
        !verbose.contains("jobserver unavailable") && !verbose.contains("resetting jobserver"),
        "{verbose}"
    );
    linux.replace("mm/memfd.c", ("static void memfd_tag_pins", "static broken memfd_tag_pins"));
    linux.replace("mm/shmem.c", ("static int shmem_getattr", "static broken shmem_getattr"));
    let both = text(&linux.make(&["-k", "test", &config]));
    assert!(both.contains("mm/memfd.c:") && both.contains("mm/shmem.c:"), "{both}");
    linux.check_out("base");
}

/// A signal to us alone, as a supervisor sends it; a Ctrl-C at the terminal reaches make as well.
fn stopped(linux: &Linux) {
    // Another configuration, so that there is a lot to compile.
    let spec = linux.spec("@base", "tiny+kasan");
    let (output, took) =
        interrupt(linux.gauntlet(&["kernel", "build", "-k", &spec]), Duration::from_secs(20));
    assert_eq!(code(&output), 130, "{}", text(&output));
    assert!(took < Duration::from_secs(20), "stopping took {took:?}");
    assert_eq!(processes_with(&linux.build_folder()), Vec::<String>::new());
    let spec = linux.spec("@base", CONFIG);
    let (output, _) = interrupt(linux.gauntlet(&["test", "-j1", "-k", &spec]), Duration::from_secs(12));
    let said = text(&output);
    assert!(code(&output) == 130 && said.contains("Interrupted"), "{said}");
    let store = Store::open(linux.results.path()).unwrap();
    let run = store.load(&store.find_run("last").unwrap()).unwrap();
    assert!(run.end.is_some_and(|end| end.interrupted) && !run.results.is_empty(), "{said}");
}

fn interrupt(mut command: Command, after: Duration) -> (Output, Duration) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(after);
    let id = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let asked = Instant::now();
    (child.wait_with_output().unwrap(), asked.elapsed())
}

fn series(linux: &Linux) {
    let spec = linux.spec("@c2..c5", CONFIG);
    let output = linux.gauntlet(&["test", "-k", &spec, "memfd/*seal*"]).output().unwrap();
    let said = text(&output);
    assert_eq!(code(&output), 1, "{said}");
    let blamed: Vec<&str> = said.lines().skip_while(|line| !line.contains("commits, oldest first")).collect();
    let at = |subject: &str| {
        blamed.iter().position(|line| line.ends_with(subject)).unwrap_or_else(|| panic!("{said}"))
    };
    assert!(blamed[at("change 4") + 1].contains("BREAKS memfd/"), "{said}");
    for innocent in ["change 3", "change 5"] {
        assert!(blamed[at(innocent) + 1].contains("changes nothing"), "{said}");
    }
}

fn bisection(linux: &Linux) {
    let tree = format!("{},config={CONFIG}", linux.path());
    let arguments = ["bisect", "--tree", &tree, "--good", "base", "--bad", "c6", "--case", CASE];
    let output = linux.gauntlet(&arguments).output().unwrap();
    let said = text(&output);
    assert_eq!(code(&output), 0, "{said}");
    let found = said.lines().find(|line| line.starts_with("first with the new behaviour"));
    assert!(found.is_some_and(|line| line.ends_with("change 4")), "{said}");
    assert!(said.contains("% sure after"), "{said}");
}

/// By the words of the kernel's make (Documentation/kbuild/llvm.rst); the kernel says what it was built with.
fn other_compilers(linux: &Linux) {
    for (variable, name) in [("CROSS_COMPILE=x86_64-linux-gnu-", "x86_64-linux-gnu-gcc"), ("LLVM=1", "clang")]
    {
        let spec = format!("{},{variable}", linux.spec("@base", "tiny"));
        let output =
            linux.gauntlet(&["exec", "-k", &spec, "--", "sh", "-c", "cat /proc/version"]).output().unwrap();
        let said = text(&output);
        assert!(code(&output) == 0 && said.contains(name), "{variable}: {said}");
    }
}
