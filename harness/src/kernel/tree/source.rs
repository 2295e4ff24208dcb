//! The sources to build: any revision, or the files as they are now, in a worktree of our own.

use super::program::{Call, Programs};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Subject of the commit that holds the files as they are.
const UNCOMMITTED: &str = "gauntlet: the files as they are";

/// The user's hooks are for the user's own work; files are checked out by every CPU (git-config(1), checkout.workers).
const SETTINGS: [&str; 4] = ["-c", "core.hooksPath=/dev/null", "-c", "checkout.workers=0"];

/// One state of a git tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What git checks out.
    pub commit: String,
    /// What the files are; two commits may have the same.
    pub tree: String,
}

/// A git repository of the user's.
pub struct Repository<'a> {
    pub directory: PathBuf,
    pub programs: &'a dyn Programs,
}

impl std::fmt::Debug for Repository<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Repository").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl<'a> Repository<'a> {
    /// Checks that the directory is a kernel tree and in git.
    pub fn open(directory: &Path, programs: &'a dyn Programs) -> Result<Repository<'a>> {
        let directory = std::fs::canonicalize(directory)
            .map_err(|error| Error::usage(format!("kernel tree {}", directory.display())).because(error))?;
        if !directory.join("scripts/kconfig/merge_config.sh").is_file() {
            return Err(Error::usage(format!("{} is not a kernel tree", directory.display()))
                .hint("name the directory with the kernel's MAINTAINERS file"));
        }
        let repository = Repository { directory, programs };
        repository.git(["rev-parse", "--git-dir"]).map_err(|error| {
            Error::usage(format!("kernel tree {} is not in git", repository.directory.display()))
                .because(error)
                .hint("unpacked sources become so by: git init && git add -f . && git commit -m import")
                .hint("or build it yourself and name path:BZIMAGE")
        })?;
        Ok(repository)
    }

    /// The revision, or without one the files as they are, changed and new ones included.
    pub fn snapshot(&self, revision: Option<&str>, scratch: &Path) -> Result<Snapshot> {
        match revision {
            Some(revision) => {
                let commit = self.revision(&format!("{revision}^{{commit}}"), revision)?;
                Ok(Snapshot { tree: self.revision(&format!("{commit}^{{tree}}"), revision)?, commit })
            }
            None => self.working_files(scratch),
        }
    }

    /// The newest commit there is: the files as they are, on top of HEAD, or HEAD when they do not differ from it.
    pub fn newest(&self, scratch: &Path) -> Result<String> {
        let (files, head) = (self.snapshot(None, scratch)?, self.snapshot(Some("HEAD"), scratch)?);
        Ok(if files.tree == head.tree { head.commit } else { files.commit })
    }

    /// Whether a file that git follows differs from HEAD.
    pub fn is_changed(&self) -> bool {
        self.git(["--no-optional-locks", "status", "--porcelain", "--untracked-files=no"])
            .is_ok_and(|listed| !listed.is_empty())
    }

    /// How many of HEAD's first parents there are, looking at no more than so many.
    pub fn depth(&self, most: usize) -> usize {
        let limit = format!("--max-count={}", most + 1);
        let count = self.git(["rev-list", "--first-parent", "--count", &limit, "HEAD"]);
        count.ok().and_then(|count| count.parse::<usize>().ok()).map_or(0, |count| count.saturating_sub(1))
    }

    /// How a person calls the snapshot: the abbreviated hash and the subject of its commit.
    pub fn subject(&self, snapshot: &Snapshot) -> String {
        let short = snapshot.commit.get(..12).unwrap_or(&snapshot.commit);
        match self.git(["log", "-1", "--format=%s", &snapshot.commit]) {
            Ok(subject) if subject == UNCOMMITTED => "the working tree".to_owned(),
            Ok(subject) => format!("{short} (\"{subject}\")"),
            Err(_) => short.to_owned(),
        }
    }

    /// What these paths of the snapshot hold; a path that is not there counts as empty.
    pub fn digest_of(&self, snapshot: &Snapshot, paths: &[&str]) -> Result<String> {
        let arguments = ["ls-tree", &snapshot.tree, "--"].into_iter().chain(paths.iter().copied());
        self.run(self.call(&arguments.collect::<Vec<_>>()))
    }

    /// Files that the working tree has changed against HEAD, new ones included; when there are none, those of the last
    /// commit, if that is an ordinary one. With them the lines of the change.
    pub fn change(&self) -> Result<String> {
        // Without an index of its own this would refresh the user's.
        let uncommitted =
            self.git(["--no-optional-locks", "diff", "--no-ext-diff", "--no-color", "-U0", "HEAD"])?;
        let new = self.git(["--no-optional-locks", "ls-files", "--others", "--exclude-standard"])?;
        if !uncommitted.is_empty() || !new.is_empty() {
            let new: String = new.lines().map(|path| format!("+++ b/{path}\n")).collect();
            return Ok(format!("{uncommitted}\n{new}"));
        }
        // Not of a merge nor of an imported source: what they touch is everything.
        let only = ["--no-walk", "--min-parents=1", "--max-parents=1"];
        let shown = ["--no-ext-diff", "--no-color", "--format=", "--patch", "-U0", "HEAD"];
        self.run(self.call(&["log"]).arguments(only).arguments(shown))
    }

    /// Hash and subject of the base, then of every commit that the tip contains and the base does not, oldest first.
    pub fn between(&self, base: &str, tip: &str) -> Result<Vec<(String, String)>> {
        let [base, tip] = [base, tip].map(|typed| self.revision(&format!("{typed}^{{commit}}"), typed));
        let (base, range) = (base?, tip?);
        let range = format!("{base}..{range}");
        let first = self.git(["log", "-1", "--format=%H%x09%s", &base])?;
        let others = self.git(["log", "--topo-order", "--reverse", "--format=%H%x09%s", &range])?;
        let lines = first.lines().chain(others.lines());
        let split =
            |line: &str| line.split_once('\t').map(|(hash, subject)| (hash.to_owned(), subject.to_owned()));
        Ok(lines.filter_map(split).collect())
    }

    fn revision(&self, expression: &str, typed: &str) -> Result<String> {
        self.git(["rev-parse", "--verify", "--quiet", "--end-of-options", expression]).map_err(|_| {
            Error::usage(format!("`{typed}` is no revision of {}", self.directory.display()))
                .hint("fetch it first, or see `git branch -a` and `git tag`")
        })
    }

    /// Writes the files as they are into git's object store, through an index of our own: neither the user's index
    /// nor any branch is touched, and git collects the objects some day.
    fn working_files(&self, scratch: &Path) -> Result<Snapshot> {
        let index = scratch.join("index");
        let with_index = |arguments: &[&str]| self.call(arguments).environment("GIT_INDEX_FILE", &index);
        let own = PathBuf::from(self.git(["rev-parse", "--git-path", "index"])?);
        // A copy of the user's index spares git from reading every file. Without one it reads them.
        let _ = std::fs::copy(self.directory.join(own), &index);
        self.run(with_index(&["add", "--all"]))?;
        let tree = self.run(with_index(&["write-tree"]))?;
        let head = self.git(["rev-parse", "--verify", "--quiet", "HEAD"]).ok();
        // On top of HEAD, so that a bisection can end there.
        let parent = head.iter().flat_map(|head| ["-p", head]);
        let arguments: Vec<&str> = ["commit-tree", "-m", UNCOMMITTED].into_iter().chain(parent).collect();
        let commit = self.call(&arguments).argument(&tree);
        // The same files must give the same commit.
        let always = [
            ("GIT_AUTHOR_NAME", "gauntlet"),
            ("GIT_AUTHOR_EMAIL", "gauntlet@localhost"),
            ("GIT_AUTHOR_DATE", "@0 +0000"),
            ("GIT_COMMITTER_NAME", "gauntlet"),
            ("GIT_COMMITTER_EMAIL", "gauntlet@localhost"),
            ("GIT_COMMITTER_DATE", "@0 +0000"),
        ];
        let commit = always.into_iter().fold(commit, |call, (name, value)| call.environment(name, value));
        Ok(Snapshot { commit: self.run(commit)?, tree })
    }

    /// Brings a worktree of our own to the snapshot. Files that do not differ keep their times, so make leaves them.
    pub fn check_out(&self, snapshot: &Snapshot, worktree: &Path) -> Result<()> {
        let path = worktree.to_string_lossy().into_owned();
        if !is_known(worktree) {
            // The user's tree is another one at the same place: ours hangs in the air, and git adds none over it.
            let _ = std::fs::remove_dir_all(worktree);
            // Our cache may have been emptied behind git's back.
            self.git(["worktree", "prune"])?;
            self.git(["worktree", "add", "--force", "--detach", "--no-checkout", &path, &snapshot.commit])?;
        }
        let inside = Repository { directory: worktree.to_owned(), programs: self.programs };
        // An invocation that was killed while checking out leaves this behind; we hold the lock of the worktree.
        if let Ok(lock) = inside.git(["rev-parse", "--git-path", "index.lock"]) {
            let _ = std::fs::remove_file(worktree.join(lock));
        }
        inside.git(["checkout", "--force", "--detach", "--quiet", &snapshot.commit]).map(drop)
    }

    fn call(&self, arguments: &[&str]) -> Call {
        Call::new("git", &self.directory).arguments(SETTINGS).arguments(arguments)
    }

    fn git<const N: usize>(&self, arguments: [&str; N]) -> Result<String> {
        self.run(self.call(&arguments))
    }

    fn run(&self, call: Call) -> Result<String> {
        let finished = self.programs.run(&call)?;
        if finished.success {
            return Ok(finished.stdout.trim().to_owned());
        }
        let reason = finished.stderr.lines().next().unwrap_or("no reason given").to_owned();
        let verb = call
            .arguments
            .get(SETTINGS.len())
            .map(|verb| verb.to_string_lossy().into_owned())
            .unwrap_or_default();
        Err(Error::infra(format!("git {verb} in {}: {reason}", self.directory.display())))
    }
}

/// Whether a worktree is there and belongs to a repository that is there (gitrepository-layout(5), gitdir).
fn is_known(worktree: &Path) -> bool {
    let link = std::fs::read_to_string(worktree.join(".git")).unwrap_or_default();
    link.strip_prefix("gitdir: ").is_some_and(|place| worktree.join(place.trim()).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worktree_is_known_while_its_repository_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (repository, worktree) = (folder.path().join("git"), folder.path().join("source"));
        std::fs::create_dir_all(&repository).unwrap();
        std::fs::create_dir(&worktree).unwrap();
        assert!(!is_known(&worktree));
        // Absolute, or relative as worktree.useRelativePaths has it.
        for place in [repository.to_str().unwrap(), "../git"] {
            std::fs::write(worktree.join(".git"), format!("gitdir: {place}\n")).unwrap();
            assert!(is_known(&worktree), "{place}");
        }
        std::fs::remove_dir(&repository).unwrap();
        assert!(!is_known(&worktree));
    }
}
