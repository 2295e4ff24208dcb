//! From facts about the machine to what is good, limited or missing. Pure.

use serde::Serialize;

/// What was found on this machine.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) root: bool,
    /// QEMU's version line, or why there is none.
    pub(super) qemu: Result<String, String>,
    /// QEMU knows `-plugin`.
    pub(super) plugins: bool,
    /// What machines will run on, or why none was tried.
    pub(super) accelerator: Result<String, String>,
    /// Programs and headers that were looked for and are not there.
    pub(super) absent: Vec<&'static str>,
    /// Where the cache goes, and bytes free there.
    pub(super) cache: (String, u64),
    /// Where results go, and bytes free there.
    pub(super) results: (String, u64),
    /// `MemAvailable`, bytes.
    pub(super) memory: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Good,
    /// Some verbs or kernel sources do not work.
    Limited,
    /// Nothing works without it.
    Missing,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) what: &'static str,
    pub(super) state: State,
    pub(super) found: String,
    /// The command that mends it.
    pub(super) mend: Option<String>,
}

/// What fetching `deb:` kernels runs.
pub(super) const APT_TOOLS: &[&str] = &["apt-get", "apt-cache"];

/// What building a `tree:` kernel needs, and the Debian package of each
/// (Documentation/process/changes.rst in the kernel's sources).
pub(super) const BUILD_TOOLS: &[(&str, &str)] = &[
    ("git", "git"),
    ("make", "make"),
    ("gcc", "gcc"),
    ("ld", "binutils"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("perl", "perl"),
    ("gelf.h", "libelf-dev"),
    ("openssl/ssl.h", "libssl-dev"),
];

/// What makes the filesystems that some cases run on, and the Debian package of each.
pub(super) const FILESYSTEM_TOOLS: &[(&str, &str)] =
    &[("mkfs.ext4", "e2fsprogs"), ("mkfs.xfs", "xfsprogs"), ("mkfs.btrfs", "btrfs-progs")];

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// An unpacked distribution kernel takes 20 to 120 MB, its template the RAM it touched.
const LEAST_CACHE: u64 = 2 * GIB;
const LEAST_RESULTS: u64 = 256 * MIB;
/// One template and one clone with the default RAM, and the program itself.
const LEAST_MEMORY: u64 = 768 * MIB;

pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    vec![
        qemu(facts),
        plugins(facts),
        accelerator(facts),
        packages(facts),
        trees(facts),
        filesystems(facts),
        disk("cache", &facts.cache, LEAST_CACHE, "GAUNTLET_CACHE"),
        disk("results", &facts.results, LEAST_RESULTS, "GAUNTLET_RESULTS"),
        memory(facts),
    ]
}

fn qemu(facts: &Facts) -> Check {
    match &facts.qemu {
        Ok(version) => Check { what: "QEMU", state: State::Good, found: version.clone(), mend: None },
        Err(why) => Check {
            what: "QEMU",
            state: State::Missing,
            found: why.clone(),
            mend: Some(install(facts, &["qemu-system-x86"])),
        },
    }
}

fn plugins(facts: &Facts) -> Check {
    let (state, found) = match (&facts.qemu, facts.plugins) {
        (Err(_), _) => (State::Limited, "unknown without QEMU"),
        (Ok(_), true) => (State::Good, "TCG plugins load: coverage and counts on any kernel"),
        (Ok(_), false) => {
            (State::Limited, "this QEMU was built without TCG plugins: no coverage without KCOV")
        }
    };
    Check { what: "plugins", state, found: found.to_owned(), mend: None }
}

fn accelerator(facts: &Facts) -> Check {
    let (state, found) = match &facts.accelerator {
        Ok(found) => (State::Good, found),
        Err(why) => (State::Missing, why),
    };
    Check { what: "accelerator", state, found: found.clone(), mend: None }
}

fn packages(facts: &Facts) -> Check {
    let absent: Vec<&str> = APT_TOOLS.iter().copied().filter(|tool| facts.absent.contains(tool)).collect();
    let (state, found) = match absent.as_slice() {
        [] => (State::Good, "apt fetches deb: kernels".to_owned()),
        absent => (State::Limited, format!("no deb: kernels without {}; path: works", absent.join(", "))),
    };
    Check { what: "packages", state, found, mend: None }
}

fn trees(facts: &Facts) -> Check {
    let words = ("tree: kernels can be built", "no tree: kernels without");
    tools(facts, "tree builds", BUILD_TOOLS, words)
}

fn filesystems(facts: &Facts) -> Check {
    let words = ("cases on ext4, xfs and btrfs run", "cases on a filesystem skip without its");
    tools(facts, "filesystems", FILESYSTEM_TOOLS, words)
}

