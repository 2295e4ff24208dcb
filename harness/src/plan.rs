//! From what the user asked for to the list of cases. Pure.

use crate::config::Glob;
use crate::{Error, Result};
use gauntlet_guest::{Case, FileNeed, Need, Suite, suites};

/// One case that is to be run on every kernel.
#[derive(Debug, Clone, Copy)]
pub struct PlannedCase {
    pub suite: &'static Suite,
    pub case: &'static Case,
}

impl PlannedCase {
    /// `suite/case`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.suite.name, self.case.name)
    }

    /// What the suite needs, then what the case needs.
    pub fn needs(&self) -> impl Iterator<Item = &'static Need> {
        self.suite.needs.iter().chain(self.case.needs)
    }

    /// The modules it loads itself.
    pub fn module_files(&self) -> impl Iterator<Item = &'static str> {
        self.case.files.iter().filter_map(|file| match *file {
            FileNeed::Module(name) => Some(name),
            FileNeed::KernelImage | FileNeed::AgentInitrd | FileNeed::Filesystem(_) => None,
        })
    }
}

/// The cases of these suites (all when none is named) that match these patterns (any when there is none), in
/// the catalogue's order. A pattern without `*`, `?` or `/` matches anywhere in the name.
///
/// # Errors
/// Usage errors that name an unknown suite, or the patterns that match nothing, with the nearest names.
pub fn select(wanted_suites: &[String], patterns: &[Glob]) -> Result<Vec<PlannedCase>> {
    for name in wanted_suites {
        if !suites::SUITES.iter().any(|suite| suite.name == name) {
            return Err(Error::unknown("suite", name, suites::SUITES.iter().map(|suite| suite.name)));
        }
    }
    let planned: Vec<PlannedCase> = suites::all()
        .filter(|(_, suite, _)| {
            wanted_suites.is_empty() || wanted_suites.iter().any(|name| name == suite.name)
        })
        .filter(|(name, ..)| patterns.is_empty() || Glob::any(patterns, name))
        .map(|(_, suite, case)| PlannedCase { suite, case })
        .collect();
    if planned.is_empty() {
        return Err(nothing_matches(patterns));
    }
    Ok(planned)
}

fn nothing_matches(patterns: &[Glob]) -> Error {
    let typed: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    let typed = typed.join(", ");
    let names: Vec<String> = suites::all().map(|(name, ..)| name).collect();
    let near = crate::error::nearest(typed.trim_matches('*'), names.iter().map(String::as_str));
    let error = Error::usage(format!("no case matches {typed}"));
    match near.first() {
        Some(name) => error.hint(format!("did you mean {name}?")),
        None => error.hint("`gauntlet test --list` shows every case"),
    }
}

/// What a person types after `--filter`: a pattern over whole names, or a word to find anywhere in them.
pub fn pattern(typed: &str) -> Glob {
    if typed.contains(['*', '?', '/']) { Glob::new(typed) } else { Glob::new(format!("*{typed}*")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_suite_is_named_with_its_neighbour() {
        let error = select(&["getrandmo".to_owned()], &[]).unwrap_err();
        assert!(error.to_string().contains("getrandmo"));
        assert!(error.hints.iter().any(|hint| hint.contains("getrandom")));
    }

    #[test]
    fn a_filter_that_matches_nothing_is_an_error_not_an_empty_run() {
        assert!(select(&[], &[pattern("no_such_case")]).is_err());
    }

    #[test]
    fn a_bare_word_is_found_anywhere_and_a_pattern_is_taken_as_it_is() {
        let all = select(&[], &[pattern("unknown_flag")]).unwrap();
        assert!(all.iter().any(|planned| planned.name() == "getrandom/unknown_flag_is_refused"));
        assert_eq!(select(&[], &[pattern("getrandom/unknown_flag_is_refused")]).unwrap().len(), 1);
    }
}
