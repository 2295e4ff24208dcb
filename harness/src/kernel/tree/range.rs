//! `tree:DIR@BASE..TIP`: a kernel per commit, the base first.

use super::program::MachinePrograms;
use super::source::Repository;
use crate::error::{Error, Result};
use crate::kernel::KernelSpec;
use crate::kernel::spec::TreeSpec;

/// More commits than anybody waits for are a typing error in the range.
const MOST: usize = 1000;

/// A commit of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// How results call it: the abbreviated hash.
    pub name: String,
    pub subject: String,
    pub spec: KernelSpec,
}

/// The commits that a spec with a range stands for, the base first, then oldest first; `None` for any other spec.
///
/// Errors: usage, when a revision is unknown, nothing lies between, or too much.
pub fn commits(spec: &KernelSpec) -> Result<Option<Vec<Commit>>> {
    let KernelSpec::Tree(tree) = spec else { return Ok(None) };
    let Some((base, tip)) = tree.revision.as_deref().and_then(|revision| revision.split_once("..")) else {
        return Ok(None);
    };
    let tip = if tip.is_empty() { "HEAD" } else { tip };
    let repository = Repository::open(&tree.directory, &MachinePrograms)?;
    let between = repository.between(base, tip)?;
    match between.len() {
        1 => Err(Error::usage(format!("`{base}..{tip}`: no commit lies between"))
            .hint("the older revision comes first: v6.1..HEAD")),
        count if count > MOST => {
            Err(Error::usage(format!("`{base}..{tip}` has {} commits, more than {MOST}", count - 1))
                .hint("`gauntlet bisect` searches a long range without building all of it"))
        }
        _ => Ok(Some(between.into_iter().map(|(hash, subject)| commit(tree, &hash, subject)).collect())),
    }
}

fn commit(tree: &TreeSpec, hash: &str, subject: String) -> Commit {
    let name = hash.get(..12).unwrap_or(hash).to_owned();
    let spec = KernelSpec::Tree(TreeSpec { revision: Some(name.clone()), ..tree.clone() });
    Commit { name, subject, spec }
}

#[cfg(test)]
mod tests {
    use super::super::program::{Call, Programs};
    use super::*;
    use std::path::Path;

    fn git(folder: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@localhost"];
        let finished =
            MachinePrograms.run(&Call::new("git", folder).arguments(identity).arguments(arguments)).unwrap();
        assert!(finished.success, "{}", finished.stderr);
    }

    #[test]
    fn a_range_is_its_base_and_every_commit_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("scripts/kconfig/merge_config.sh");
        std::fs::create_dir_all(script.parent().unwrap()).unwrap();
        std::fs::write(script, "").unwrap();
        git(folder.path(), &["init", "-q"]);
        git(folder.path(), &["add", "-A"]);
        ["base", "one", "two"].iter().for_each(|name| {
            git(folder.path(), &["commit", "-q", "--allow-empty", "-m", name]);
        });
        let parse = |revision: &str| -> KernelSpec {
            format!("tree:{}@{revision},config=tiny+kcov", folder.path().display()).parse().unwrap()
        };
        let found = commits(&parse("HEAD~2..")).unwrap().unwrap();
        let subjects: Vec<&str> = found.iter().map(|commit| commit.subject.as_str()).collect();
        assert_eq!(subjects, ["base", "one", "two"]);
        assert!(found[1].spec.to_string().ends_with(&format!("@{},config=tiny+kcov", found[1].name)));
        assert_eq!(commits(&parse("HEAD")).unwrap(), None);
        assert!(commits(&parse("HEAD..HEAD~1")).unwrap_err().message.contains("no commit lies between"));
        assert!(commits(&parse("v9..HEAD")).unwrap_err().message.contains("`v9` is no revision"));
    }
}
