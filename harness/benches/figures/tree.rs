//! A kernel tree: what Gauntlet adds to plain make, in a cold build and in the loop of who changes one line.

use crate::sample::{Row, quantile};
use crate::setup::{cache, gauntlet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Changes of one line, each built by both.
const ROUNDS: usize = 5;
const CONFIG: &str = "tiny+selftest";
const FILE: &str = "mm/memfd.c";
const CASE: &str = "memfd/grow_seal_refuses_every_growing";

pub fn measure() -> Vec<Row> {
    let folder = cache().join("test-trees/linux-6.1");
    if !folder.join("Makefile").exists() {
        println!("  no kernel tree to build; `make check-kernels` makes one");
        return Vec::new();
    }
    let bench = Bench::new(folder);
    let cold = bench.seconds(&mut bench.ours(&["kernel", "build"]));
    bench.configure_plain();
    let plain_cold = bench.seconds(&mut bench.plain());
    // The template of the first kernel, and whatever else is made once.
    bench.seconds(&mut bench.ours(&["test", CASE]));
    let (mut ours, mut plain, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        bench.change(round);
        ours.push(bench.seconds(&mut bench.ours(&["test", CASE])));
        plain.push(bench.seconds(&mut bench.plain()));
        again.push(bench.seconds(&mut bench.ours(&["test", CASE])));
    }
    let [ours, plain, again] = [ours, plain, again].map(|mut samples| quantile(&mut samples, 0.5));
    vec![
        Row {
            what: format!("cold build of {CONFIG}"),
            value: format!("{cold:.0} s"),
            aim: "+2 %",
            reference: format!(
                "{:+.1} % to plain make's {plain_cold:.0} s",
                (cold / plain_cold - 1.0) * 100.0
            ),
            n: 1,
        },
        Row {
            what: "one line changed, to the verdict".to_owned(),
            value: format!("{ours:.1} s"),
            aim: "1.3x",
            reference: format!("{:.2}x of plain make's {plain:.1} s for the image alone", ours / plain),
            n: ROUNDS,
        },
        Row {
            what: "nothing changed, to the verdict".to_owned(),
            value: format!("{again:.1} s"),
            aim: "5 s",
            reference: format!("{:.2}x of plain make", again / plain),
            n: ROUNDS,
        },
    ]
}

/// A tree, and two places to build it in: a cache of our own, and plain make's directory.
struct Bench {
    tree: PathBuf,
    original: String,
    places: tempfile::TempDir,
}

impl Bench {
    fn new(tree: PathBuf) -> Bench {
        let original = std::fs::read_to_string(tree.join(FILE)).expect("a kernel tree");
        Bench { tree, original, places: tempfile::tempdir().expect("a temporary folder") }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.places.path().join(name)
    }

    fn ours(&self, arguments: &[&str]) -> Command {
        let spec = format!("tree:{},config={CONFIG}", self.tree.display());
        let mut command = gauntlet(&self.place("results"), arguments);
        command.args(["-k", &spec]).env("GAUNTLET_CACHE", self.place("cache")).env("CCACHE_DISABLE", "1");
        command
    }

    fn plain(&self) -> Command {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut command = Command::new("make");
        command.arg("-C").arg(&self.tree).arg(format!("O={}", self.place("plain").display()));
        command.args([&format!("-j{jobs}"), "bzImage"]).env("CCACHE_DISABLE", "1").env_remove("MAKEFLAGS");
        command
    }

    /// Gives plain make the configuration that ours came to.
    fn configure_plain(&self) {
        std::fs::create_dir_all(self.place("plain")).expect("a folder");
        let kernels = std::fs::read_dir(self.place("cache").join("kernels")).expect("a built kernel");
        let folders = kernels.map(|entry| entry.expect("an entry").path());
        let built = folders.map(|folder| folder.join("config")).find(|path| path.exists());
        std::fs::copy(built.expect("its configuration"), self.place("plain").join(".config"))
            .expect("copied");
    }

    /// Code that was not there before, so that the object changes and not only its time.
    fn change(&self, round: usize) {
        let line = format!("static const int gauntlet_bench __attribute__((used)) = {round};\n");
        std::fs::write(self.tree.join(FILE), format!("{}{line}", self.original)).expect("written");
    }

    fn seconds(&self, command: &mut Command) -> f64 {
        let started = Instant::now();
        let output = command.output().expect("the program starts");
        assert!(output.status.success(), "{command:?}: {}", text(&output.stdout, &output.stderr));
        started.elapsed().as_secs_f64()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::write(Path::new(&self.tree).join(FILE), &self.original);
        // Our worktree is known to the tree.
        let _ = std::fs::remove_dir_all(self.places.path());
        let _ = Command::new("git").arg("-C").arg(&self.tree).args(["worktree", "prune"]).status();
    }
}

fn text(out: &[u8], err: &[u8]) -> String {
    [out, err].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).join("\n")
}
