use super::super::program::Finished;
use super::super::recipe::{Base, Fragment};
use super::*;
use crate::kernel::image::tests::bzimage;
use std::cell::{Cell, RefCell};

fn recipe() -> Recipe {
    Recipe {
        base: Base::Target { name: "tinyconfig".into(), seed: None },
        fragments: vec![
            Fragment { name: "tiny".into(), text: "CONFIG_A=y\n".into() },
            Fragment { name: "base".into(), text: "CONFIG_B=y\n".into() },
        ],
        variables: [("W".to_owned(), "1".to_owned())].into(),
    }
}

/// Real git; make, the compiler and merge_config.sh are played.
struct Fake {
    makes: RefCell<Vec<String>>,
    /// What the tree's Kconfig keeps of the fragment.
    kept: &'static str,
    compiler: Cell<&'static str>,
    broken: Cell<bool>,
    warning: Cell<&'static str>,
}

impl Fake {
    fn make(&self, call: &Call) -> Finished {
        let text = |argument: &std::ffi::OsString| argument.to_string_lossy().into_owned();
        let target = call.arguments.last().map(text).unwrap();
        let output =
            call.arguments.iter().map(text).find_map(|word| word.strip_prefix("O=").map(PathBuf::from));
        let output = output.expect("every make has a build directory of its own");
        self.makes.borrow_mut().push(target.clone());
        match target.as_str() {
            "tinyconfig" => std::fs::write(output.join(".config"), "").unwrap(),
            "olddefconfig" => std::fs::write(output.join(".config"), self.kept).unwrap(),
            _ if self.broken.get() => {
                let line =
                    format!("{}/fs/open.c:7:1: error: expected declaration\n", call.directory.display());
                return Finished { success: false, stdout: String::new(), stderr: line };
            }
            _ => {
                let image = output.join("arch/x86/boot/bzImage");
                std::fs::create_dir_all(image.parent().unwrap()).unwrap();
                std::fs::write(image, bzimage()).unwrap();
                std::fs::write(output.join("System.map"), vec![b'x'; 5000]).unwrap();
                return done(&format!("  CC      fs/open.o\n{}", self.warning.get()));
            }
        }
        done("")
    }
}

fn done(stdout: &str) -> Finished {
    Finished { success: true, stdout: stdout.into(), stderr: String::new() }
}

impl Programs for Fake {
    fn run(&self, call: &Call) -> Result<Finished> {
        match call.program.to_str().unwrap() {
            "git" => MachinePrograms.run(call),
            "gcc" => Ok(done(self.compiler.get())),
            "make" => Ok(self.make(call)),
            "ccache" => Ok(Finished { success: false, ..done("") }),
            script => {
                assert!(script.ends_with("scripts/kconfig/merge_config.sh"), "{script}");
                Ok(done(""))
            }
        }
    }

    fn watch(&self, call: &Call, line: &mut dyn FnMut(&str)) -> Result<Finished> {
        assert!(call.arguments.iter().any(|argument| argument == "W=1"), "variables reach make");
        // The target comes last.
        let target = call.arguments.iter().filter(|word| *word != "V=1").cloned().collect();
        let finished = self.run(&Call { arguments: target, ..call.clone() })?;
        finished.stdout.lines().chain(finished.stderr.lines()).for_each(line);
        Ok(finished)
    }
}

struct Bench {
    folder: tempfile::TempDir,
    cache: Cache,
    fake: Fake,
    said: RefCell<Vec<String>>,
    verbosity: Cell<Option<&'static str>>,
}

impl Bench {
    fn new(kept: &'static str) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache")).unwrap();
        let fake = Fake {
            makes: RefCell::default(),
            kept,
            compiler: Cell::new("gcc (Debian) 12.2.0"),
            broken: Cell::new(false),
            warning: Cell::new(""),
        };
        let bench = Bench { folder, cache, fake, said: RefCell::default(), verbosity: Cell::default() };
        bench.write("scripts/kconfig/merge_config.sh", "");
        bench.write("fs/open.c", "int a;\n");
        bench.git(&["init", "-q"]);
        bench.git(&["add", "--all"]);
        bench.commit();
        bench
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("linux")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.tree().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) -> String {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@localhost"];
        let call = Call::new("git", &self.tree()).arguments(identity).arguments(arguments);
        let finished = MachinePrograms.run(&call).unwrap();
        assert!(finished.success, "{}", finished.stderr);
        finished.stdout
    }

