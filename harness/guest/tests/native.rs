//! Every case that is safe outside a virtual machine, on the running kernel: it passes, or skips naming its cause.
//! Not root? Then the cases that need root say so and skip.
//!
//! A harness of its own, because a case needs a process without threads and because the exec cases execute this
//! very program (`helper::dispatch`). It speaks as much of libtest's command line as cargo and nextest use.

use gauntlet_guest::{Case, Context, Need, Stop, Suite, child, helper, suites};

/// Suites whose cases touch nothing but themselves and their scratch directory.
const SAFE: &[&str] =
    &["getrandom", "memfd", "renameat2", "execveat", "seccomp", "bpf", "userfaultfd", "net", "kdbus"];

/// Cases of those that change settings of the whole machine.
const UNSAFE: &[&str] = &[
    "memfd/huge_file_keeps",
    "bpf/interpreter_",
    "bpf/disabled_",
    "bpf/privileged_",
    "bpf/pointer_leak_",
    "bpf/long_or_",
    "userfaultfd/privilege_",
    "userfaultfd/sysctl_",
    "userfaultfd/user_mode_only_needs_",
    "userfaultfd/device_",
    "userfaultfd/huge_",
    "seccomp/action_sysctls_",
    "seccomp/administrator_",
    "seccomp/records_",
    "seccomp/log_wins_",
    "net/veth_",
    "net/nft_",
];

/// Suites whose every call needs privilege.
const ROOT_ONLY: &[&str] = &["bpf", "userfaultfd"];

fn main() {
    let arguments: Vec<_> = std::env::args_os().collect();
    helper::dispatch(&arguments);
    let words: Vec<String> =
        arguments.iter().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let exact = words.iter().any(|word| word == "--exact");
    let filters: Vec<&String> =
        words.iter().filter(|word| !word.starts_with('-') && *word != "terse").collect();
    let wanted = |name: &str| {
        let chosen = filters.is_empty()
            || filters.iter().any(|f| if exact { name == f.as_str() } else { name.contains(f.as_str()) });
        chosen && !UNSAFE.iter().any(|prefix| name.starts_with(prefix))
    };
    let chosen = suites::all().filter(|(name, suite, _)| SAFE.contains(&suite.name) && wanted(name));
    if words.iter().any(|word| word == "--list") {
        // nextest asks a second time for ignored tests, of which there are none.
        let chosen = chosen.filter(|_| !words.iter().any(|word| word == "--ignored"));
        chosen.for_each(|(name, ..)| println!("{name}: test"));
        return;
    }
    let failed = chosen.filter(|(name, suite, case)| !passes(name, suite, case)).count();
    std::process::exit(if failed == 0 { 0 } else { 101 });
}

/// Runs one case in a forked child and tells its verdict.
fn passes(name: &str, suite: &Suite, case: &Case) -> bool {
    let root_only = ROOT_ONLY.contains(&suite.name) && child::needs_root().is_err();
    let unmet = match root_only {
        true => Some("needs root".into()),
        false => suite.needs.iter().chain(case.needs).find_map(unmet),
    };
    let result = match unmet {
        Some(cause) => Err(Stop::Skip(cause)),
        None => child::isolated(|| in_scratch(case)),
    };
    let (passes, verdict) = match result {
        Ok(()) => (true, "ok".into()),
        Err(Stop::Skip(cause)) => (!cause.is_empty(), format!("skipped: {cause}")),
        Err(stop) => (false, format!("FAILED: {stop:?}")),
    };
    println!("test {name} ... {verdict}");
    passes
}

/// Runs the case in a scratch directory on tmpfs: of its own in a private mount namespace, as in the virtual
/// machine, or without root in shared memory's.
fn in_scratch(case: &Case) -> Result<(), Stop> {
    // A name nobody else has: what a killed run left may carry our process number.
    let folder = tempfile::Builder::new().prefix("gauntlet-native-").tempdir_in("/dev/shm");
    let folder = folder.map_err(|error| Stop::Broken(format!("/dev/shm: {error}")))?;
    let scratch = folder.path().to_owned();
    child::isolated(|| {
        if child::needs_root().is_ok() {
            // Under `gauntlet exec` the root is a changed one, where nothing can be made private.
            if gauntlet_guest::mounts::private().is_ok() {
                gauntlet_guest::mounts::mount("tmpfs", &scratch, 0)?;
            }
        } else {
            // What lets others than root filter their calls (seccomp(2)).
            // SAFETY: takes no pointers.
            unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        }
        std::env::set_current_dir(&scratch).map_err(|error| Stop::Broken(error.to_string()))?;
        let context = Context {
            seed: 1,
            exact: false,
            scratch: scratch.clone(),
            files: scratch.join("files"),
            region: None,
        };
        (case.run)(&context)
    })
}

/// What the running kernel lacks of a need. Symbols cannot be asked for here: a case meets a missing call itself.
fn unmet(need: &Need) -> Option<String> {
    let (major, minor) = running();
    match *need {
        Need::Since { major: m, minor: n, what } if (major, minor) < (m, n) => {
            Some(format!("{what}: since {m}.{n}"))
        }
        Need::Before { major: m, minor: n, what } if (major, minor) >= (m, n) => {
            Some(format!("{what}: before {m}.{n}"))
        }
        Need::Exact => Some("needs virtual time".into()),
        Need::Cpus(n) => {
            let have = std::thread::available_parallelism().map_or(1, |n| n.get());
            (have < n as usize).then(|| format!("needs {n} CPUs, has {have}"))
        }
        _ => None,
    }
}

fn running() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("proc is mounted");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
