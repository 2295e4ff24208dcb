//! The candidates of a bisection: a list of kernel builds.

use super::{Candidates, git};
use crate::kernel::catalogue::{self, Offer};
use crate::kernel::spec::TreeSpec;
use crate::kernel::tree::program::MachinePrograms;
use crate::kernel::tree::source::Repository;
use crate::kernel::{Cache, KernelSpec, deb};
use crate::{Error, Result};
use std::path::Path;

/// The good end's spec first, then one per candidate; and how they relate.
#[derive(Debug)]
pub struct Range {
    pub specs: Vec<String>,
    pub candidates: Candidates,
}

/// A list of specs, oldest first: the first is the good end, the last the bad one. `deb:*/FLAVOUR` stands for
/// every kernel of that flavour that apt offers, in the order of their versions.
///
/// # Errors
/// Usage errors when fewer than two kernels come of it.
pub fn listed(specs: &[String], cache: &Path) -> Result<Range> {
    let mut all = Vec::new();
    for spec in specs {
        match wildcard(spec) {
            Some((suite, flavour)) => all.extend(offered(suite, flavour, cache)?),
            None => all.push(spec.clone()),
        }
    }
    if all.len() < 2 {
        return Err(Error::usage("a bisection needs a good kernel and a bad one")
            .hint("--kernels deb:6.1/cloud --kernels deb:6.12/cloud")
            .hint("--kernels 'deb:*/cloud' stands for all that apt offers, oldest first"));
    }
    let names = all.iter().skip(1).map(|spec| (spec.clone(), spec.clone()));
    let candidates = Candidates::linear(names).map_err(Error::usage)?;
    Ok(Range { specs: all, candidates })
}

/// `deb:*/cloud` or `deb:SUITE:*/cloud`.
fn wildcard(spec: &str) -> Option<(Option<&str>, &str)> {
    let rest = spec.strip_prefix("deb:")?;
    if let Some(flavour) = rest.strip_prefix("*/") {
        return Some((None, flavour));
    }
    let (suite, flavour) = rest.split_once(":*/")?;
    Some((Some(suite), flavour))
}

fn offered(suite: Option<&str>, flavour: &str, cache: &Path) -> Result<Vec<String>> {
    let cache = Cache::at(cache)?;
    let apt = deb::open(suite, &cache, &|_| {})?;
    let offers = catalogue::offers(&deb::packages(apt.as_ref())?, suite, true, &cache)?;
    let wanted = format!("-{flavour}-amd64");
    let found: Vec<String> =
        offers.iter().filter(|offer| offer.release.ends_with(&wanted)).map(spec_of).collect();
    match found.is_empty() {
        true => Err(Error::usage(format!("apt offers no kernel of flavour {flavour}"))
            .hint("`gauntlet kernel list --all` shows what it offers")),
        false => Ok(found),
    }
}

fn spec_of(offer: &Offer) -> String {
    offer.spec.clone()
}

/// The commits of a git tree that the bad revision contains and the good one does not, built as the spec says. Without
/// a bad revision the files as they are come last.
///
/// # Errors
/// Usage errors when a revision is unknown, or the good one is no ancestor.
pub fn commits(tree: &TreeSpec, good: &str, bad: Option<&str>, cache: &Path) -> Result<Range> {
    let bad = match bad {
        Some(bad) => bad.to_owned(),
        None => {
            let scratch = Cache::at(cache)?.scratch()?;
            Repository::open(&tree.directory, &MachinePrograms)?.newest(&scratch.path)?
        }
    };
    let history = git::history(&tree.directory, good, &bad)?;
    let spec = |revision: &str| TreeSpec { revision: Some(revision.to_owned()), ..tree.clone() };
    let spec = |revision: &str| KernelSpec::Tree(spec(revision)).to_string();
    let candidates = history.candidates;
    let mut specs = vec![spec(&history.good)];
    specs.extend((0..candidates.len()).map(|index| spec(&candidates.get(index).id)));
    Ok(Range { specs, candidates })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_name_a_flavour_and_perhaps_a_suite() {
        assert_eq!(wildcard("deb:*/cloud"), Some((None, "cloud")));
        assert_eq!(wildcard("deb:sid:*/cloud"), Some((Some("sid"), "cloud")));
        assert_eq!(wildcard("deb:6.1/cloud"), None);
    }

    #[test]
    fn one_kernel_is_no_range() {
        let error = listed(&["path:/a".to_owned()], Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains("a good kernel and a bad one"));
    }

    #[test]
    fn the_first_of_a_list_is_the_good_end() {
        let list: Vec<String> = ["path:/a", "path:/b", "path:/c"].map(str::to_owned).to_vec();
        let range = listed(&list, Path::new("/nowhere")).unwrap();
        assert_eq!((range.specs.len(), range.candidates.len()), (3, 2));
        assert_eq!(range.candidates.get(0).id, "path:/b");
    }
}