    fn commit(&self) {
        self.git(&["commit", "-qam", "change"]);
    }

    fn build(&self, revision: Option<&str>) -> Result<KernelBuild> {
        let progress = |text: &str| self.said.borrow_mut().push(text.to_owned());
        let (cache, verbosity) = (&self.cache, self.verbosity.get());
        let recipe = recipe();
        let builder = Builder { programs: &self.fake, recipe, cache, progress: &progress, verbosity };
        builder.resolve(&TreeSpec {
            directory: self.tree(),
            revision: revision.map(str::to_owned),
            ..TreeSpec::default()
        })
    }

    fn compiled(&self) -> usize {
        self.fake.makes.borrow().iter().filter(|target| *target == "bzImage").count()
    }

    /// What lies in our worktree.
    fn checked_out(&self) -> String {
        let trees = std::fs::read_dir(self.cache.root().join("trees")).unwrap();
        let workshop = trees.into_iter().next().unwrap().unwrap().path();
        std::fs::read_to_string(workshop.join("source/fs/open.c")).unwrap()
    }
}

const ALL: &str = "CONFIG_A=y\nCONFIG_B=y\n";

#[test]
fn a_revision_is_built_once_and_kept_by_content() {
    let bench = Bench::new(ALL);
    let kernel = bench.build(Some("HEAD")).unwrap();
    assert_eq!(kernel.release, "6.1.0-56-cloud-amd64");
    assert!(kernel.symbols.is_some() && kernel.modules.is_none());
    bench.git(&["commit", "-q", "--allow-empty", "-m", "the same files"]);
    bench.build(Some("HEAD")).unwrap();
    assert_eq!(bench.compiled(), 1);
    bench.fake.compiler.set("gcc (Debian) 14.2.0");
    bench.build(Some("HEAD")).unwrap();
    assert_eq!(bench.compiled(), 2);
}

#[test]
fn the_files_as_they_are_include_what_is_not_committed() {
    let bench = Bench::new(ALL);
    bench.write("fs/open.c", "int changed;\n");
    bench.write("fs/new.c", "int new;\n");
    let before = bench.git(&["status", "--porcelain"]);
    bench.build(None).unwrap();
    assert_eq!(bench.checked_out(), "int changed;\n");
    assert_eq!(bench.git(&["status", "--porcelain"]), before, "the user's index is not touched");
    bench.build(None).unwrap();
    assert_eq!(bench.compiled(), 1);
    bench.build(Some("HEAD")).unwrap();
    assert_eq!((bench.checked_out().as_str(), bench.compiled()), ("int a;\n", 2));
}

#[test]
fn a_bisection_can_end_at_the_files_as_they_are() {
    let bench = Bench::new(ALL);
    let repository = Repository::open(&bench.tree(), &MachinePrograms).unwrap();
    let newest = || repository.newest(bench.folder.path()).unwrap();
    let head = bench.git(&["rev-parse", "HEAD"]);
    assert_eq!((newest().as_str(), repository.depth(5)), (head.trim(), 0));
    bench.write("fs/open.c", "int changed;\n");
    assert_eq!(bench.git(&["rev-parse", &format!("{}^", newest())]), head);
    bench.commit();
    assert_eq!(repository.depth(5), 1);
}

#[test]
fn the_change_is_what_is_not_committed_else_the_last_commit_but_never_the_first() {
    let bench = Bench::new(ALL);
    let change = || Repository::open(&bench.tree(), &MachinePrograms).unwrap().change().unwrap();
    assert_eq!(change(), "");
    bench.write("fs/open.c", "int b;\n");
    assert!(change().contains("+++ b/fs/open.c"));
    bench.commit();
    assert!(change().contains("+int b;"));
}

