//! One build: check out, configure, make, keep.

use super::diagnosis::first_error;
use super::fragment::lost;
use super::program::{Call, Finished, MachinePrograms, NEEDED, Programs};
use super::source::{Repository, Snapshot};
use super::{Recipe, SMALL};
use crate::error::{Error, Result};
use crate::kernel::cache::{Cache, digest, unwritable};
use crate::kernel::{KernelBuild, KernelConfig, KernelSpec, Progress, entry};
use std::path::{Path, PathBuf};

/// What the version text says instead of who built where and when, which would make every build another one
/// (Documentation/kbuild/reproducible-builds.rst).
const ANONYMOUS: [(&str, &str); 5] = [
    ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
    ("KBUILD_BUILD_USER", "gauntlet"),
    ("KBUILD_BUILD_HOST", "gauntlet"),
    ("KBUILD_BUILD_VERSION", "1"),
    // Set, even to nothing, it keeps setlocalversion from adding the state of git.
    ("LOCALVERSION", ""),
];

/// Builds the tree at the revision, unless the same files were built the same way before.
pub fn resolve(
    spec: &KernelSpec,
    directory: &Path,
    revision: Option<&str>,
    cache: &Cache,
    progress: Progress<'_>,
) -> Result<KernelBuild> {
    let builder = Builder { programs: &MachinePrograms, recipe: SMALL, cache, progress };
    builder.resolve(spec, directory, revision)
}

pub(super) struct Builder<'a> {
    pub programs: &'a dyn Programs,
    pub recipe: Recipe,
    pub cache: &'a Cache,
    pub progress: Progress<'a>,
}

impl Builder<'_> {
    pub fn resolve(
        &self,
        spec: &KernelSpec,
        directory: &Path,
        revision: Option<&str>,
    ) -> Result<KernelBuild> {
        let repository = Repository::open(directory, self.programs)?;
        let scratch = self.cache.scratch()?;
        let snapshot = repository.snapshot(revision, &scratch.path)?;
        let compiler = self.compiler(&repository.directory)?;
        let key = digest(&format!("{} {:?} {compiler}", snapshot.tree, self.recipe));
        let relative = format!("kernels/tree-{}", &key[..20]);
        let path = self
            .cache
            .entry(&relative, entry::is_intact, |draft| self.build(&repository, &snapshot, draft))?;
        entry::load(&path, spec)
    }

    fn compiler(&self, directory: &Path) -> Result<String> {
        let finished = self.programs.run(&Call::new("gcc", directory).argument("--version"))?;
        Ok(finished.stdout.lines().next().unwrap_or_default().to_owned())
    }

    fn build(&self, repository: &Repository<'_>, snapshot: &Snapshot, draft: &Path) -> Result<()> {
        let name = format!("trees/{}", digest(&repository.directory.to_string_lossy()));
        let _lock = self.cache.lock(&name)?;
        let workshop = self.cache.path(Path::new(&name).join("source"))?;
        let (source, output) = (workshop.clone(), workshop.with_file_name("build"));
        std::fs::create_dir_all(&output).map_err(|error| unwritable(&output, error))?;
        (self.progress)(&format!("checking out {}", short(&snapshot.commit)));
        repository.check_out(snapshot, &source)?;
        let make = Make { builder: self, source, output };
        (self.progress)("configuring");
        make.configure()?;
        (self.progress)("compiling (minutes the first time, seconds for small changes)");
        make.run(&["bzImage"])?;
        entry::adopt(
            draft,
            &make.output.join("arch/x86/boot/bzImage"),
            &make.output.join(".config"),
            &make.output.join("System.map"),
        )
    }
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// make in the build directory.
struct Make<'a> {
    builder: &'a Builder<'a>,
    source: PathBuf,
    output: PathBuf,
}

impl Make<'_> {
    /// Writes the `.config` of the recipe and checks that Kconfig kept what was asked for.
    fn configure(&self) -> Result<()> {
        self.run(&[self.builder.recipe.base])?;
        let merge = Call::new(self.source.join("scripts/kconfig/merge_config.sh"), &self.source)
            .arguments(["-m", "-O"])
            .argument(&self.output)
            .argument(self.output.join(".config"))
            .environment("ARCH", "x86_64");
        let mut fragments = Vec::new();
        for (name, text) in self.builder.recipe.fragments {
            let path = self.output.join(format!("gauntlet-{name}"));
            std::fs::write(&path, text).map_err(|error| unwritable(&path, error))?;
            fragments.push(path);
        }
        self.checked(merge.arguments(fragments))?;
        self.run(&["olddefconfig"])?;
        let config = KernelConfig::read(&self.output.join(".config"))?;
        for (name, text) in self.builder.recipe.fragments {
            refuse_lost(name, &lost(text, &config))?;
        }
        Ok(())
    }

    fn run(&self, targets: &[&str]) -> Result<()> {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let call = Call::new("make", &self.source)
            .arguments(["--silent", "ARCH=x86_64"])
            .argument(format!("--jobs={jobs}"))
            .argument(format!("O={}", self.output.display()))
            .arguments(targets);
        let call = ANONYMOUS.into_iter().fold(call, |call, (name, value)| call.environment(name, value));
        self.checked(call)
    }

    fn checked(&self, call: Call) -> Result<()> {
        let finished = self.builder.programs.run(&call)?;
        if finished.success {
            return Ok(());
        }
        let log = self.output.join("gauntlet-build.log");
        std::fs::write(&log, format!("{}{}", finished.stdout, finished.stderr))
            .map_err(|error| unwritable(&log, error))?;
        Err(self.failure(&finished).hint(format!("everything the build said: {}", log.display())))
    }

    fn failure(&self, finished: &Finished) -> Error {
        let output = format!("{}\n{}", finished.stderr, finished.stdout);
        let Some(complaint) = first_error(&output, &self.source.to_string_lossy()) else {
            return Error::usage("the kernel does not build, and make does not say why");
        };
        // Tools and headers of the host are the machine's business, everything else the tree's.
        let host =
            ["not found", "libelf", "gelf.h", "openssl/"].iter().any(|sign| complaint.message.contains(sign));
        if host {
            return Error::infra(format!("the kernel cannot be built here: {}", complaint.message))
                .hint(NEEDED);
        }
        let error = Error::usage(format!("the kernel does not build: {}", complaint.message));
        match complaint.place {
            Some(place) => error.at(place),
            None => error,
        }
    }
}

fn refuse_lost(fragment: &str, lost: &[&str]) -> Result<()> {
    if lost.is_empty() {
        return Ok(());
    }
    Err(Error::usage(format!("this tree does not take from {fragment}: {}", lost.join(", ")))
        .hint("a symbol is dropped when it is gone from this version or something it depends on is not set"))
}

#[cfg(test)]
mod tests;
