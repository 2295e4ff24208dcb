//! Reading a git tree's history through the git command: nothing is checked out, no lock is taken, and the
//! user's repository is not changed.

use super::{Candidate, Candidates};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// The commits between two revisions.
#[derive(Debug)]
pub struct History {
    /// Hash of the good end.
    pub good: String,
    pub candidates: Candidates,
}

/// All commits that `bad` contains and `good` does not, parents before children.
///
/// # Errors
/// Usage errors when the folder is no git tree, a revision is unknown, or nothing lies between.
pub fn history(tree: &Path, good: &str, bad: &str) -> Result<History> {
    let good = revision(tree, good)?;
    let bad = revision(tree, bad)?;
    let range = format!("{good}..{bad}");
    let listing = git(tree, &["log", "--topo-order", "--reverse", "--format=%H%x09%P%x09%s", &range])?;
    let candidates = Candidates::new(parse(&listing)).map_err(|why| {
        Error::usage(format!("{}: {why}", tree.display())).hint("is the good revision an ancestor?")
    })?;
    Ok(History { good, candidates })
}

fn revision(tree: &Path, name: &str) -> Result<String> {
    // `^{commit}` refuses whatever is no commit; `--end-of-options` keeps a name from being an option.
    let wanted = format!("{name}^{{commit}}");
    let hash = git(tree, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])
        .map_err(|_| Error::usage(format!("{} has no revision `{name}`", tree.display())))?;
    Ok(hash.trim().to_owned())
}

fn git(tree: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .arg("--no-optional-locks")
        .arg("-C")
        .arg(tree)
        .args(arguments)
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| Error::infra("cannot start git").because(error).hint("sudo apt-get install git"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::usage(format!("git in {}: {why}", tree.display())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `hash TAB parents TAB subject`, parents before children; parents outside the range are left out.
fn parse(listing: &str) -> Vec<Candidate> {
    let mut index = HashMap::new();
    let mut all = Vec::new();
    for line in listing.lines() {
        let mut fields = line.splitn(3, '\t');
        let (Some(id), Some(parents)) = (fields.next(), fields.next()) else { continue };
        let parents =
            parents.split_ascii_whitespace().filter_map(|parent| index.get(parent).copied()).collect();
        index.insert(id.to_owned(), all.len());
        let subject = fields.next().unwrap_or_default().to_owned();
        all.push(Candidate { id: id.to_owned(), subject, parents });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(tree: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"];
        let status = Command::new("git").arg("-C").arg(tree).args(identity).args(arguments).output().unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    }

    /// base, then two branches, then their merge.
    fn merged_tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path();
        run(tree, &["init", "-q"]);
        let commit = |subject: &str| run(tree, &["commit", "-q", "--allow-empty", "-m", subject]);
        commit("base");
        run(tree, &["tag", "base"]);
        commit("left");
        run(tree, &["checkout", "-q", "-b", "side", "base"]);
        commit("right");
        run(tree, &["checkout", "-q", "main"]);
        run(tree, &["merge", "-q", "--no-ff", "-m", "merge", "side"]);
        folder
    }

    #[test]
    fn a_merge_contains_both_sides_and_neither_contains_the_other() {
        let folder = merged_tree();
        let history = history(folder.path(), "base", "HEAD").unwrap();
        let candidates = &history.candidates;
        let find = |subject: &str| {
            (0..candidates.len()).find(|index| candidates.get(*index).subject == subject).unwrap()
        };
        assert_eq!(candidates.len(), 3);
        let (left, right, merge) = (find("left"), find("right"), find("merge"));
        assert!(candidates.contains(merge, left) && candidates.contains(merge, right));
        assert!(!candidates.contains(left, right) && !candidates.contains(right, left));
    }

    #[test]
    fn unknown_revisions_and_empty_ranges_are_said() {
        let folder = merged_tree();
        let said = |good, bad| history(folder.path(), good, bad).unwrap_err().to_string();
        assert!(said("v9.9", "HEAD").contains("v9.9"));
        assert!(said("HEAD", "base").contains("nothing"));
    }
}