#[test]
fn the_users_checkout_stays_on_its_branch() {
    let bench = Bench::new(ALL);
    bench.write("fs/open.c", "int b;\n");
    bench.commit();
    let before = (bench.git(&["rev-parse", "HEAD"]), bench.git(&["symbolic-ref", "HEAD"]));
    bench.build(Some("HEAD^")).unwrap();
    assert_eq!(bench.checked_out(), "int a;\n");
    assert_eq!((bench.git(&["rev-parse", "HEAD"]), bench.git(&["symbolic-ref", "HEAD"])), before);
}

#[test]
fn an_emptied_cache_is_filled_again() {
    let bench = Bench::new(ALL);
    bench.build(Some("HEAD")).unwrap();
    std::fs::remove_dir_all(bench.cache.root().join("trees")).unwrap();
    std::fs::remove_dir_all(bench.cache.root().join("kernels")).unwrap();
    assert!(bench.build(Some("HEAD")).is_ok());
}

#[test]
fn symbols_that_did_not_stick_are_named() {
    let bench = Bench::new("CONFIG_A=y\n");
    let error = bench.build(Some("HEAD")).unwrap_err();
    assert_eq!(error.message, "this tree does not take from base: CONFIG_B=y");
    assert!(error.hints[0].contains("CONFIG_B is unknown to this tree"), "{error:?}");
    assert_eq!(bench.compiled(), 0);
}

#[test]
fn a_configuration_is_made_once_and_again_when_kconfig_files_change() {
    let bench = Bench::new(ALL);
    let configured = || bench.fake.makes.borrow().iter().filter(|target| *target == "olddefconfig").count();
    bench.build(Some("HEAD")).unwrap();
    bench.write("fs/open.c", "int b;\n");
    bench.commit();
    bench.build(Some("HEAD")).unwrap();
    assert_eq!((configured(), bench.compiled()), (1, 2));
    bench.write("fs/Kconfig", "config A\n");
    bench.git(&["add", "--all"]);
    bench.commit();
    bench.build(Some("HEAD")).unwrap();
    assert_eq!(configured(), 2);
}

#[test]
fn a_warning_that_an_earlier_build_did_not_have_is_shown() {
    let bench = Bench::new(ALL);
    bench.fake.warning.set("fs/old.c:1:1: warning: old\n");
    bench.build(Some("HEAD")).unwrap();
    bench.write("fs/open.c", "int b;\n");
    bench.commit();
    bench.fake.warning.set("fs/old.c:9:1: warning: old\nfs/open.c:1:5: warning: unused\n");
    bench.build(Some("HEAD")).unwrap();
    let said = bench.said.borrow();
    let warnings: Vec<&String> = said.iter().filter(|text| text.contains("warning")).collect();
    assert_eq!(warnings, ["new warning: fs/open.c:1:5: unused"]);
}

#[test]
fn a_verbose_build_shows_all_that_make_says_and_is_the_same_kernel() {
    let bench = Bench::new(ALL);
    bench.verbosity.set(Some("1"));
    bench.build(Some("HEAD")).unwrap();
    assert!(bench.said.borrow().iter().any(|text| text == "  CC      fs/open.o"));
    bench.verbosity.set(None);
    bench.build(Some("HEAD")).unwrap();
    assert_eq!(bench.compiled(), 1);
}

#[test]
fn a_failed_build_is_one_error_with_its_place() {
    let bench = Bench::new(ALL);
    bench.fake.broken.set(true);
    let error = bench.build(Some("HEAD")).unwrap_err();
    assert!(error.message.contains("(\"change\") does not build: expected declaration"), "{error}");
    assert_eq!(error.place.as_deref(), Some("fs/open.c:7:1"));
    assert!(error.hints[0].contains("gauntlet-build.log"));
    bench.fake.broken.set(false);
    assert!(bench.build(Some("HEAD")).is_ok(), "the next try starts from where it was");
}

#[test]
fn what_is_no_kernel_tree_or_no_revision_is_told_apart() {
    let bench = Bench::new(ALL);
    let error = bench.build(Some("v9.9")).unwrap_err();
    assert!(error.message.contains("`v9.9` is no revision of"), "{error}");
    std::fs::remove_dir_all(bench.tree().join("scripts")).unwrap();
    assert!(bench.build(None).unwrap_err().message.contains("is not a kernel tree"));
}
