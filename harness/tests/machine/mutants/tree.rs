//! One kernel that holds every mutant, chosen by the parameter `mutant=`: Debian's sources with the tables' changes,
//! built in the cache directory and rebuilt where a table changed.

use super::table::{self, Mutant};
use gauntlet::kernel::{self, Cache, KernelBuild};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package linux-source-6.1 of Debian 12.
const SOURCE: &str = "/usr/src/linux-source-6.1.tar.xz";

/// What declares and reads the parameter; every C file sees the declaration.
const PARAMETER: [(&str, &str, &str); 2] = [
    ("include/linux/compiler_types.h", "#ifndef __ASSEMBLY__\n", "@\nextern unsigned int mutant;\n"),
    ("init/main.c", "\tintegrity_load_keys();\n}\n", CHOOSE),
];

const CHOOSE: &str = "@
unsigned int mutant __read_mostly;

static int __init choose_mutant(char *number)
{
	return kstrtouint(number, 0, &mutant);
}
early_param(\"mutant\", choose_mutant);
";

/// The module that livepatch cases are made after.
const MODULE: &str = "dummy";

/// The kernel with all mutants, built unless it is there; `None`, said aloud, without the sources.
pub fn kernel(cache: &Path, mutants: &[Mutant]) -> Option<KernelBuild> {
    if !Path::new(SOURCE).exists() {
        eprintln!("SKIPPED: {SOURCE} is missing: apt-get install linux-source-6.1");
        return None;
    }
    let cache = Cache::at(cache).unwrap();
    let _lock = cache.lock("mutants").unwrap();
    let tree = Tree { folder: cache.root().join("mutants") };
    tree.unpack();
    tree.mutate(mutants);
    tree.configure();
    tree.make(&["bzImage", "modules"]);
    Some(tree.resolve(&cache))
}

struct Tree {
    folder: PathBuf,
}

impl Tree {
    fn source(&self) -> PathBuf {
        self.folder.join("linux-source-6.1")
    }

    fn build(&self) -> PathBuf {
        self.folder.join("build")
    }

    fn unpack(&self) {
        if self.source().join("Makefile").exists() {
            return;
        }
        std::fs::create_dir_all(self.build()).unwrap();
        let draft = tempfile::tempdir_in(&self.folder).unwrap();
        run(Command::new("tar").arg("xJf").arg(SOURCE).arg("-C").arg(draft.path()));
        std::fs::rename(draft.path().join("linux-source-6.1"), self.source()).unwrap();
    }

    /// Writes the changed files, and only where the text differs: make goes by the time.
    fn mutate(&self, mutants: &[Mutant]) {
        let mut files: BTreeMap<&Path, Vec<&Mutant>> = BTreeMap::new();
        for mutant in mutants {
            files.entry(&mutant.file).or_default().push(mutant);
        }
        for (file, mutants) in files {
            let text = table::mutated(&self.pristine(file), &mutants).unwrap_or_else(|why| panic!("{why}"));
            write(&self.source().join(file), &text);
        }
        for (file, find, make) in PARAMETER {
            let text = self.pristine(Path::new(file));
            assert_eq!(text.matches(find).count(), 1, "{file}: {find}");
            write(&self.source().join(file), &text.replace(find, &make.replace('@', find)));
        }
    }

    /// The file as Debian has it, of which a copy is kept.
    fn pristine(&self, file: &Path) -> String {
        let path = self.source().join(file);
        let kept = PathBuf::from(format!("{}.pristine", path.display()));
        if !kept.exists() {
            std::fs::copy(&path, &kept).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        std::fs::read_to_string(kept).unwrap()
    }

    /// A tiny kernel with all that the suites ask for; again when a fragment changed.
    fn configure(&self) {
        let fragments = fragments();
        let text: String = fragments.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        let made_from = self.build().join("fragments.config");
        if std::fs::read_to_string(&made_from).is_ok_and(|last| last == text) {
            return;
        }
        self.make(&["tinyconfig"]);
        let mut merge = Command::new(self.source().join("scripts/kconfig/merge_config.sh"));
        merge
            .current_dir(self.source())
            .args(["-m", "-O"])
            .arg(self.build())
            .arg(self.build().join(".config"));
        run(merge.args(&fragments));
        self.make(&["olddefconfig"]);
        self.refuse_lost(&text);
        std::fs::write(made_from, text).unwrap();
    }

    fn refuse_lost(&self, wanted: &str) {
        let config = std::fs::read_to_string(self.build().join(".config")).unwrap();
        let lost = wanted.lines().filter(|line| line.starts_with("CONFIG_"));
        let lost: Vec<&str> = lost.filter(|&line| !config.lines().any(|set| set == line)).collect();
        assert!(lost.is_empty(), "the tree does not take {lost:?}");
    }

    fn make(&self, targets: &[&str]) {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut make = Command::new("make");
        make.current_dir(self.source()).arg(format!("-j{jobs}")).arg("--silent");
        make.arg(format!("O={}", self.build().display())).args(targets);
        // Else every build is another one (Documentation/kbuild/reproducible-builds.rst).
        make.envs([
            ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
            ("KBUILD_BUILD_VERSION", "1"),
        ]);
        run(make.envs([
            ("KBUILD_BUILD_USER", "gauntlet"),
            ("KBUILD_BUILD_HOST", "gauntlet"),
            ("LOCALVERSION", ""),
        ]));
    }

    fn resolve(&self, cache: &Cache) -> KernelBuild {
        let build = self.build();
        let modules = build.join("modules");
        let module = format!("kernel/drivers/net/{MODULE}.ko");
        std::fs::create_dir_all(modules.join("kernel/drivers/net")).unwrap();
        std::fs::copy(build.join(format!("drivers/net/{MODULE}.ko")), modules.join(&module)).unwrap();
        std::fs::write(modules.join("modules.dep"), format!("{module}:\n")).unwrap();
        let spec = format!(
            "path:{build}/arch/x86/boot/bzImage,modules={},config={build}/.config",
            modules.display(),
            build = build.display()
        );
        kernel::resolve(&spec.parse().unwrap(), cache, &|_| {}).unwrap()
    }
}

fn fragments() -> Vec<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/kconfig");
    let ours = ["tiny", "base", "selftest"].map(|name| ours.join(format!("{name}.config")));
    ours.into_iter().chain([table::folder().join("mutants.config")]).collect()
}

fn write(path: &Path, text: &str) {
    if std::fs::read_to_string(path).is_ok_and(|now| now == text) {
        return;
    }
    std::fs::write(path, text).unwrap();
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
}
