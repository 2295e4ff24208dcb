//! Which tests a change of the kernel touches: by path, by system call and by symbol. The map is `configs/tree/impact.yaml`;
//! this reads it and a diff. Pure.

use crate::config::Glob;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeSet;

/// The map that is part of the program.
const MAP: &str = include_str!("../../configs/tree/impact.yaml");

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    pub smoke: Smoke,
    impact: Vec<Entry>,
}

/// What runs whatever was changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smoke {
    /// Patterns of cases.
    pub cases: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    symbols: Vec<String>,
    #[serde(default)]
    suites: Vec<String>,
    #[serde(default)]
    targets: Vec<String>,
}

/// What a diff is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    pub paths: BTreeSet<String>,
    /// Functions as the hunks name them, system calls as `sys_NAME`, and words of the changed lines.
    pub symbols: BTreeSet<String>,
}

/// Tests that a change touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    pub suites: BTreeSet<String>,
    /// kselftest targets.
    pub targets: BTreeSet<String>,
}

impl Map {
    /// The map that is part of the program.
    ///
    /// # Errors
    /// Never: a test reads it.
    pub fn embedded() -> Result<Map> {
        serde_yaml::from_str(MAP).map_err(|error| Error::infra("configs/tree/impact.yaml").because(error))
    }

    pub fn touched(&self, change: &Change) -> Touched {
        let any = |patterns: &[String], names: &BTreeSet<String>| {
            let patterns: Vec<Glob> = patterns.iter().map(Glob::new).collect();
            names.iter().any(|name| patterns.iter().any(|pattern| pattern.matches(name)))
        };
        let mut touched = Touched::default();
        let hit = |entry: &&Entry| any(&entry.paths, &change.paths) || any(&entry.symbols, &change.symbols);
        for entry in self.impact.iter().filter(hit) {
            touched.suites.extend(entry.suites.iter().cloned());
            touched.targets.extend(entry.targets.iter().cloned());
        }
        // A change of a kselftest is tested by running it.
        let own = change.paths.iter().filter_map(|path| path.strip_prefix("tools/testing/selftests/"));
        touched
            .targets
            .extend(own.filter_map(|path| path.rsplit_once('/')).map(|(target, _)| target.to_owned()));
        touched
    }
}

impl Change {
    /// Reads a unified diff.
    pub fn of_diff(diff: &str) -> Change {
        let mut change = Change::default();
        for line in diff.lines() {
            if let Some(path) = line.strip_prefix("+++ b/").or_else(|| line.strip_prefix("--- a/")) {
                change.paths.insert(path.to_owned());
            } else if let Some((_, function)) =
                line.strip_prefix("@@ ").and_then(|rest| rest.split_once("@@"))
            {
                change.mention(function);
            } else if let Some(text) = line.strip_prefix(['+', '-']) {
                change.mention(text);
            }
        }
        change
    }

    fn mention(&mut self, text: &str) {
        if let Some((_, call)) = text.split_once("SYSCALL_DEFINE")
            && let Some((_, call)) = call.split_once('(')
        {
            let name: String = call.chars().take_while(|letter| is_word(*letter)).collect();
            self.symbols.insert(format!("sys_{name}"));
        }
        let words = text.split(|letter: char| !is_word(letter)).filter(|word| word.contains('_'));
        self.symbols.extend(words.map(str::to_owned));
    }
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(diff: &str) -> (Vec<String>, Vec<String>) {
        let touched = Map::embedded().unwrap().touched(&Change::of_diff(diff));
        (touched.suites.into_iter().collect(), touched.targets.into_iter().collect())
    }

    #[test]
    fn a_path_names_its_suites_and_targets() {
        let diff = "--- a/mm/memfd.c\n+++ b/mm/memfd.c\n@@ -1,0 +2 @@ static int x(void)\n+\treturn 0;\n";
        assert_eq!(touched(diff), (vec!["memfd".into()], vec!["memfd".into()]));
    }

    #[test]
    fn so_does_a_system_call_and_a_symbol_elsewhere() {
        let call = "+++ b/kernel/sys.c\n@@ -1 +1 @@ SYSCALL_DEFINE3(getrandom, char __user *, buf\n+x\n";
        assert_eq!(touched(call).0, ["getrandom"]);
        assert_eq!(
            touched("+++ b/lib/x.c\n@@ -1 +1 @@ int y(void)\n+\tseccomp_run_filters(sd);\n").0,
            ["seccomp"]
        );
        assert_eq!(touched("+++ b/README\n+words about memfd\n"), (vec![], vec![]));
    }

    #[test]
    fn a_changed_selftest_is_run() {
        assert_eq!(touched("+++ b/tools/testing/selftests/net/forwarding/lib.sh\n").1, ["net/forwarding"]);
    }

    #[test]
    fn the_map_names_only_suites_and_cases_that_exist() {
        let map = Map::embedded().unwrap();
        let known: Vec<&str> = gauntlet_guest::suites::SUITES.iter().map(|suite| suite.name).collect();
        for entry in &map.impact {
            assert!(!entry.paths.is_empty() || !entry.symbols.is_empty());
            assert!(entry.suites.iter().all(|suite| known.contains(&suite.as_str())), "{:?}", entry.suites);
        }
        let touched: BTreeSet<&String> = map.impact.iter().flat_map(|entry| &entry.suites).collect();
        assert!(known.iter().filter(|suite| touched.contains(&(**suite).to_owned())).count() >= 8);
        for pattern in &map.smoke.cases {
            let pattern = Glob::new(pattern);
            assert!(gauntlet_guest::suites::all().any(|(name, ..)| pattern.matches(&name)), "{pattern}");
        }
    }
}
