//! Building targets of a tree's kselftest: into the cache, keyed by the sources of the tests and not of the kernel, so
//! that a change of the kernel is tested with the very same binaries.

use crate::error::{Error, Result};
use crate::kernel::cache::{Cache, digest};
use crate::kernel::spec::TreeSpec;
use crate::kernel::tree::build::Workshop;
use crate::kernel::tree::diagnosis::first_error;
use crate::kernel::tree::makeflags::MakeFlags;
use crate::kernel::tree::program::{Call, MachinePrograms, Programs};
use crate::kernel::tree::source::Repository;
use crate::kernel::{KernelConfig, Progress};
use std::path::{Path, PathBuf};

/// What the binaries are made of.
const SOURCES: [&str; 5] =
    ["tools/testing/selftests", "tools/include", "tools/lib", "include/uapi", "arch/x86/include/uapi"];

/// A target that is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub target: String,
    /// The digest of its sources and compiler.
    pub digest: String,
    /// Where its programs lie.
    pub folder: PathBuf,
    /// As the tree's own runner would call them.
    pub programs: Vec<String>,
    /// Lines of its `config` file.
    pub config: String,
    /// Seconds that a program may take, when the target says so.
    pub timeout: Option<u64>,
}

/// Builds the targets of the tree's kselftest, each on its own: one that does not build is an error of its own.
///
/// Errors: of the tree itself; of a target in its place.
pub fn install(
    tree: &TreeSpec,
    targets: &[String],
    cache: &Cache,
    progress: Progress<'_>,
) -> Result<Vec<(String, Result<Installed>)>> {
    let repository = Repository::open(&tree.directory, &MachinePrograms)?;
    check_names(&repository.directory, targets)?;
    let scratch = cache.scratch()?;
    let snapshot = repository.snapshot(tree.revision.as_deref(), &scratch.path)?;
    let compiler = Call::new("gcc", &repository.directory).argument("--version");
    let compiler = MachinePrograms.run(&compiler)?.stdout;
    let sources = repository.digest_of(&snapshot, &SOURCES)?;
    let mut all = Vec::new();
    for target in targets {
        let key = digest(&format!("{sources} {compiler} {target}"));
        let relative = format!("kselftest/{target}-{}", &key[..20]);
        let path = cache.entry(
            &relative,
            |entry| entry.join(DONE).is_file(),
            |draft| {
                progress(&format!("building kselftest {target}"));
                let workshop = Workshop::open(&repository, &snapshot, cache)?;
                let building =
                    Building { target, workshop: &workshop, progress, verbosity: tree.verbosity() };
                building.build(draft)
            },
        );
        all.push((target.clone(), path.and_then(|path| read(target, &path, key))));
    }
    Ok(all)
}

/// In an entry that is whole.
const DONE: &str = "gauntlet-done";

fn check_names(tree: &Path, targets: &[String]) -> Result<()> {
    let folder = tree.join("tools/testing/selftests");
    for target in targets {
        let tidy = !target.is_empty() && !target.contains("..") && !target.starts_with('/');
        if !tidy || !folder.join(target).join("Makefile").is_file() {
            let known: Vec<String> = std::fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| entry.path().join("Makefile").is_file())
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            return Err(Error::unknown("kselftest target", target, known.iter().map(String::as_str)));
        }
    }
    Ok(())
}

/// One target being built.
struct Building<'a> {
    target: &'a str,
    workshop: &'a Workshop,
    progress: Progress<'a>,
    verbosity: Option<&'a str>,
}

impl Building<'_> {
    fn build(&self, draft: &Path) -> Result<()> {
        let source = &self.workshop.source;
        let output = source.with_file_name("kselftest");
        std::fs::create_dir_all(&output)
            .map_err(|error| Error::infra(format!("cannot make {}", output.display())).because(error))?;
        self.run(self.make(source, &output).argument("headers"))?;
        let call = self
            .make(&source.join("tools/testing/selftests"), &output)
            .arguments(["FORCE_TARGETS=1".to_owned(), format!("TARGETS={}", self.target)])
            .argument(format!("INSTALL_PATH={}", draft.display()))
            .argument("install");
        self.run(call)?;
        std::fs::write(draft.join(DONE), "")
            .map_err(|error| Error::infra(format!("cannot write {}", draft.display())).because(error))
    }

    fn make(&self, folder: &Path, output: &Path) -> Call {
        let call = Call::new("make", folder).arguments(["ARCH=x86_64", "--no-print-directory"]);
        let call = match self.verbosity {
            Some(level) => call.argument(format!("V={level}")),
            None => call.argument("--silent"),
        };
        MakeFlags::of_environment().apply(call.argument(format!("O={}", output.display())))
    }

    fn run(&self, call: Call) -> Result<()> {
        let finished = MachinePrograms.watch(&call, &mut |line| {
            if self.verbosity.is_some() {
                (self.progress)(line);
            }
        })?;
        match finished.success {
            true => Ok(()),
            false => Err(failure(self.target, &self.workshop.source, &finished.stdout)),
        }
    }
}

