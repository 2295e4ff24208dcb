//! One build: check out, configure, make, keep.

use super::make::Make;
use super::memory::Memory;
use super::program::{Call, MachinePrograms, Programs};
use super::recipe::Recipe;
use super::source::{Repository, Snapshot};
use crate::error::Result;
use crate::kernel::cache::{Cache, Lock, digest, unwritable};
use crate::kernel::spec::TreeSpec;
use crate::kernel::{KernelBuild, KernelSpec, Progress, entry};
use std::path::{Path, PathBuf};

/// Builds the tree at the revision, unless the same files were built the same way before.
pub fn resolve(spec: &TreeSpec, cache: &Cache, progress: Progress<'_>) -> Result<KernelBuild> {
    let recipe = Recipe::of(spec, cache, progress)?;
    let verbosity = spec.verbosity();
    let builder = Builder { programs: &MachinePrograms, recipe, cache, progress, verbosity };
    builder.resolve(spec)
}

/// The sources of a snapshot in a worktree of ours, and the right to work there.
#[derive(Debug)]
pub struct Workshop {
    pub source: PathBuf,
    _lock: Lock,
}

impl Workshop {
    /// Waits until no other invocation works on the tree, and brings the worktree to the snapshot.
    ///
    /// Errors: infrastructure, when git or the disk fails.
    pub fn open(repository: &Repository<'_>, snapshot: &Snapshot, cache: &Cache) -> Result<Workshop> {
        let name = format!("trees/{}", digest(&repository.directory.to_string_lossy()));
        let lock = cache.lock(&name)?;
        let source = cache.path(Path::new(&name).join("source"))?;
        repository.check_out(snapshot, &source)?;
        Ok(Workshop { source, _lock: lock })
    }
}

pub(super) struct Builder<'a> {
    pub programs: &'a dyn Programs,
    pub recipe: Recipe,
    pub cache: &'a Cache,
    pub progress: Progress<'a>,
    pub verbosity: Option<&'a str>,
}

impl Builder<'_> {
    pub fn resolve(&self, spec: &TreeSpec) -> Result<KernelBuild> {
        let repository = Repository::open(&spec.directory, self.programs)?;
        let scratch = self.cache.scratch()?;
        let snapshot = repository.snapshot(spec.revision.as_deref(), &scratch.path)?;
        let compiler = self.compiler(&repository.directory)?;
        let key = digest(&format!("{} {} {compiler}", snapshot.tree, self.recipe.identity()));
        let relative = format!("kernels/tree-{}", &key[..20]);
        let path = self
            .cache
            .entry(&relative, entry::is_intact, |draft| self.build(&repository, &snapshot, draft))?;
        entry::load(&path, &KernelSpec::Tree(spec.clone()))
    }

    fn compiler(&self, directory: &Path) -> Result<String> {
        let finished =
            self.programs.run(&Call::new(self.recipe.compiler(), directory).argument("--version"))?;
        Ok(finished.stdout.lines().next().unwrap_or_default().to_owned())
    }

    fn build(&self, repository: &Repository<'_>, snapshot: &Snapshot, draft: &Path) -> Result<()> {
        (self.progress)(&format!("checking out {}", repository.subject(snapshot)));
        let workshop = Workshop::open(repository, snapshot, self.cache)?;
        // One directory per configuration: going to and fro between two must not compile everything again.
        let folder = format!("build-{}", &digest(&self.recipe.identity())[..12]);
        let output = workshop.source.with_file_name(&folder);
        std::fs::create_dir_all(&output).map_err(|error| unwritable(&output, error))?;
        let make = Make {
            programs: self.programs,
            recipe: &self.recipe,
            progress: self.progress,
            source: workshop.source.clone(),
            output,
            subject: repository.subject(snapshot),
            verbosity: self.verbosity,
        };
        let mut memory = Memory::load(&make.output);
        let configured = make.configure(&mut memory);
        // Kept even when it fails: a half-written configuration must not look like the one before.
        memory.save(&make.output)?;
        configured?;
        let expected = if memory.is_warm() { memory.expected() } else { self.elsewhere(&folder) };
        let said = make.compile(expected)?;
        // Of what is said in full no objects are counted.
        let objects = self.verbosity.is_none().then_some(said.done);
        for warning in memory.learn(objects, &said.warnings) {
            (self.progress)(&format!("new warning: {warning}"));
        }
        memory.save(&make.output)?;
        self.adopt(draft, &make.output)
    }

    fn adopt(&self, draft: &Path, output: &Path) -> Result<()> {
        entry::adopt(
            draft,
            &output.join("arch/x86/boot/bzImage"),
            &output.join(".config"),
            &output.join("System.map"),
        )?;
        entry::link_debug(draft, &output.join("vmlinux"))
    }

    /// Objects of the same build of another tree, to expect something of a first one.
    fn elsewhere(&self, folder: &str) -> Option<usize> {
        let trees = std::fs::read_dir(self.cache.root().join("trees")).ok()?;
        let outputs = trees.flatten().map(|tree| tree.path().join(folder));
        outputs.filter_map(|output: PathBuf| Memory::load(&output).cold).max()
    }
}

#[cfg(test)]
mod tests;
