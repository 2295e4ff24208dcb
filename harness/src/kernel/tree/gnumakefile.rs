//! The one file that `gauntlet tree init` adds to a kernel tree, and git's list of what it does not look at.

use super::program::{Call, MachinePrograms, Programs};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

const TEMPLATE: &str = include_str!("../../../../configs/tree/GNUmakefile");
const NAME: &str = "GNUmakefile";
/// By which we know our own file.
const MARK: &str = "# Written by `gauntlet tree init`";
const EXCLUDED: &str = "/GNUmakefile";

/// Writes the file and hides it from git. Twice is fine: the second time brings the program's path up to date.
///
/// Errors: usage, when the directory is no kernel tree or has a GNUmakefile of somebody else's.
pub fn add(tree: &Path, program: &Path) -> Result<PathBuf> {
    let path = ours(tree)?;
    let text = TEMPLATE.replace("@GAUNTLET@", &program.display().to_string());
    std::fs::write(&path, text).map_err(|error| cannot("write", &path, error))?;
    let exclude = exclude(tree)?;
    let known = std::fs::read_to_string(&exclude).unwrap_or_default();
    if !known.lines().any(|line| line == EXCLUDED) {
        let gap = if known.is_empty() || known.ends_with('\n') { "" } else { "\n" };
        let folder = exclude.parent().unwrap_or(tree);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&exclude, format!("{known}{gap}{EXCLUDED}\n")))
            .map_err(|error| cannot("write", &exclude, error))?;
    }
    Ok(path)
}

/// Takes both away again. False when there was nothing.
///
/// Errors: as of [`add`].
pub fn remove(tree: &Path) -> Result<bool> {
    let path = ours(tree)?;
    let exclude = exclude(tree)?;
    if let Ok(known) = std::fs::read_to_string(&exclude)
        && known.lines().any(|line| line == EXCLUDED)
    {
        let kept: String =
            known.split_inclusive('\n').filter(|line| line.trim_end_matches('\n') != EXCLUDED).collect();
        std::fs::write(&exclude, kept).map_err(|error| cannot("write", &exclude, error))?;
    }
    if !path.exists() {
        return Ok(false);
    }
    std::fs::remove_file(&path).map_err(|error| cannot("remove", &path, error))?;
    Ok(true)
}

/// The path of the file, which is ours or not there.
fn ours(tree: &Path) -> Result<PathBuf> {
    if !tree.join("Kbuild").is_file() || !tree.join("Makefile").is_file() {
        return Err(Error::usage(format!("{} is not a kernel tree", tree.display()))
            .hint("go to the directory with the kernel's MAINTAINERS file"));
    }
    let path = tree.join(NAME);
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.starts_with(MARK) => Err(Error::usage(format!("{} is not ours", path.display()))
            .hint("move it away; make would read it instead of the tree's Makefile, too")),
        _ => Ok(path),
    }
}

fn exclude(tree: &Path) -> Result<PathBuf> {
    let call = Call::new("git", tree).arguments(["rev-parse", "--git-path", "info/exclude"]);
    let finished = MachinePrograms.run(&call)?;
    match finished.success {
        true => Ok(tree.join(finished.stdout.trim())),
        false => Err(Error::usage(format!("kernel tree {} is not in git", tree.display()))
            .hint("unpacked sources become so by: git init && git add -f . && git commit -m import")),
    }
}

fn cannot(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::usage(format!("cannot {what} {}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree whose Makefile behaves like the kernel's in what matters: it looks at its own name, and a goal of the
    /// same name as one of ours is not its.
    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let makefile = "this := $(lastword $(MAKEFILE_LIST))\n__all:\n\t@echo all of $(this) $(MAKECMDGOALS)\n\
            help:\n\t@echo the help of the tree\n%config:\n\t@echo $@ V=$(V) $(MAKEFLAGS)\n";
        std::fs::write(folder.path().join("Makefile"), makefile).unwrap();
        std::fs::write(folder.path().join("Kbuild"), "").unwrap();
        run(folder.path(), "git", &["init", "-q"]);
        folder
    }

    fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
        let finished = MachinePrograms.run(&Call::new(program, folder).arguments(arguments)).unwrap();
        assert!(finished.success, "{}{}", finished.stdout, finished.stderr);
        finished.stdout
    }

    fn make(folder: &Path, arguments: &[&str]) -> String {
        run(folder, "make", &[&["--no-print-directory"], arguments].concat())
    }

    #[test]
    fn every_other_target_behaves_as_before_and_git_sees_nothing() {
        let folder = tree();
        let calls: [&[&str]; 4] = [&[], &["defconfig", "V=1"], &["-k", "tinyconfig"], &["-n", "defconfig"]];
        let before: Vec<String> = calls.iter().map(|call| make(folder.path(), call)).collect();
        let status = run(folder.path(), "git", &["status", "--porcelain"]);
        add(folder.path(), Path::new("/bin/echo")).unwrap();
        add(folder.path(), Path::new("/bin/echo")).unwrap();
        let after: Vec<String> = calls.iter().map(|call| make(folder.path(), call)).collect();
        assert_eq!(before, after);
        assert_eq!(run(folder.path(), "git", &["status", "--porcelain"]), status);
        assert!(remove(folder.path()).unwrap() && !remove(folder.path()).unwrap());
        assert!(!folder.path().join(NAME).exists());
        let exclude = std::fs::read_to_string(folder.path().join(".git/info/exclude")).unwrap();
        assert!(!exclude.contains(EXCLUDED));
    }

    #[test]
    fn our_targets_get_what_was_given_and_help_has_both() {
        let folder = tree();
        add(folder.path(), Path::new("/bin/echo")).unwrap();
        let said = make(folder.path(), &["test", "TARGETS=memfd seccomp", "LLVM=1"]);
        assert_eq!(said, "tree run test TARGETS=memfd seccomp LLVM=1\n");
        // Under -n make shows the command, too.
        assert!(make(folder.path(), &["-n", "test"]).ends_with("\ntree run test --dry-run\n"));
        assert_eq!(make(folder.path(), &["help"]), "the help of the tree\ntree help-make\n");
        assert_eq!(make(folder.path(), &["-k", "-j2", "test-shell"]), "tree run test-shell\n");
        let both = make(folder.path(), &["defconfig", "test"]);
        assert!(both.contains("defconfig V=") && both.contains("tree run test"), "{both}");
    }

    #[test]
    fn a_file_of_somebody_elses_and_no_tree_are_refused() {
        let folder = tree();
        std::fs::write(folder.path().join(NAME), "all:\n").unwrap();
        assert!(add(folder.path(), Path::new("/x")).unwrap_err().message.contains("is not ours"));
        assert!(remove(folder.path()).is_err());
        assert!(
            add(&folder.path().join(".git"), Path::new("/x")).unwrap_err().message.contains("kernel tree")
        );
    }
}
