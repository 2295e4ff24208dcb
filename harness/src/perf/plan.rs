//! From what the user asked for to the list of workloads. Pure.

use crate::config::Glob;
use crate::error::nearest;
use crate::{Error, Result};
use gauntlet_workloads::{WORKLOADS, Workload};

/// The workloads that match any of these patterns (all when there is none), in the catalogue's order.
///
/// # Errors
/// A usage error that names the first pattern that matches nothing, with the nearest names.
pub fn select(patterns: &[Glob]) -> Result<Vec<&'static Workload>> {
    for pattern in patterns {
        if !WORKLOADS.iter().any(|workload| pattern.matches(workload.name)) {
            return Err(unknown(&pattern.to_string()));
        }
    }
    let wanted = |workload: &&Workload| patterns.is_empty() || Glob::any(patterns, workload.name);
    Ok(WORKLOADS.iter().copied().filter(wanted).collect())
}

fn unknown(pattern: &str) -> Error {
    let error = Error::usage(format!("no workload matches {pattern}"));
    match nearest(pattern.trim_matches('*'), WORKLOADS.iter().map(|workload| workload.name)).first() {
        Some(name) => error.hint(format!("did you mean {name}?")),
        None => error.hint("`gauntlet perf --list` shows every workload"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(patterns: &[&str]) -> Vec<&'static str> {
        let patterns: Vec<Glob> = patterns.iter().map(|pattern| Glob::new(*pattern)).collect();
        select(&patterns).unwrap().iter().map(|workload| workload.name).collect()
    }

    #[test]
    fn patterns_choose_in_the_catalogues_order() {
        assert_eq!(
            names(&["rename*", "getppid"]),
            ["getppid", "rename", "rename_exchange", "rename_noreplace"]
        );
        assert_eq!(names(&[]).len(), WORKLOADS.len());
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_an_error_even_beside_one_that_does() {
        let error = select(&[Glob::new("getppid"), Glob::new("memfd_sael")]).unwrap_err();
        assert!(error.to_string().contains("memfd_sael"));
        assert!(error.hints.iter().any(|hint| hint.contains("memfd_seal")));
    }
}