fn tools(
    facts: &Facts,
    what: &'static str,
    tools: &[(&'static str, &'static str)],
    (good, without): (&str, &str),
) -> Check {
    let absent: Vec<_> = tools.iter().filter(|(tool, _)| facts.absent.contains(tool)).collect();
    if absent.is_empty() {
        return Check { what, state: State::Good, found: good.to_owned(), mend: None };
    }
    let names: Vec<&str> = absent.iter().map(|(tool, _)| *tool).collect();
    let packages: Vec<&str> = absent.iter().map(|(_, package)| *package).collect();
    let found = format!("{without} {}", names.join(", "));
    Check { what, state: State::Limited, found, mend: Some(install(facts, &packages)) }
}

fn disk(what: &'static str, (path, free): &(String, u64), least: u64, variable: &str) -> Check {
    let found = format!("{path}: {} free", bytes(*free));
    if *free >= least {
        return Check { what, state: State::Good, found, mend: None };
    }
    Check {
        what,
        state: State::Missing,
        found: format!("{found}, {} needed", bytes(least)),
        mend: Some(format!("export {variable}=DIRECTORY-ON-A-LARGER-DISK")),
    }
}

fn memory(facts: &Facts) -> Check {
    let found = format!("{} available", bytes(facts.memory));
    match facts.memory >= LEAST_MEMORY {
        true => Check { what: "memory", state: State::Good, found, mend: None },
        false => {
            let found = format!("{found}, {} needed; close something", bytes(LEAST_MEMORY));
            Check { what: "memory", state: State::Missing, found, mend: None }
        }
    }
}

fn install(facts: &Facts, packages: &[&str]) -> String {
    let sudo = if facts.root { "" } else { "sudo " };
    format!("{sudo}apt-get install --no-install-recommends {}", packages.join(" "))
}

fn bytes(count: u64) -> String {
    match count {
        GIB.. => format!("{:.1} GB", count as f64 / GIB as f64),
        _ => format!("{} MB", count / MIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Facts {
        Facts {
            root: false,
            qemu: Ok("QEMU emulator version 7.2.22".to_owned()),
            plugins: true,
            accelerator: Ok("TCG".to_owned()),
            absent: Vec::new(),
            cache: ("/c".to_owned(), 10 * GIB),
            results: ("/r".to_owned(), 10 * GIB),
            memory: 4 * GIB,
        }
    }

    /// What is not good, with its command.
    fn ailing(facts: &Facts) -> Vec<(&'static str, State, Option<String>)> {
        let checks = judge(facts).into_iter().filter(|check| check.state != State::Good);
        checks.map(|check| (check.what, check.state, check.mend)).collect()
    }

    #[test]
    fn a_healthy_machine_has_nothing_to_mend() {
        assert_eq!(ailing(&healthy()), []);
    }

    #[test]
    fn without_qemu_nothing_works() {
        let facts = Facts { qemu: Err("not installed".to_owned()), root: true, ..healthy() };
        let mend = "apt-get install --no-install-recommends qemu-system-x86".to_owned();
        assert_eq!(ailing(&facts), [("QEMU", State::Missing, Some(mend)), ("plugins", State::Limited, None)]);
    }

    #[test]
    fn missing_build_tools_limit_trees_only_and_name_their_packages() {
        let facts = Facts { absent: vec!["bison", "gelf.h"], ..healthy() };
        let mend = "sudo apt-get install --no-install-recommends bison libelf-dev".to_owned();
        assert_eq!(ailing(&facts), [("tree builds", State::Limited, Some(mend))]);
    }

    #[test]
    fn a_missing_mkfs_limits_its_filesystem_only() {
        let facts = Facts { absent: vec!["mkfs.xfs"], root: true, ..healthy() };
        let mend = "apt-get install --no-install-recommends xfsprogs".to_owned();
        assert_eq!(ailing(&facts), [("filesystems", State::Limited, Some(mend))]);
    }

    #[test]
    fn a_full_disk_names_the_variable_that_moves_it() {
        let facts = Facts { cache: ("/c".to_owned(), GIB), ..healthy() };
        let mend = "export GAUNTLET_CACHE=DIRECTORY-ON-A-LARGER-DISK".to_owned();
        assert_eq!(ailing(&facts), [("cache", State::Missing, Some(mend))]);
    }

    #[test]
    fn little_memory_is_missing() {
        assert_eq!(ailing(&Facts { memory: 100 * MIB, ..healthy() }), [("memory", State::Missing, None)]);
    }
}
