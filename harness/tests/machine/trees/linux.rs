//! A git tree of the kernel, made of Debian's source package, with a few commits on top.

use crate::support::cache;
use assert_cmd::cargo::cargo_bin;
use gauntlet_results::{Store, TestResult};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Of the package linux-source-6.1.
const SOURCE: &str = "/usr/src/linux-source-6.1.tar.xz";
/// One line of mm/memfd.c that stops F_SEAL_GROW from being kept.
pub const SEAL: (&str, &str) = ("*file_seals |= seals;", "*file_seals |= seals & ~F_SEAL_GROW;");
/// A crash type for lkdtm that it lacks: two locks taken in one order and then in the other.
const ABBA: (&str, &str) = (
    "static struct crashtype crashtypes[] = {\n",
    "static void lkdtm_ABBA(void)\n{\n\
        \tstatic DEFINE_MUTEX(first);\n\tstatic DEFINE_MUTEX(second);\n\n\
        \tmutex_lock(&first);\n\tmutex_lock(&second);\n\tmutex_unlock(&second);\n\tmutex_unlock(&first);\n\
        \tmutex_lock(&second);\n\tmutex_lock(&first);\n\tmutex_unlock(&first);\n\tmutex_unlock(&second);\n}\n\n\
        static struct crashtype crashtypes[] = {\n\tCRASHTYPE(ABBA),\n",
);
/// Six commits, `c1` to `c6`, of which the fourth is the bug.
const CHANGES: [(&str, (&str, &str)); 6] = [
    ("mm/memfd.c", ("#include <linux/fs.h>", "#include <linux/fs.h> /* 1 */")),
    ("kernel/utsname.c", ("#include <linux/uts.h>", "#include <linux/uts.h> /* 2 */")),
    ("mm/memfd.c", ("#include <linux/mm.h>", "#include <linux/mm.h> /* 3 */")),
    ("mm/memfd.c", SEAL),
    ("kernel/utsname.c", ("#include <linux/err.h>", "#include <linux/err.h> /* 5 */")),
    ("mm/memfd.c", ("#include <linux/vfs.h>", "#include <linux/vfs.h> /* 6 */")),
];

pub struct Linux {
    tree: PathBuf,
    pub results: tempfile::TempDir,
}

impl Linux {
    /// The tree, at `base`; `None`, said aloud, where nobody asked or the package is not installed.
    pub fn ready() -> Option<Linux> {
        if std::env::var_os("GAUNTLET_SLOW").is_none() {
            eprintln!("SKIPPED: compiles a kernel; GAUNTLET_SLOW=1 asks for it");
            return None;
        }
        let Ok(source) = std::fs::metadata(SOURCE) else {
            assert!(std::env::var_os("CI").is_none(), "CI must have linux-source-6.1");
            eprintln!("SKIPPED: apt-get install linux-source-6.1");
            return None;
        };
        let folder = cache().join("test-trees");
        let linux = Linux { tree: folder.join("linux-6.1"), results: tempfile::tempdir().unwrap() };
        // By its size and not its time, which an installation again changes.
        let stamp = folder.join("linux-6.1.source");
        let wanted = format!("{} {CHANGES:?} {ABBA:?}", source.len());
        if std::fs::read_to_string(&stamp).ok().as_ref() != Some(&wanted) {
            linux.make_tree();
            std::fs::write(&stamp, wanted).unwrap();
        }
        linux.check_out("base");
        Some(linux)
    }

    fn make_tree(&self) {
        let _ = std::fs::remove_dir_all(&self.tree);
        std::fs::create_dir_all(&self.tree).unwrap();
        let unpacked = Command::new("tar")
            .args(["--extract", "--strip-components=1", "--file", SOURCE, "--directory"])
            .arg(&self.tree)
            .status();
        assert!(unpacked.unwrap().success(), "{SOURCE} cannot be unpacked");
        self.git(&["init", "--quiet"]);
        self.git(&["add", "--force", "."]);
        self.commit("the source", "base");
        self.change("drivers/misc/lkdtm/bugs.c", ABBA, ("two locks in two orders", "abba"));
        self.check_out("base");
        for (number, (file, change)) in (1..).zip(CHANGES) {
            self.change(file, change, (&format!("change {number}"), &format!("c{number}")));
        }
    }

    fn change(&self, file: &str, change: (&str, &str), (subject, tag): (&str, &str)) {
        self.replace(file, change);
        self.git(&["add", "--force", file]);
        self.commit(subject, tag);
    }

    fn commit(&self, subject: &str, tag: &str) {
        self.git(&["commit", "--quiet", "-m", subject]);
        self.git(&["tag", tag]);
    }

    /// Back to a revision, nothing changed and nothing added.
    pub fn check_out(&self, revision: &str) {
        self.git(&["checkout", "--quiet", "--force", "--detach", revision]);
    }

    pub fn replace(&self, file: &str, (from, to): (&str, &str)) {
        let path = self.tree.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.tree).args(["-c", "user.name=t", "-c", "user.email=t@localhost"]);
        // The same commits every time: their kernels are cached.
        command.env("GIT_AUTHOR_DATE", "@1 +0000").env("GIT_COMMITTER_DATE", "@1 +0000");
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Where this tree is built, and no other.
    pub fn build_folder(&self) -> String {
        let trees = cache().join("trees").display().to_string();
        let worktrees = self.git(&["worktree", "list", "--porcelain"]);
        let ours = worktrees.lines().find_map(|line| line.strip_prefix("worktree ")?.strip_prefix(&trees));
        format!("{trees}{}", ours.expect("the tree was built").trim_end_matches("source"))
    }

    pub fn path(&self) -> String {
        self.tree.display().to_string()
    }

    pub fn spec(&self, revision: &str, config: &str) -> String {
        format!("tree:{}{revision},config={config}", self.tree.display())
    }

    pub fn gauntlet(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin("gauntlet"));
        command.args(arguments).args(["--progress", "plain"]);
        self.with_places(&mut command);
        command
    }

    pub fn last_results(&self) -> Vec<TestResult> {
        let store = Store::open(self.results.path()).unwrap();
        store.load(&store.find_run("last").unwrap()).unwrap().results
    }

    /// make in the tree, as a user types it.
    pub fn make(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("make");
        command.arg("-C").arg(&self.tree).arg("--no-print-directory").args(arguments);
        command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
        self.with_places(&mut command);
        command.output().unwrap()
    }

    fn with_places(&self, command: &mut Command) {
        command
            .env("GAUNTLET_RESULTS", self.results.path())
            .env("GAUNTLET_CACHE", cache())
            .env("NO_COLOR", "1");
    }
}

/// Command lines of processes that hold the word, of make and the compilers.
pub fn processes_with(word: &str) -> Vec<String> {
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = folders.filter_map(|folder| std::fs::read(folder.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    let program = |line: &str| {
        line.split(' ')
            .next()
            .is_some_and(|name| Path::new(name).ends_with("make") || Path::new(name).ends_with("cc1"))
    };
    lines.filter(|line| line.contains(word) && program(line)).collect()
}