fn failure(target: &str, source: &Path, output: &str) -> Error {
    let Some(complaint) = first_error(output, &source.to_string_lossy()) else {
        return Error::usage(format!("kselftest {target} does not build, and make does not say why"));
    };
    let place = complaint.place.unwrap_or_default();
    let error = Error::usage(format!("kselftest {target} does not build: {place}: {}", complaint.message));
    match package_of(&complaint.message) {
        Some(package) => error.hint(format!("this machine lacks a library: apt-get install {package}")),
        None => error,
    }
}

/// Debian packages of the headers that kselftest takes from the machine.
const HEADERS: [(&str, &str); 7] = [
    ("fuse.h", "libfuse-dev"),
    ("sys/capability.h", "libcap-dev"),
    ("cap-ng.h", "libcap-ng-dev"),
    ("numa.h", "libnuma-dev"),
    ("popt.h", "libpopt-dev"),
    ("libmnl/libmnl.h", "libmnl-dev"),
    ("alsa/asoundlib.h", "libasound2-dev"),
];

fn package_of(message: &str) -> Option<&'static str> {
    HEADERS.iter().find(|(header, _)| message.starts_with(&format!("{header}:"))).map(|(_, package)| *package)
}

fn read(target: &str, path: &Path, digest: String) -> Result<Installed> {
    let list = std::fs::read_to_string(path.join("kselftest-list.txt"))
        .map_err(|error| Error::infra(format!("kselftest {target}: no list of programs")).because(error))?;
    let folder = path.join(target);
    let settings = std::fs::read_to_string(folder.join("settings")).unwrap_or_default();
    Ok(Installed {
        programs: programs(&list, target),
        config: std::fs::read_to_string(folder.join("config")).unwrap_or_default(),
        timeout: settings.lines().find_map(|line| line.strip_prefix("timeout=")?.trim().parse().ok()),
        target: target.to_owned(),
        folder,
        digest,
    })
}

/// `TARGET:PROGRAM` lines.
fn programs(list: &str, target: &str) -> Vec<String> {
    let of_target = list.lines().filter_map(|line| line.trim().split_once(':'));
    of_target.filter(|(owner, _)| *owner == target).map(|(_, program)| program.trim().to_owned()).collect()
}

impl Installed {
    /// What the target asks for and this kernel does not have; of a kernel without a known configuration nothing.
    pub fn missing(&self, config: Option<&KernelConfig>) -> Vec<&str> {
        config.map(|config| super::symbols::missing(&self.config, config)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_programs_by_target() {
        let list = "memfd:memfd_test\nmemfd:run_fuse_test.sh\nexec:execveat\n\n";
        assert_eq!(programs(list, "memfd"), ["memfd_test", "run_fuse_test.sh"]);
    }

    #[test]
    fn missing_headers_come_with_their_package() {
        assert_eq!(package_of("fuse.h: No such file or directory"), Some("libfuse-dev"));
        assert_eq!(package_of("my_fuse.h: No such file"), None);
    }

    #[test]
    fn unknown_targets_are_named_with_their_neighbours() {
        let folder = tempfile::tempdir().unwrap();
        let memfd = folder.path().join("tools/testing/selftests/memfd");
        std::fs::create_dir_all(&memfd).unwrap();
        std::fs::write(memfd.join("Makefile"), "").unwrap();
        let error = check_names(folder.path(), &["mefmd".to_owned()]).unwrap_err();
        assert!(error.hints[0].contains("memfd"), "{error:?}");
        assert!(check_names(folder.path(), &["../memfd".to_owned()]).is_err());
        assert!(check_names(folder.path(), &["memfd".to_owned()]).is_ok());
    }
}
