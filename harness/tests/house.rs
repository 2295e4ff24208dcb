//! The rules that keep it a house: who may depend on whom, and how long things may get. ARCHITECTURE.md says why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Crate, and what it must not reach through any chain of our own crates.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "gauntlet-guest",
        &["gauntlet", "gauntlet-results", "gauntlet-qemu", "gauntlet-fuzzers", "tokio", "libafl"],
    ),
    (
        "gauntlet-executor",
        &["gauntlet", "gauntlet-results", "gauntlet-qemu", "gauntlet-fuzzers", "tokio", "libafl"],
    ),
    (
        "gauntlet-workloads",
        &["gauntlet", "gauntlet-results", "gauntlet-qemu", "gauntlet-fuzzers", "tokio", "libafl"],
    ),
    ("gauntlet-fuzzers", &["gauntlet", "gauntlet-qemu", "gauntlet-results"]),
    ("gauntlet-results", &["gauntlet", "gauntlet-qemu", "gauntlet-guest", "gauntlet-fuzzers", "tokio"]),
    ("gauntlet-perf", &["gauntlet", "gauntlet-qemu", "gauntlet-results", "tokio"]),
    (
        "gauntlet-qemu",
        &["gauntlet", "gauntlet-guest", "gauntlet-results", "gauntlet-perf", "gauntlet-fuzzers"],
    ),
];

/// Files that are one table of same-shaped entries.
const TABLES: &[&str] = &[];

/// Functions that are one flat table or one exhaustive match.
const LONG_FUNCTIONS: &[&str] = &[];

/// What is asked for the time of day, which people and programs set.
const CALENDARS: &[&str] = &[
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "ClockId::Realtime",
    "libc::CLOCK_REALTIME",
    "gettimeofday",
];

/// Code that decides or measures: the guest's cases set clocks to test them.
const TIMED: &[&str] = &[
    "harness/src",
    "harness/qemu/src",
    "harness/plugin/src",
    "harness/guest/src/agent",
    "fuzzers/src",
    "fuzzers/executor/src",
    "perf/src",
    "perf/workloads/src",
    "results/src",
];

/// Files that may ask for it: for the stamp of a run's start, an arbitrary number, the age of a file.
const STAMPING: &[&str] = &[
    "harness/src/run/sink.rs",
    "harness/src/cli/fuzz.rs",
    "harness/src/cli/test.rs",
    "harness/src/cli/testing.rs",
    "harness/qemu/src/cache.rs",
];

/// What each package of the workspace names in its manifest, tests aside.
fn manifest_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1", "--manifest-path"])
        .arg(Path::new(ROOT).join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let named = |package: &serde_json::Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|one| one["kind"] != "dev").map(|one| text(&one["name"])).collect()
    };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (text(&package["name"]), named(package)))
        .collect()
}

/// Everything a package reaches through packages of the workspace.
fn reach(start: &str, graph: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let (mut seen, mut todo) = (BTreeSet::new(), vec![start.to_owned()]);
    while let Some(name) = todo.pop() {
        let fresh: Vec<String> = graph
            .get(&name)
            .into_iter()
            .flatten()
            .filter(|next| seen.insert((*next).clone()))
            .cloned()
            .collect();
        todo.extend(fresh);
    }
    seen
}

#[test]
fn dependencies_point_one_way() {
    let graph = manifest_dependencies();
    for (package, forbidden) in FORBIDDEN {
        let reached = reach(package, &graph);
        assert!(graph.contains_key(*package), "{package} is no package of the workspace");
        for one in *forbidden {
            assert!(!reached.contains(*one), "{package} must not depend on {one}");
        }
    }
}

#[test]
fn the_protocol_depends_on_no_crate_of_ours() {
    let graph = manifest_dependencies();
    let ours: Vec<&String> =
        graph["gauntlet-protocol"].iter().filter(|name| name.starts_with("gauntlet")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[test]
fn libafl_is_named_in_one_place() {
    for (package, dependencies) in manifest_dependencies() {
        let named = dependencies.iter().any(|name| name.starts_with("libafl"));
        assert!(!named || package == "gauntlet-fuzzers", "{package} names libafl");
    }
}

/// Every source file of ours, relative to the root.
fn sources() -> Vec<(PathBuf, String)> {
    let mut todo: Vec<PathBuf> =
        ["harness", "fuzzers", "perf", "results"].iter().map(|room| Path::new(ROOT).join(room)).collect();
    let mut found = Vec::new();
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(ROOT).unwrap().to_owned();
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(found.len() > 30);
    found
}

fn listed(list: &[&str], path: &Path) -> bool {
    list.iter().any(|entry| Path::new(entry) == path)
}

#[test]
fn no_file_is_longer_than_500_lines() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 500 || listed(TABLES, &path), "{} has {lines} lines", path.display());
    }
}

#[test]
fn no_function_is_longer_than_80_lines() {
    for (path, text) in sources() {
        for (name, lines) in functions(&text) {
            let place = format!("{}:{name}", path.display());
            assert!(lines <= 80 || LONG_FUNCTIONS.contains(&&*place), "{place} has {lines} lines");
        }
    }
}

/// A deadline, a duration or a verdict by the time of day would be wrong when the host's clock jumps.
#[test]
fn only_stamps_and_ages_ask_for_the_time_of_day() {
    let asks = |text: &str| CALENDARS.iter().any(|name| text.contains(name));
    let timed = |path: &Path| TIMED.iter().any(|room| path.starts_with(room));
    let asking: BTreeSet<PathBuf> = sources()
        .into_iter()
        .filter(|(path, text)| timed(path) && asks(text))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(asking, STAMPING.iter().map(PathBuf::from).collect());
}

#[test]
fn main_is_a_sentence() {
    let text = std::fs::read_to_string(Path::new(ROOT).join("harness/src/main.rs")).unwrap();
    assert!(text.lines().count() <= 15);
}

#[test]
fn modules_are_files_beside_their_folders() {
    for (path, _) in sources() {
        // Under tests/ it is how cargo is told that a file is no test of its own.
        let odd = path.ends_with("mod.rs") && !path.components().any(|part| part.as_os_str() == "tests");
        assert!(!odd, "{}: name it after its module", path.display());
    }
}

/// Name and length of every function: from the line with `fn` to the closing brace at the same indentation,
/// which rustfmt guarantees.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line.trim_start()) else { continue };
        let indent = " ".repeat(line.len() - line.trim_start().len());
        let outer = |line: &str| line.strip_prefix(&*indent).is_some_and(|rest| rest.starts_with([')', '}']));
        let length = lines[start..].iter().position(|line| outer(line) && line.ends_with(['}', ';']));
        let closed = length.filter(|length| lines[start + length].ends_with('}'));
        found.extend(closed.map(|length| (name.to_owned(), length + 1)));
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let modifiers = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
    let is_item =
        before.split_whitespace().all(|word| modifiers.contains(&word)) && line.ends_with(['{', '(']);
    is_item.then(|| after.split(['(', '<']).next().unwrap_or_default())
}

#[test]
fn functions_are_measured_from_name_to_brace() {
    let text = "impl A {\n    pub async fn long<T>(a: T) {\n        if a {\n        }\n    }\n}\nfn b() {}\n";
    assert_eq!(functions(text), [("long".to_owned(), 4)]);
    let wrapped = "fn wrapped(\n    a: u8,\n) -> u8 {\n    a\n}\n";
    assert_eq!(functions(wrapped), [("wrapped".to_owned(), 5)]);
    let declared = "trait T {\n    fn declared(\n        a: u8,\n    );\n}\n";
    assert_eq!(functions(declared), []);
}
